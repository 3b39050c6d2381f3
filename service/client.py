"""The Python client: typed, patient with a restarting service, and safe to repeat.

client = Client("http://127.0.0.1:8000", api_key)
dataset = client.make_digits()
supernet = client.train(dataset.id, steps=1000)
search = client.search(supernet.id, devices=[{"kind": "torch_cpu"}], objectives=["ap", "latency_ms"])
for event in client.events(search.id): ...
front = client.pareto(search.id)
path = client.download(front.best("ap", latency_ms=4.0).id, "neck.zip")
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from service.client_records import (
    ENDED,
    ApiError,
    Artifact,
    Dataset,
    Device,
    Event,
    Finalists,
    Finetuning,
    Front,
    JobFailed,
    Predictor,
    Ranking,
    Record,
    Search,
    Subnet,
    Supernet,
)
from service.identifiers import new_id
from service.transport import Transport

R = TypeVar("R", bound=Record)
POLL_S = 0.3
Json = Mapping[str, Any]

__all__ = ["ApiError", "Client", "JobFailed"]


class Client:
    """One service, one key. Every call may be repeated: a POST carries an idempotency key of its own."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        patience_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._transport = Transport(base_url, api_key, patience_s=patience_s, transport=transport)
        self.base_url = base_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # datasets and supernets

    def register_dataset(self, path: str, *, name: str | None = None) -> Dataset:
        """Register a COCO-format folder below the service's dataset root."""
        return self._post(Dataset, "/datasets", {"path": path, "name": name})

    def make_digits(
        self, *, name: str | None = None, builtin: str = "digits", key: str | None = None, **options: int
    ) -> Dataset:
        """Have the service compose a dataset of digits; options are seed, train, val and image_size.

        With a key of its own a request is carried out once, however often it is sent.
        """
        body = {"builtin": builtin, "name": name, "options": options}
        return self._post(Dataset, "/datasets", body, key)

    def dataset(self, dataset_id: str) -> Dataset:
        """Return one dataset."""
        return self._get(Dataset, f"/datasets/{dataset_id}")

    def datasets(self) -> Iterator[Dataset]:
        """Yield every dataset, newest first."""
        return self._pages(Dataset, "/datasets")

    def train(self, dataset_id: str, *, key: str | None = None, **spec: Any) -> Supernet:
        """Queue the training of a supernet; with a key of its own once, however often it is asked for."""
        return self._post(Supernet, "/supernets", {"dataset_id": dataset_id, **spec}, key)

    def supernet(self, supernet_id: str) -> Supernet:
        """Return one supernet."""
        return self._get(Supernet, f"/supernets/{supernet_id}")

    def supernets(self) -> Iterator[Supernet]:
        """Yield every supernet, newest first."""
        return self._pages(Supernet, "/supernets")

    def rank(self, supernet_id: str, *, key: str | None = None, **options: int) -> Ranking:
        """Queue an estimate of how truly a supernet ranks: architectures, seeds, truth_steps,
        adaptation_steps, seed.
        """
        return self._post(Ranking, f"/supernets/{supernet_id}:rank", options, key)

    def send_weights(self, file: Path | str) -> str:
        """Send a safetensors file and return its sha256, by which a search's imports name it."""
        found: str = self._transport.send("/weights", Path(file).read_bytes())["sha256"]
        return found

    def import_supernet(self, folder: Path | str, dataset_id: str, *, name: str | None = None) -> Supernet:
        """Have the service take in a supernet that was trained elsewhere: supernet.json and
        supernet.safetensors of a folder. It can be searched at once.
        """
        place = Path(folder)
        card = json.loads((place / "supernet.json").read_text())
        weights = self.send_weights(place / "supernet.safetensors")
        body = {"dataset_id": dataset_id, "card": card, "weights": weights, "name": name}
        return self._post(Supernet, "/supernets:import", body)

    # searches

    def search(self, supernet_id: str | None = None, **spec: Any) -> Search:
        """Queue a search in a supernet, or in one trained first, given as ``supernet={...}``."""
        named = {} if supernet_id is None else {"supernet_id": supernet_id}
        return self._post(Search, "/searches", {**named, **spec})

    def validate(self, supernet_id: str | None = None, **spec: Any) -> dict[str, Any]:
        """Return what a search would cost and how its request is resolved."""
        named = {} if supernet_id is None else {"supernet_id": supernet_id}
        return dict(self._transport.post("/searches:validate", {**named, **spec}))

    def get_search(self, search_id: str) -> Search:
        """Return one search."""
        return self._get(Search, f"/searches/{search_id}")

    def searches(self, *, state: str | None = None, label: str | None = None) -> Iterator[Search]:
        """Yield every search, newest first."""
        return self._pages(Search, "/searches", state=state, label=label)

    def cancel(self, search_id: str, *, now: bool = False) -> str:
        """Stop a search for good and return its state."""
        return str(self._transport.post(f"/searches/{search_id}:cancel", None, now=now or None)["state"])

    def pause(self, search_id: str) -> str:
        """Stop a search until it is resumed and return its state."""
        return str(self._transport.post(f"/searches/{search_id}:pause", None)["state"])

    def resume(self, search_id: str) -> str:
        """Go on with a paused search and return its state."""
        return str(self._transport.post(f"/searches/{search_id}:resume", None)["state"])

    def events(self, search_id: str, *, after: int = 0, wait_s: float = 10.0) -> Iterator[Event]:
        """Yield a search's events from a number on, waiting for more until it ends."""
        while True:
            page = self._transport.get(f"/searches/{search_id}/events", after=after, wait=wait_s)
            for record in page["items"]:
                yield Event.of(record)
            after = page["last"]
            if page["ended"]:
                return

    def subnets(self, search_id: str, **filters: Any) -> Iterator[Subnet]:
        """Yield a search's evaluations in the order in which they were stored."""
        return self._pages(Subnet, f"/searches/{search_id}/subnets", page_size=200, **filters)

    def predictor(self, search: Search) -> Predictor | None:
        """Return the calibration that a search waits for or uses, None if it needs none."""
        if search.device_id is None or search.predictor_id is None:
            return None
        found = self.device(search.device_id).predictors
        record = next(entry for entry in found if entry["id"] == search.predictor_id)
        return Predictor.of(record)

    def subnet(self, subnet_id: str) -> Subnet:
        """Return one evaluation with its architecture."""
        return self._get(Subnet, f"/subnets/{subnet_id}")

    def pareto(
        self,
        search_id: str,
        *,
        objectives: Sequence[str] | None = None,
        constraints: Sequence[str] | None = None,
    ) -> Front:
        """Return a search's front, for its own objectives and bounds or for others."""
        axes = None if objectives is None else ",".join(objectives)
        bounds = None if constraints is None else ",".join(constraints)
        path = f"/searches/{search_id}/pareto"
        return Front.of(self._transport.get(path, objectives=axes, constraints=bounds))

    def finetune(self, subnet_id: str, **schedule: Any) -> Finetuning:
        """Queue a fine-tuning of one subnet: steps, learning_rate, warmup, seed, control; its scores come
        with the source 'fine-tuned'.
        """
        return self._post(Finetuning, f"/subnets/{subnet_id}:finetune", schedule)

    def finetune_finalists(self, search_id: str, subnet_ids: Sequence[str], **schedule: Any) -> Finalists:
        """Queue the fine-tuning of subnets of one search, the hopeless ones stopped early: steps, rounds,
        reduction, learning_rate, warmup, seed.
        """
        body = {"subnet_ids": list(subnet_ids), **schedule}
        return self._post(Finalists, f"/searches/{search_id}:finetune", body)

    # devices

    def devices(self) -> Iterator[Device]:
        """Yield every device, newest first."""
        return self._pages(Device, "/devices")

    def device(self, device_id: str) -> Device:
        """Return one device with its calibrations."""
        return self._get(Device, f"/devices/{device_id}")

    # artifacts

    def artifact(self, subnet_id: str, format: str = "bundle", **options: Any) -> Artifact:
        """Ask for a file of a subnet and return it as it stands; the same request returns the same
        artifact. Options are deploy and finetuning_id.
        """
        return self._post(Artifact, f"/subnets/{subnet_id}/artifacts", {"format": format, **options})

    def get_artifact(self, artifact_id: str) -> Artifact:
        """Return one artifact."""
        return self._get(Artifact, f"/artifacts/{artifact_id}")

    def download(
        self,
        subnet_id: str,
        target: Path | str,
        *,
        format: str = "bundle",
        timeout_s: float = 600,
        **options: Any,
    ) -> Path:
        """Have a file of a subnet made, download it and return its path; see `artifact` for the options.

        Raises:
            JobFailed: it cannot be made.
        """
        artifact = self.artifact(subnet_id, format, **options)
        ready = self.wait(artifact, timeout_s=timeout_s)
        return self.fetch(ready, target)

    def fetch(self, artifact: Artifact, target: Path | str) -> Path:
        """Download a finished artifact, going on where an interrupted download stopped, and check its sha256.

        Raises:
            ApiError: the bytes are not the artifact's.
        """
        assert artifact.sha256 is not None and artifact.content is not None, artifact
        path = Path(target)
        partial = path.with_name(f"{path.name}.{artifact.sha256[:16]}.part")
        self._transport.download(artifact.content, partial, etag=f'"{artifact.sha256}"')
        digest = hashlib.sha256()
        with partial.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != artifact.sha256:
            partial.unlink()
            raise ApiError(0, {"title": "Corrupt download", "detail": f"{path.name} has another sha256"})
        return partial.replace(path)

    # waiting

    def wait(self, record: R, *, timeout_s: float = float("inf")) -> R:
        """Return the record when its job has ended well.

        Raises:
            JobFailed: it failed or was cancelled.
            TimeoutError: it takes longer.
        """
        for found in self.watch(record, timeout_s=timeout_s):
            record = found
        if record.state not in ("SUCCEEDED", "PARTIALLY_SUCCEEDED"):
            raise JobFailed(record)
        return record

    def watch(self, record: R, *, timeout_s: float = float("inf")) -> Iterator[R]:
        """Yield the record again and again until its job has ended.

        Raises:
            TimeoutError: it takes longer.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            record = self._get(type(record), record.address)
            yield record
            if record.state in ENDED:
                return
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{record.address} is still {record.state} after {timeout_s:g} s")
            time.sleep(POLL_S)

    def _get(self, kind: type[R], path: str) -> R:
        return kind.of(self._transport.get(path))

    def _post(self, kind: type[R], path: str, body: Json, key: str | None = None) -> R:
        given = {name: value for name, value in body.items() if value is not None}
        return kind.of(self._transport.post(path, given, key=key or new_id()))

    def _pages(self, kind: type[R], path: str, **query: Any) -> Iterator[R]:
        token = None
        while True:
            page = self._transport.get(path, page_token=token, **query)
            for record in page["items"]:
                yield kind.of(record)
            token = page["next_page_token"]
            if token is None:
                return
