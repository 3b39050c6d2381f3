"""Evaluated architectures, fronts and artifacts over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from service.models.base import Id, JobView, Request, View

Format = Literal["bundle", "safetensors", "onnx", "source", "torch_export"]


class ScoreView(View):
    """One number with its unit, its source and its error."""

    metric: str
    value: float
    unit: str
    source: str
    stderr: float | None = None
    images: int | None = Field(None, description="validation images that it was taken on, where it was")
    of_images: int | None = Field(None, description="how many of them there are")


class SubnetView(View):
    """One evaluated architecture."""

    id: Id
    search_id: Id
    number: int = Field(description="its place in the search's record")
    key: str = Field(description="the architecture's key: equal keys are equal architectures")
    origin: str = Field(description="'search' or 'baseline:<name>'")
    state: str
    scores: list[ScoreView]
    error: str | None
    genotype: list[int] | None
    seconds: float
    created_at: datetime


class SubnetDetail(SubnetView):
    """One evaluated architecture with its graph."""

    architecture: dict[str, Any]
    obstacles: dict[str, str] = Field(
        description="by format that this neck does not have: which operation keeps it from it, and what to do"
    )


class PointView(View):
    """One point of a front."""

    id: Id
    number: int
    origin: str
    values: dict[str, float] = Field(
        description="by objective, what it was searched by; `scores` has what it measured or reached on all "
        "validation images in the end, by which the front is made"
    )
    scores: list[ScoreView]
    feasible: bool
    rank: int = Field(description="0 on the front, 1 when only the front dominates it, and so on")
    violation: float = Field(0.0, description="how far it misses the constraints, relative to the bounds")


class AxisView(View):
    """An objective of the front."""

    metric: str
    direction: str
    unit: str


class FrontView(View):
    """The feasible points that nothing dominates, their neighbours, and the baselines."""

    search_id: Id
    id: Id | None = Field(description="the final front's id, to cite it by; null while the search runs")
    objectives: list[AxisView]
    constraints: list[dict[str, Any]]
    points: list[PointView]
    neighbours: list[PointView] = Field(
        description="dominated points nearest to the front, and former members that turned out beyond a bound"
    )
    baselines: list[PointView]
    nearest: list[PointView] = Field(description="when nothing is feasible: those that miss by least")
    hypervolume: float
    reference: list[float] | None = Field(description="the worst point that the hypervolume is measured from")
    evaluated: int
    provenance: dict[str, Any] | None = None


class NewArtifact(Request):
    """Which file to make of a subnet."""

    format: Format = "bundle"
    deploy: bool = Field(
        False, description="for inference only: norms folded into convolutions, parallel convolutions merged"
    )
    finetuning_id: Id | None = Field(
        None, description="take the weights of this finished fine-tuning instead of the inherited ones"
    )


class ArtifactView(JobView):
    """A file made, or being made, of a subnet."""

    id: Id
    subnet_id: Id
    format: str
    deploy: bool = False
    finetuning_id: Id | None = None
    sha256: str | None
    size: int | None = Field(description="bytes")
    filename: str | None
    media_type: str | None
    content: str | None = Field(description="where to download it from, once it is there")


class CompareView(View):
    """Subnets side by side."""

    items: list[SubnetView]


class NewFinetuning(Request):
    """How to train a subnet: neck and head on the supernet's backbone, from the inherited weights."""

    steps: int = Field(600, ge=1, le=100_000, description="optimizer steps of neck and head")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="peak; a cosine falls from it")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate rises")
    seed: int = Field(0, ge=0, lt=2**20, description="of the order of the data")
    control: bool = Field(
        False, description="also train the subnet from first weights by the same schedule, to compare"
    )


class NewFinalists(NewFinetuning):
    """Which subnets of a search to fine-tune against each other, and how."""

    subnet_ids: list[Id] = Field(min_length=2, max_length=16, description="subnets of this search")
    rounds: int = Field(9, ge=2, le=100, description="looks at each one's scores; the last ends the schedule")
    reduction: int = Field(
        3, ge=2, le=10, description="after 1, 3, 9, ... rounds only the best one in so many goes on"
    )
    control: Literal[False] = False


class FinalistView(View):
    """How far one finalist came."""

    subnet_id: Id
    state: str = Field(description="'ok', or 'failed' with an error")
    error: str | None
    scores: list[ScoreView] = Field(description="after its last round, with the source 'fine-tuned'")


class FinalistsView(JobView):
    """Finalists of a search, fine-tuned by ASHA: the hopeless ones are stopped early."""

    id: Id
    search_id: Id
    finalists: list[FinalistView] | None = Field(description="best first, when it has ended")


class FinetuningView(JobView):
    """A fine-tuning of one subnet; its scores are also the subnet's, with the source 'fine-tuned'."""

    id: Id
    subnet_id: Id
    steps: int
    learning_rate: float
    warmup: float
    seed: int
    before: list[ScoreView] | None = Field(description="with the inherited weights, on the same images")
    after: list[ScoreView] | None = Field(description="with the fine-tuned weights")
    control: list[ScoreView] | None = Field(
        description="trained from first weights by the same schedule, where asked for"
    )
