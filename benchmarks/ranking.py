"""Does the order that shared weights give agree with the order that training alone gives?

Architectures are drawn uniformly and deduplicated by key. The truth of each is the mean AP of two trainings
alone, see `ranking_study`. Three draws are measured. One, of the demo's space, holds what searches are given,
three supernets of the default rule, to its targets. One of a space of more operations, on fewer images, was
held to them before and fell short. On the third every rule was compared at equal time, and the adaptation
chosen. Every measured row is kept as soon as it is there, in `benchmarks/results/ranking*/*.jsonl`: run again
to go on.
"""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.ranking_study import OPTIONS, RULES, Bench, Study, Training
from benchmarks.ranking_table import TRUTH_SEEDS
from benchmarks.rows import Rows
from evaluators.accuracy import Adaptation
from supernet.training.spec import DEMO_SPACE

RESULTS = Path(__file__).parent / "results"
SEEDS = (0, 1, 2)
STEPS, LONG, LONGEST = 8000, 16000, 24000
COMPARED_STEPS = 2400
"""Of `single_path` in the comparison of the rules; the others make as many as take the same time."""
CLAIM = Study(
    work=Path("artifacts/ranking-demo"),
    rows=RESULTS / "ranking_demo",
    trainings={"single_path": Training("single_path", LONGEST, len(SEEDS), OPTIONS["single_path"])},
    architectures=40,
    seed=6301,
    space=DEMO_SPACE,
    training=4096,
    validation=800,
)
"""On the first 19 architectures of another draw, of seed 2027, 16,000 steps had ranked better than 8,000."""

GRID = Study(
    work=Path("artifacts/ranking-800"),
    rows=RESULTS / "ranking",
    trainings={"single_path": Training("single_path", LONG, len(SEEDS), OPTIONS["single_path"])},
    architectures=60,
    seed=5101,
    validation=800,
)
"""A wider space and a quarter of the images; which of the two makes the difference was not measured."""

COMPARISON = Study(
    work=Path("artifacts/ranking-pretrained"),
    rows=RESULTS / "ranking_rules",
    trainings={
        "rare_8000": Training("single_path", STEPS, len(SEEDS), OPTIONS["single_path"]),
        "uniform_8000": Training("single_path", STEPS, 1),
        **{f"equal_time_{r}": Training(r, COMPARED_STEPS, 1, OPTIONS.get(r, {})) for r in RULES},
    },
    architectures=30,
    seed=2027,
    adaptation=Adaptation(learning_rate=2e-3, batches=1),
)
"""Rarely trained weights trained more often or not, then every rule at equal time: chosen by it."""

STUDIES = {"demo": CLAIM, "grid": GRID, "rules": COMPARISON}

TARGETS = {
    "architectures": Target(">=", 30),
    "single_path_adapted50_reach": Target(">=", 1.0),
    "single_path_adapted50_within_width": Target(">=", 0.70),
    "single_path_inherited_tau": Target(">=", 0.65),
    "single_path_adapted50_equal_macs_low": Target(">=", 0.001),
    "single_path_adapted50_regret": Target("<=", 0.02),
}


def _supernets(study: Study) -> list[str]:
    return [f"{name}-{seed}" for name, t in study.trainings.items() for seed in range(t.seeds)]


TRUTH, FINALISTS = "truth", "finalists"
PARTS = [
    *(f"{study}/{TRUTH}-{seed}" for study in STUDIES for seed in TRUTH_SEEDS),
    *(f"{study}/{name}" for study in STUDIES for name in _supernets(STUDIES[study])),
    *(f"demo/{FINALISTS}-{seed}" for seed in SEEDS),
]


def run_part(part: str) -> None:
    """Measure one part: the truth of a seed, or the scores of one supernet."""
    study, _, rest = part.partition("/")
    name, _, seed = rest.rpartition("-")
    bench = Bench(STUDIES[study])
    if name == TRUTH:
        bench.measure_truth(int(seed))
    elif name == FINALISTS:
        bench.measure_finalists("single_path", int(seed))
    else:
        bench.measure_scores(name, int(seed))


def figures() -> list[Figure]:
    """Return what the measured rows allow; `grid_` and `rules_`: of the other two draws."""
    grid = [replace(figure, name=f"grid_{figure.name}") for figure in Bench(GRID).figures()]
    return [*Bench(CLAIM).figures(), *grid, *Bench(COMPARISON).figures("rules_")]


def measure(*, quick: bool) -> list[Figure]:
    """Measure what is missing and return the figures; quick: eight architectures, few steps."""
    torch.set_num_threads(1)
    if not quick:
        for part in PARTS:
            run_part(part)
        return figures()
    with TemporaryDirectory() as folder:
        short = replace(CLAIM, work=Path(folder), rows=Path(folder), architectures=8, validation=200)
        bench = Bench(replace(short, truth_steps=30, share=0.006))
        bench.measure_scores("single_path", 0)
        bench.measure_truth(0)
        return bench.figures()


def measured(*, quick: bool) -> list[Figure]:
    """Return the figures of what is measured so far, and how many trainings are missing."""
    missing = [f"{name}/{supernet}" for name, study in STUDIES.items() for supernet in _missing(study)]
    detail = "to be measured by running again: " + (", ".join(missing) or "none")
    return [*figures(), Figure("supernets_missing", len(missing), "", detail=detail)]


def _missing(study: Study) -> list[str]:
    scores = Rows(study.rows / "scores.jsonl")
    done = Counter(f"{row['training']}-{row['seed']}" for row in scores.rows if "inherited" in row)
    return [name for name in _supernets(study) if done[name] < study.architectures]


def main() -> None:
    """Run the benchmark; `--part` measures a part; `--partial` prints, `--store` stores what is there."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--part", choices=PARTS)
    options, rest = parser.parse_known_args()
    if options.partial:
        for figure in measured(quick=False):
            ends = f"[{figure.low:.2f}, {figure.high:.2f}]" if figure.low is not None else ""
            print(f"{figure.name:40} {figure.value:8.3f} {ends:16} {figure.detail}")
        return
    if options.part:
        torch.set_num_threads(1)
        run_part(options.part)
        return
    form.main("ranking", measured if options.store else measure, argv=rest)


if __name__ == "__main__":
    main()
