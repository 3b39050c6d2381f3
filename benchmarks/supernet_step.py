"""What a training step of four subnets costs beside the passes that it cannot do without.

Each round times, on the same batch: one whole step; one backbone pass; the neck-and-head passes of the same
four subnets; and four separate steps, each with a backbone pass of its own. Passes are forward and
backward. Ratios are taken within a round, of the CPU time of one thread: what other processes do on the
machine disturbs them little.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks import form
from benchmarks.form import Figure, Target
from supernet.backbone import BackboneSpec
from supernet.data.digits import make_digits
from supernet.training.rule import Draw
from supernet.training.run import build_trainer
from supernet.training.spec import TrainingSpec
from supernet.training.step import Trainer

THREADS = 1
SEEDS = (0,)
BACKBONES = {"plain": "plain", "resnet50": "resnet50"}
TARGETS = {
    "plain_step_ratio": Target("<=", 1.2),
    "resnet50_step_ratio": Target("<=", 1.2),
}


@dataclasses.dataclass(frozen=True)
class Round:
    """Seconds of one round."""

    step: float
    backbone: float
    necks: float
    separate: float

    @property
    def ratio(self) -> float:
        """The step beside its unavoidable passes."""
        return self.step / (self.backbone + self.necks)


def measure(*, quick: bool) -> list[Figure]:
    """Time steps with a small and a large backbone."""
    torch.set_num_threads(THREADS)
    found: list[Figure] = []
    with TemporaryDirectory() as folder:
        dataset = make_digits(Path(folder) / "digits", seed=0, train=64, val=1)
        for name, backbone in BACKBONES.items():
            spec = dataclasses.replace(TrainingSpec.demo(str(dataset)), backbone=BackboneSpec(backbone))
            rounds = (2 if quick else 5) if name == "resnet50" else (6 if quick else 25)
            found += _step_figures(name, build_trainer(spec), rounds)
    return found


def _step_figures(name: str, trainer: Trainer, rounds: int) -> list[Figure]:
    first = trainer.spec.steps // 2  # behind the kickstart, where four subnets share a step
    _round(trainer, first)
    made = [_round(trainer, first + k) for k in range(rounds)]
    ratios = [r.ratio for r in made]
    detail = f"median of {rounds} rounds, {THREADS} threads, batch {trainer.spec.batch_size}"
    low, high = (float(q) for q in np.quantile(ratios, (0.1, 0.9)))
    return [
        Figure(f"{name}_step_ratio", statistics.median(ratios), "", detail=detail, low=low, high=high),
        Figure(
            f"{name}_beside_separate",
            statistics.median(r.step / r.separate for r in made),
            "",
            detail="step of four subnets beside four separate full steps",
        ),
        *(
            Figure(f"{name}_{part}_ms", 1e3 * statistics.median(getattr(r, part) for r in made), "ms")
            for part in ("step", "backbone", "necks", "separate")
        ),
    ]


def _round(trainer: Trainer, step: int) -> Round:
    draws = list(trainer.rule.draws(step, np.random.default_rng([trainer.spec.seed, 17, step])))
    backbone, necks = _passes(trainer, step, draws)
    whole = _timed(lambda: trainer.advance(step))
    with _drawing(trainer, []):
        separate = sum(_separate(trainer, step, draw) for draw in draws)
    return Round(whole, backbone, necks, separate)


def _passes(trainer: Trainer, step: int, draws: Sequence[Draw]) -> tuple[float, float]:
    """Return the seconds of one backbone pass and of the neck-and-head passes of all draws."""
    detector = trainer.detector.train()
    images = trainer.source.loader.batch(step).images.contiguous(memory_format=torch.channels_last)
    architectures = [detector.space.architecture(draw.genotype) for draw in draws]
    began = time.process_time()
    maps = detector.backbone(images)
    forward = time.process_time() - began
    leaves = {level: x.detach().requires_grad_() for level, x in maps.items()}

    def necks() -> None:
        for architecture in architectures:
            detector(leaves, architecture).square().mean().backward()

    seconds = _timed(necks)
    gradients = [leaves[level].grad for level in maps]
    backward = _timed(lambda: torch.autograd.backward(list(maps.values()), gradients))
    detector.zero_grad(set_to_none=True)
    return forward + backward, seconds


def _separate(trainer: Trainer, step: int, draw: Draw) -> float:
    alone = dataclasses.replace(draw, learns=False)
    with _drawing(trainer, [alone]):
        return _timed(lambda: trainer.advance(step))


@contextmanager
def _drawing(trainer: Trainer, draws: list[Draw]):  # type: ignore[no-untyped-def]
    """Let the trainer's rule draw these."""
    kept, trainer.rule = trainer.rule, _Fixed(draws)
    try:
        yield
    finally:
        trainer.rule = kept


class _Fixed:
    def __init__(self, draws: Sequence[Draw]) -> None:
        self._draws = draws

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        return self._draws

    def update(self, step: int, losses: Sequence[float]) -> None:
        """Nothing is learned."""

    def state(self) -> dict[str, torch.Tensor]:
        return {}

    def restore(self, state: object) -> None:
        """Nothing is kept."""


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    form.main("supernet_step", measure)
