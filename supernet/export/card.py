"""`card.md`: what a neck is, how good it is, how sure that is, how it was found and how it is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search_space.architecture import Architecture
from search_space.op import Size
from supernet.export.docstring import ScoreLike, number
from supernet.export.verify import Check

LICENCE = (
    "The generated source is yours to use under Apache-2.0. The weights come from your data and from the "
    "backbone's weights: their licences apply."
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known about a neck.

    Attributes:
        title: its name, one line.
        dataset: what it was trained and scored on, with its revision.
        device: where its latency was measured or predicted, with its revision.
        image_size: height and width in pixels that scores were taken at.
        scores: every score.
        baselines: scores of other necks in the same search, by name.
        found: how it was found, a sentence each.
        licence: of source and weights.
    """

    title: str
    dataset: str = "not recorded"
    device: str = "not recorded"
    image_size: Size = (640, 640)
    scores: Sequence[ScoreLike] = ()
    baselines: Mapping[str, Sequence[ScoreLike]] = field(default_factory=dict)
    found: Sequence[str] = ()
    licence: str = LICENCE


def text(card: Card, architecture: Architecture, files: Sequence[str], checks: Sequence[Check]) -> str:
    """Return the card as Markdown."""
    parts = [
        f"# {_line(card.title)}",
        _facts(card, architecture),
        "## Scores",
        _scores(card),
        _sources(card),
        "## How to load it",
        _loading(architecture, files),
        "## How it was found",
        "\n".join(f"- {_line(sentence)}" for sentence in card.found) or "Not recorded.",
        "## What was checked before this file was offered",
        "\n".join(f"- {check}" for check in checks) or "Nothing.",
        "## Licence",
        _line(card.licence),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(card: Card, architecture: Architecture) -> str:
    shapes = architecture.output_shapes(card.image_size)
    reads = ", ".join(f"level {i.level} (stride {2**i.level}): {i.channels}" for i in architecture.inputs)
    gives = ", ".join(f"level {level}: {shape.channels}" for level, shape in shapes.items())
    gmacs = architecture.macs(card.image_size) / 1e9
    height, width = card.image_size
    return "\n".join(
        [
            f"- Channels in: {reads}",
            f"- Channels out: {gives}",
            f"- {architecture.parameters():,} parameters; {gmacs:.3f} GMACs at {height} x {width}",
            f"- Dataset: {_line(card.dataset)}",
            f"- Device: {_line(card.device)}",
            f"- Architecture key: `{architecture.key}`",
        ]
    )


def _scores(card: Card) -> str:
    if not card.scores:
        return "None were taken."
    metrics = list(dict.fromkeys(score.metric for score in card.scores))
    rows = {"this neck": card.scores, **card.baselines}
    lines = ["| neck | " + " | ".join(_headed(card, metric) for metric in metrics) + " |"]
    lines.append("|---" * (len(metrics) + 1) + "|")
    for name, scores in rows.items():
        cells = (_cell([score for score in scores if score.metric == metric]) for metric in metrics)
        lines.append(f"| {_line(name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _headed(card: Card, metric: str) -> str:
    unit = next(score.unit for score in card.scores if score.metric == metric)
    return _line(metric) + ("" if unit in ("", "1") else f" ({_line(unit)})")


def _cell(scores: Sequence[ScoreLike]) -> str:
    """Return the latest value of each source."""
    latest = {score.source: score for score in scores}
    return "; ".join(map(_valued, latest.values())) or "-"


def _valued(score: ScoreLike) -> str:
    error = "" if score.stderr is None else f" ± {score.stderr:.2g}"
    return f"{number(score.value)}{error} ({_line(score.source)})"


def _sources(card: Card) -> str:
    if not card.scores:
        return ""
    return (
        "± is one standard error. In brackets is where a number comes from: measured on the device; "
        "predicted by a fitted model; inherited from the supernet's weights, adapted or fine-tuned; "
        "trained from first weights; verified by the same weights on every validation image where that was "
        "on a part of them; counted from the structure. Numbers of different sources do not compare."
    )


def _loading(architecture: Architecture, files: Sequence[str]) -> str:
    levels = ", ".join(f"{entry.level}: c{entry.level}" for entry in architecture.inputs)
    lines = [
        "With torch alone, `neck.py` and `neck.safetensors` in one folder:",
        "",
        "```python",
        "from neck import Neck",
        "",
        'neck = Neck.from_safetensors("neck.safetensors")   # in evaluation mode; neck.train() trains it',
        f"features = neck({{{levels}}})   # level -> (B, C, H / 2**level, W / 2**level), any H and W",
        "```",
        "",
        "`reference.safetensors` has inputs `input.<level>` and the outputs `output.<level>` that they give.",
    ]
    if "adapters.py" in files:
        lines.append("`adapters.py` fits the neck to torchvision, timm, mmdetection and detectron2.")
    if "neck.onnx" not in files:
        lines.append("There is no ONNX file: the neck has an operation that ONNX lacks.")
    else:
        lines.append("`neck.onnx` does the same in ONNX Runtime for any batch, height and width.")
    if "detect.py" in files:
        lines.append(
            "`python detect.py image.jpg` runs the whole detector and draws its boxes; it needs torch and "
            "Pillow, and timm where `backbone.py` imports it."
        )
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
