"""Does the order that shared weights give agree with the order that training alone gives?

Architectures are drawn uniformly and deduplicated by key. The truth of each is the mean AP of two trainings
alone, see `ranking_study`. Two draws are measured: one holds what searches are given, three supernets of the
default rule, to its targets; on another every rule was compared at equal time, and the adaptation chosen.
Every measured row is kept as soon as it is there, in `benchmarks/results/ranking/*.jsonl` and
`ranking_rules/*.jsonl`: run again to go on.
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

RESULTS = Path(__file__).parent / "results"
SEEDS = (0, 1, 2)
STEPS, AGAIN, LONG = 8000, 6000, 16000
COMPARED_STEPS = 2400
"""Of `single_path` in the comparison of the rules; the others make as many as take the same time."""

CLAIM = Study(
    work=Path("artifacts/ranking-800"),
    rows=RESULTS / "ranking",
    trainings={"single_path": Training("single_path", LONG, len(SEEDS), OPTIONS["single_path"])},
    architectures=60,
    seed=5101,
    validation=800,
)
"""The default rule in one long schedule. `EARLIER` had been measured on the first
38 architectures when that was decided; the others, `UNSEEN`, were trained for the first time after it."""

EARLIER = replace(
    CLAIM,
    trainings={
        "single_path_once": Training("single_path", STEPS, len(SEEDS), OPTIONS["single_path"]),
        "single_path_again": Training(
            "single_path", AGAIN, len(SEEDS), OPTIONS["single_path"], begins="single_path_once"
        ),
    },
    architectures=38,
    adaptation=Adaptation(batches=1),
)
"""Half of the steps, and a second schedule behind them; adapted by half of the images."""

UNSEEN = replace(CLAIM, first=EARLIER.architectures)

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

TARGETS = {
    "architectures": Target(">=", 30),
    "single_path_adapted50_reach": Target(">=", 1.0),
    "single_path_adapted50_within_width": Target(">=", 0.70),
    "single_path_inherited_tau": Target(">=", 0.65),
    "single_path_adapted50_equal_macs_low": Target(">=", 0.001),
    "single_path_adapted50_regret": Target("<=", 0.02),
}
FINALISTS = "finalists"
PARTS = [
    *(f"truth-{seed}" for seed in TRUTH_SEEDS),
    *(f"{name}-{seed}" for study in (CLAIM, EARLIER) for name in study.trainings for seed in SEEDS),
    *(f"{FINALISTS}-{seed}" for seed in SEEDS),
    *(f"compared-truth-{seed}" for seed in TRUTH_SEEDS),
    *(f"{name}-{seed}" for name, t in COMPARISON.trainings.items() for seed in range(t.seeds)),
]


def run_part(part: str) -> None:
    """Measure one part: the truth of a seed, or the scores of one supernet."""
    name, _, seed = part.rpartition("-")
    if name == "truth":
        Bench(CLAIM).measure_truth(int(seed))
    elif name == "compared-truth":
        Bench(COMPARISON).measure_truth(int(seed))
    elif name == FINALISTS:
        Bench(CLAIM).measure_finalists("single_path", int(seed))
    else:
        (study,) = (s for s in (CLAIM, EARLIER, COMPARISON) if name in s.trainings)
        Bench(study).measure_scores(name, int(seed))


def figures() -> list[Figure]:
    """Return what the measured rows allow; `earlier_`, `unseen_`: of parts of the claim's draw."""
    unseen = [replace(figure, name=f"unseen_{figure.name}") for figure in Bench(UNSEEN).figures()]
    earlier, compared = Bench(EARLIER).figures("earlier_"), Bench(COMPARISON).figures("rules_")
    claimed = Bench(replace(CLAIM, architectures=EARLIER.architectures)).figures()
    names = tuple(f"{name}_" for name in CLAIM.trainings)
    same = [replace(f, name=f"earlier_{f.name}") for f in claimed if f.name.startswith(names)]
    return [*Bench(CLAIM).figures(), *unseen, *earlier, *same, *compared]


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
    missing = [name for study in (CLAIM, EARLIER, COMPARISON) for name in _missing(study)]
    detail = "to be measured by running again: " + (", ".join(missing) or "none")
    return [*figures(), Figure("supernets_missing", len(missing), "", detail=detail)]


def _missing(study: Study) -> list[str]:
    scores = Rows(study.rows / "scores.jsonl")
    done = Counter(f"{row['training']}-{row['seed']}" for row in scores.rows if "inherited" in row)
    names = [f"{name}-{seed}" for name, t in study.trainings.items() for seed in range(t.seeds)]
    return [name for name in names if done[name] < study.architectures]


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
