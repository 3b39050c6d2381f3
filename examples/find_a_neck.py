"""Finds a neck for a dataset on a running service, and downloads it.

    neckline serve                                       # in another terminal
    python -m examples.find_a_neck my-coco-folder --budget-ms 2

The folder lies below the service's dataset root (`.neckline/datasets`) and holds `train/images`,
`train/annotations.json`, `val/images` and `val/annotations.json`; without one the built-in digits are used.
With the digits and 900 steps it takes 7 minutes on 2 cores of a 2.8 GHz Xeon.
"""

import argparse
from pathlib import Path

from service.client import Client
from service.client_records import Supernet

DEVICE = {"kind": "onnxruntime_cpu", "threads": 1}


def main() -> None:
    """Register, train, search, show the front and download the best neck within the budget."""
    options = _options()
    key = (options.data / "admin.key").read_text().strip()
    address = options.address or (options.data / "address").read_text().strip()
    with Client(address, key) as client:
        supernet = client.wait(_supernet(client, options))
        search = client.search(
            supernet.id,
            devices=[DEVICE],
            objectives=["ap", "latency_ms"],
            constraints=[{"metric": "latency_ms", "upper": options.budget_ms}],
            baselines=["fpn", "pafpn", "bifpn"],
            budget={"evaluations": options.evaluations},
        )
        print(f"supernet {supernet.id}; watch the search at {address}/searches/{search.id}", flush=True)
        front = client.pareto(client.wait(search).id)
        for point in [*front.points, *front.baselines]:
            ap, latency = point.score("ap"), point.score("latency_ms")
            print(
                point.origin, *(f"{s['metric']} {s['value']:.3f} ({s['source']})" for s in (ap, latency) if s)
            )
        best = front.best("ap", latency_ms=options.budget_ms)
        if best is None:
            raise SystemExit(f"no neck keeps {options.budget_ms:g} ms")
        print("downloaded", client.download(best.id, options.output))


def _supernet(client: Client, options: argparse.Namespace) -> Supernet:
    if options.supernet:
        return client.supernet(options.supernet)
    given = options.dataset
    dataset = client.wait(client.register_dataset(given) if given else client.make_digits(key="digits"))
    return client.train(dataset.id, steps=options.steps)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Find a neck on a running service and download it.")
    parser.add_argument("dataset", nargs="?", help="folder below the service's dataset root")
    parser.add_argument("--budget-ms", type=float, default=2.0, help="latency that the neck may have")
    parser.add_argument("--steps", type=int, default=900, help="optimizer steps of the supernet's training")
    parser.add_argument("--supernet", help="id of one that is trained, to search again for another budget")
    parser.add_argument("--evaluations", type=int, default=100, help="necks that the search scores")
    parser.add_argument("--data", type=Path, default=Path(".neckline"), help="the service's data folder")
    parser.add_argument("--address", help="of the service; what it wrote in its data folder by default")
    parser.add_argument("--output", type=Path, default=Path("neck.zip"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
