"""Does fine-tuning pay? The demo's chosen neck before and after, beside FPN, PAFPN and BiFPN after the same.

As in the demo: a supernet is trained and searched, and the most accurate necks found and the baselines are
measured on the device. `inherited_choice` is the demo's: the most accurate within FPN's measured latency, by
inherited weights. `chosen` is the best of six such finalists after a brief fine-tuning. Then they and the
baselines are fine-tuned by one schedule with three seeds, and the chosen one, BiFPN and a neck without
fusion are trained from scratch as controls. All of that sees the training images and 200 validation images;
the APs here are of 600 further images that nothing was chosen by. Measured rows are appended to
`artifacts/finetune/rows.jsonl`: run again to go on, delete it to begin anew.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks import form
from benchmarks.context import no_fusion
from benchmarks.form import Figure, Target
from benchmarks.rows import Rows
from evaluators import devices
from evaluators.accuracy import AccuracyEvaluator
from evaluators.finetuning import CONTROL_RATE, FINE_RATE, FineTuning, Schedule
from evaluators.latency.calibrate import Calibration, calibrate
from evaluators.latency.measuring import Protocol, Session
from evaluators.latency.measuring import measure as measure_latency
from evaluators.score import Score
from evaluators.validation import Validation
from search.baselines import baselines
from search.budget import Budget
from search.evaluation import Evaluation
from search.executors.local import LocalExecutor
from search.loop import search
from search.objectives import Constraint, Objective
from search.problem import Problem
from search_space.architecture import Architecture
from supernet.data.coco import CocoDetection
from supernet.data.digits import make_digits
from supernet.data.digits_context import make_digits_context
from supernet.detection.average_precision import Found
from supernet.training.alone import Alone, inherited
from supernet.training.run import train
from supernet.training.spec import TrainingSpec

MAKERS: dict[str, Callable[..., Path]] = {"digits": make_digits, "digits_context": make_digits_context}
BASELINES = ("fpn", "pafpn", "bifpn")
SEARCHED = ("chosen", "inherited_choice")
FINALIST_SEED = 100
NEAR = 1.1
"""Necks whose predicted latency is within this multiple of FPN's are candidates for being measured."""
SEEDS = (0, 1, 2)
WORK = Path("artifacts/finetune")
DEVICE = "onnxruntime_cpu"
BOUND_MS = 2.0
"""Latency that no neck of the search may exceed, as in the demo."""
LEVEL = 0.95
"""Of the intervals."""
APART = "no_fusion"
APART_WIDTH = 64
"""Of the neck without fusion: with FPN's width it has FPN's MACs."""
TARGETS = {
    **{
        f"{dataset}_chosen_{name}": Target(">=", 1e-4)
        for dataset in MAKERS
        for name in ("above_inherited", "above_best_baseline", "above_best_baseline_in_budget")
    },
    **{f"{dataset}_chosen_latency_beside_best_baseline": Target("<=", 1.0) for dataset in MAKERS},
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    train: int = 1024
    val: int = 200
    test: int = 600
    evaluations: int = 120
    finalists: int = 6
    finalist_steps: int = 200
    calibration: int = 32
    latency_s: float = 40.0
    replicates: int = 200
    supernet_steps: int | None = None
    steps: int = 600
    seeds: tuple[int, ...] = SEEDS


QUICK = Sizes(48, 16, 24, 4, 2, 5, 10, 3.0, 20, 12, 10, (0,))


class Bench:
    """One dataset: everything that is measured on it, row by row."""

    def __init__(self, name: str, work: Path, rows: Rows, sizes: Sizes) -> None:
        """Keep data and supernet in `work`."""
        self.name, self.work, self.rows, self.sizes = name, work / name, rows, sizes

    @cached_property
    def scorer(self) -> AccuracyEvaluator:
        """The demo's supernet, trained where it is not yet."""
        data = MAKERS[self.name](self.work / "data", seed=0, train=self.sizes.train, val=self.sizes.val)
        folder = self.work / "supernet"
        if not (folder / "supernet.json").exists():
            spec = TrainingSpec.demo(str(data))
            for event in train(replace(spec, steps=self.sizes.supernet_steps or spec.steps), folder):
                if event.step % 100 == 0:
                    _say(f"{self.name}: supernet step {event.step} of {event.total}, loss {event.loss:.3f}")
        return AccuracyEvaluator(folder, data)

    @cached_property
    def test(self) -> Validation:
        """Images of the validation's scans that are not the validation's images."""
        count = self.sizes.val + self.sizes.test
        folder = MAKERS[self.name](self.work / "test", seed=0, train=2, val=count)
        dataset = CocoDetection.open(folder, "val")
        later = replace(dataset, images=dataset.images[self.sizes.val :])
        return Validation(self.scorer.detector, later, self.sizes.test)

    def run(self) -> None:
        """Measure what is missing."""
        front = self.rows.find(part="front", dataset=self.name) or self._front()
        necks = {**front["necks"], "chosen": self._chosen(front)}
        for seed in self.sizes.seeds:
            for name in (*SEARCHED, *BASELINES):
                self._tune(necks[name], name, seed, "inherited")
            for name, neck in controls(necks).items():
                self._tune(neck, name, seed, "scratch")

    def _front(self) -> dict[str, Any]:
        """Search as the demo does, measure, choose, and add the row."""
        found = self._searched()
        by_name = {entry.origin.partition(":")[2]: entry for entry in found if entry.is_baseline}
        times = self._latencies([entry.architecture for entry in found])
        budget_ms = times[by_name["fpn"].key]
        within = sorted(
            (entry for entry in found if times[entry.key] <= budget_ms), key=lambda e: -e.score("ap").value
        )
        finalists = [entry for entry in within if not entry.is_baseline][: self.sizes.finalists]
        necks = {"inherited_choice": within[0], **{name: by_name[name] for name in BASELINES}}
        row = {
            "part": "front",
            "dataset": self.name,
            "necks": {name: self._described(entry, times[entry.key]) for name, entry in necks.items()},
            "finalists": [self._described(entry, times[entry.key]) for entry in finalists],
        }
        self.rows.add(row)
        return row

    def _chosen(self, front: dict[str, Any]) -> dict[str, Any]:
        """Return the finalist that is best after a brief fine-tuning, by the validation images."""
        for neck in front["finalists"]:
            fields = {"part": "finalist", "dataset": self.name, "key": neck["key"]}
            if not self.rows.find(**fields):
                tuning = self._tuned(neck, Schedule(self.sizes.finalist_steps, seed=FINALIST_SEED))
                self.rows.add({**fields, "val_ap": tuning.outcome().precision.ap})
        return chosen(self.rows, front)

    def _described(self, entry: Evaluation, latency_ms: float) -> dict[str, Any]:
        graph, scorer = entry.architecture, self.scorer
        model = inherited(scorer.detector, graph, scorer.statistics(graph)).eval()
        return {
            "key": graph.key,
            "architecture": graph.to_json(),
            "genotype": list(entry.genotype or ()),
            "latency_ms": latency_ms,
            "macs": graph.macs(scorer.detector.image_size),
            "val_ap": entry.score("ap").value,
            **self._tested(model),
        }

    def _searched(self) -> list[Evaluation]:
        """Return the baselines, and the most accurate necks that are predicted to be about as fast as FPN."""
        detector, device = self.scorer.detector, devices.load(DEVICE, threads=1)
        inside = [entry for entry in baselines(detector.space)[0] if entry.name in BASELINES]
        protocol = Protocol(visits=8, most_visits=12, seconds=self.sizes.latency_s)
        calibration = _last(
            calibrate(
                device,
                detector.space,
                self.sizes.calibration,
                image_size=detector.image_size,
                also=[entry.architecture for entry in inside],
                protocol=protocol,
            )
        )
        assert isinstance(calibration, Calibration), calibration
        predictor = calibration.predictor

        def cheap(graph: Architecture) -> tuple[Score, ...]:
            macs = Score("macs", float(graph.macs(detector.image_size)), "MACs", "counted")
            return (predictor.predict(graph), macs)

        objectives = (Objective("ap"), Objective("latency_ms"))
        bound = Constraint("latency_ms", upper=BOUND_MS)
        problem = Problem(detector.space, objectives, (bound,), seed=0, cheap=cheap)
        with LocalExecutor(lambda: self.scorer.score) as executor:
            budget = Budget(evaluations=self.sizes.evaluations)
            history = list(search(problem, "surrogate", executor, budget, baselines=inside))
        known = [entry for entry in history if entry.state == "ok"]
        fpn_ms = next(e for e in known if e.origin == "baseline:fpn").score("latency_ms").value
        near = [e for e in known if not e.is_baseline and e.score("latency_ms").value <= NEAR * fpn_ms]
        near.sort(key=lambda entry: -entry.score("ap").value)
        _say(f"{self.name}: {len(known)} necks scored, {len(near)} about as fast as FPN")
        return [*(e for e in known if e.is_baseline), *near[: 2 * self.sizes.finalists]]

    def _latencies(self, graphs: Sequence[Architecture]) -> dict[str, float]:
        """Return the measured latency in ms by key."""
        device = devices.load(DEVICE, threads=1)
        protocol = Protocol(visits=8, most_visits=12, seconds=1.5 * self.sizes.latency_s)
        size = self.scorer.detector.image_size
        session = _last(measure_latency(device, graphs, image_size=size, protocol=protocol))
        assert isinstance(session, Session), session
        return {g.key: found.latency_ms for g, found in zip(graphs, session.measured, strict=True)}

    def _tune(self, neck: dict[str, Any], name: str, seed: int, start: str) -> None:
        """Train one neck with one seed and add the row, unless it is there."""
        fields = {"part": "run", "dataset": self.name, "key": neck["key"], "start": start, "seed": seed}
        if self.rows.find(**fields):
            return
        began_s, scratch = time.monotonic(), start == "scratch"
        rate = CONTROL_RATE if scratch else FINE_RATE
        tuning = self._tuned(neck, Schedule(self.sizes.steps, rate, seed=seed), scratch=scratch)
        seconds, val_ap = time.monotonic() - began_s, tuning.outcome().precision.ap
        row = {**fields, "val_ap": val_ap, "seconds": seconds, **self._tested(tuning.model)}
        self.rows.add(row)
        _say(f"{self.name}: {name} from {start} weights, seed {seed}: AP {row['ap']:.3f} in {seconds:.0f} s")

    def _tuned(self, neck: dict[str, Any], schedule: Schedule, *, scratch: bool = False) -> FineTuning:
        graph = Architecture.from_json(neck["architecture"])
        tuning = FineTuning(self.scorer, graph, schedule, scratch=scratch)
        for _ in tuning.run():
            pass
        return tuning

    def _tested(self, model: Alone) -> dict[str, Any]:
        """Return the AP on the test images, and on bootstrap draws of them that are the same every time."""
        levels = [level for level, _ in model.neck.architecture.outputs]
        metric, found = self.test.metric, self.test.detections(model, levels)
        rng, count = np.random.default_rng(0), self.test.images
        draws = rng.multinomial(count, np.full(count, 1 / count), size=self.sizes.replicates)
        values = metric.weighted(Found.of(found, metric.scales), draws.astype(np.float64))
        ap = metric.score(found, replicates=0).ap
        return {"ap": ap, "replicates": [round(float(value), 5) for value in values]}


def difference(
    ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]
) -> tuple[float, float, float]:
    """Return the mean difference of AP over the seeds, with its interval.

    The variance is that of the seeds' mean plus that of a paired bootstrap over the images; the degrees of
    freedom are Satterthwaite's. One row on the other side (inherited weights) stands for every seed.
    """
    theirs = list(theirs) * (len(ours) if len(theirs) == 1 else 1)
    gaps = np.array([a["ap"] - b["ap"] for a, b in zip(ours, theirs, strict=True)])
    draws = [np.subtract(a["replicates"], b["replicates"]) for a, b in zip(ours, theirs, strict=True)]
    images = float(np.mean(draws, axis=0).var(ddof=1))
    seeds = float(gaps.var(ddof=1)) / len(gaps) if len(gaps) > 1 else 0.0
    freedom = (images + seeds) ** 2 / (seeds**2 / (len(gaps) - 1)) if seeds else 1e6
    half = float(stats.t.ppf((1 + LEVEL) / 2, max(freedom, 1.0))) * float(np.sqrt(images + seeds))
    mean = float(gaps.mean())
    return mean, mean - half, mean + half


def controls(necks: dict[str, Any]) -> dict[str, Any]:
    """Return what is trained from first weights: the chosen neck, BiFPN, and one whose levels never meet.

    The last tells how much there is to fuse that the backbone has not fused already.
    """
    apart = no_fusion(APART_WIDTH)
    described = {"key": apart.key, "architecture": apart.to_json()}
    return {"chosen": necks["chosen"], "bifpn": necks["bifpn"], APART: described}


def chosen(rows: Rows, front: dict[str, Any]) -> dict[str, Any]:
    """Return the finalist that was best after its brief fine-tuning."""
    ours = {"part": "finalist", "dataset": front["dataset"]}
    ended = {row["key"]: row["val_ap"] for row in rows.rows if ours.items() <= row.items()}
    found: dict[str, Any] = max(front["finalists"], key=lambda neck: ended[neck["key"]])
    return found


def figures(rows: Rows, name: str) -> Iterator[Figure]:
    """Yield the table of one dataset: every neck, and the differences that must hold."""
    front = rows.find(part="front", dataset=name)
    if front is None:
        return
    necks = {**front["necks"], "chosen": chosen(rows, front)}
    tuned = {neck: _runs(rows, name, necks[neck]["key"], "inherited") for neck in (*SEARCHED, *BASELINES)}
    for neck, runs in tuned.items():
        yield from _neck_figures(name, neck, necks[neck], runs)
    yield from _control_figures(rows, name, necks)
    for neck in SEARCHED:
        yield from _comparisons(f"{name}_{neck}", necks, tuned, neck)


def _control_figures(rows: Rows, name: str, necks: dict[str, Any]) -> Iterator[Figure]:
    """Yield what the controls reach, and how much fusion is worth on the backbone that the search trained."""
    runs = {neck: _runs(rows, name, one["key"], "scratch") for neck, one in controls(necks).items()}
    for neck, own in runs.items():
        aps = [row["ap"] for row in own]
        if aps:
            yield Figure(f"{name}_{neck}_scratch_ap", float(np.mean(aps)), "AP", detail=_seeds(aps))
    apart = runs.pop(APART)
    for neck, own in runs.items():
        if own and len(own) == len(apart):
            gain = difference(own, apart)
            detail = f"{neck} beside a neck whose levels never meet, both from first weights"
            yield Figure(f"{name}_{neck}_worth_of_fusion", gain[0], "AP", None, detail, *gain[1:])


def _comparisons(
    name: str, necks: dict[str, Any], tuned: dict[str, list[dict[str, Any]]], neck: str
) -> Iterator[Figure]:
    """Yield by how much a fine-tuned neck is above its inherited self and above the best fine-tuned baseline:
    of all, and of those that keep the budget which it was chosen by.
    """
    gain = difference(tuned[neck], [necks[neck]])
    yield Figure(f"{name}_above_inherited", gain[0], "AP", None, "fine-tuned beside inherited", *gain[1:])
    as_fast = [one for one in BASELINES if necks[one]["latency_ms"] <= necks["fpn"]["latency_ms"]]
    for label, group in (("best_baseline", BASELINES), ("best_baseline_in_budget", as_fast)):
        best = max(group, key=lambda one: np.mean([row["ap"] for row in tuned[one]]))
        mine, other = (necks[one]["latency_ms"] for one in (neck, best))
        detail = f"beside {best}, both fine-tuned; {mine:.3f} ms beside {other:.3f} ms"
        lead = difference(tuned[neck], tuned[best])
        yield Figure(f"{name}_above_{label}", lead[0], "AP", None, detail, *lead[1:])
        if label == "best_baseline":
            yield Figure(f"{name}_latency_beside_best_baseline", mine / other, "ratio", detail=detail)


def _neck_figures(
    name: str, neck: str, known: dict[str, Any], runs: Sequence[dict[str, Any]]
) -> Iterator[Figure]:
    cost = f"{known['latency_ms']:.3f} ms, {known['macs'] / 1e6:.1f} M MACs"
    yield Figure(f"{name}_{neck}_inherited_ap", known["ap"], "AP", detail=cost)
    if runs:
        aps = [row["ap"] for row in runs]
        low, high = np.quantile(np.mean([row["replicates"] for row in runs], axis=0), (0.025, 0.975))
        value = float(np.mean(aps))
        ends = (min(float(low), value), max(float(high), value))
        yield Figure(f"{name}_{neck}_finetuned_ap", value, "AP", None, _seeds(aps), *ends)


def _seeds(aps: Sequence[float]) -> str:
    return "seeds " + ", ".join(f"{ap:.3f}" for ap in aps)


def _runs(rows: Rows, dataset: str, key: str, start: str) -> list[dict[str, Any]]:
    wanted = {"part": "run", "dataset": dataset, "key": key, "start": start}
    found = [row for row in rows.rows if wanted.items() <= row.items()]
    return sorted(found, key=lambda row: int(row["seed"]))


def measure(*, quick: bool) -> list[Figure]:
    """Measure what is missing and return the tables; quick: everything small, in a folder of its own."""
    torch.set_num_threads(1)
    if not quick:
        return _measured(WORK, Sizes())
    with TemporaryDirectory() as folder:
        return _measured(Path(folder), QUICK)


def _measured(work: Path, sizes: Sizes) -> list[Figure]:
    rows = Rows(work / "rows.jsonl")
    for name in MAKERS:
        Bench(name, work, rows, sizes).run()
    return [figure for name in MAKERS for figure in figures(rows, name)]


def _last(events: Iterator[object]) -> object:
    *_, last = events
    return last


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    form.main("finetune", measure)
