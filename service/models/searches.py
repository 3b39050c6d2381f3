"""Searches over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from service.models.base import Id, JobView, Name, Request, View
from service.models.rankings import EstimateView
from service.models.supernets import NewSupernet, Word

Metric = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}(@[A-Za-z0-9_.\-]{1,64})?$")]
MAX_FLOAT = 1e18


class ConstraintSpec(Request):
    """Bounds on a metric, in the metric's own unit."""

    metric: Metric
    upper: float | None = Field(None, ge=-MAX_FLOAT, le=MAX_FLOAT)
    lower: float | None = Field(None, ge=-MAX_FLOAT, le=MAX_FLOAT)
    certain: bool = Field(
        False, description="whether the whole 90 % interval of the metric must lie within the bounds"
    )

    @model_validator(mode="after")
    def _some_bound(self) -> ConstraintSpec:
        if self.upper is None and self.lower is None:
            raise ValueError("give upper or lower")
        return self


class BudgetSpec(Request):
    """When to stop; whichever comes first."""

    evaluations: int = Field(
        64, ge=1, le=10_000_000, description="architectures to evaluate, baselines not counted"
    )
    wall_s: float | None = Field(None, gt=0, le=31_536_000, description="seconds of searching")
    flat: int | None = Field(
        None,
        ge=4,
        le=10_000_000,
        description="end where so many evaluations raised the hypervolume by < 0.1 %",
    )
    parallel: int | None = Field(
        None, ge=1, le=256, description="evaluations at once; the service's own when left out"
    )


class DeviceSpec(Request):
    """A device that the service's workers have; it is registered at its first use."""

    kind: Word = Field(description="a file name under evaluators/devices, such as onnxruntime_cpu")
    threads: int = Field(1, ge=1, le=256)
    batch: int = Field(1, ge=1, le=1024, description="images of one inference")


class ImportedNeck(Request):
    """A neck from elsewhere: by the supernet's weights where its space has it, else trained briefly."""

    name: Word
    architecture: dict[str, Any] = Field(description="the content of an architecture.json")
    weights: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="sha256 of weights sent to /weights, to begin the brief training from"
    )


class NewSearch(Request):
    """A supernet, trained or to be trained, and what to look for in it."""

    label: Name | None = None
    supernet_id: Id | None = None
    supernet: NewSupernet | None = Field(None, description="trained first, in place of supernet_id")
    devices: list[Id | DeviceSpec] = Field(
        default_factory=list,
        max_length=4,
        description="where latency is wanted: latency_ms is that of the first, latency_ms@NAME that of each, "
        "by its name or else its kind",
    )
    objectives: list[Metric] = Field(default_factory=lambda: ["ap", "macs"], min_length=1, max_length=4)
    constraints: list[ConstraintSpec] = Field(default_factory=list, max_length=16)
    strategy: Word | None = Field(
        None, description="how to choose what to score next; the default when left out"
    )
    options: dict[Word, int | float | str | bool] = Field(
        default_factory=dict, max_length=16, description="options of the strategy"
    )
    baselines: list[Word] | None = Field(
        None,
        max_length=32,
        description="published necks scored in the same run, those outside the space after a brief "
        "training; when left out fpn, pafpn, bifpn and every other that the space contains",
    )
    imports: list[ImportedNeck] = Field(
        default_factory=list, max_length=8, description="necks from elsewhere, scored as baselines too"
    )
    archive: bool = Field(
        False,
        description="whether to begin from what earlier searches of the supernet scored",
    )
    seed: int = Field(0, ge=0, lt=2**31)
    budget: BudgetSpec = Field(default_factory=BudgetSpec)
    priority: int = Field(0, ge=-100, le=100, description="higher runs earlier; above 0 needs an admin's key")

    @model_validator(mode="after")
    def _one_supernet(self) -> NewSearch:
        if (self.supernet_id is None) == (self.supernet is None):
            raise ValueError("give either supernet_id or supernet")
        return self


class SearchView(JobView):
    """A search and how far it is."""

    id: Id
    label: str
    supernet_id: Id
    device_id: Id | None
    predictor_id: Id | None
    spec: dict[str, Any] = Field(description="the resolved specification")
    evaluated: int = Field(description="architectures scored, baselines included")
    failed: int = Field(description="architectures that could not be scored")
    result: dict[str, Any] | None = Field(
        None,
        description="how it ended: the front's id, infeasibility, how many of the validation images were "
        "scored (`validation`: images, of_images, and how many necks were verified on all of them)",
    )
    ranking: EstimateView | None = Field(
        description="how truly its supernet ranks, by the latest estimate; null where none was made"
    )


class Estimate(View):
    """What a search is expected to cost, from measured steps and scorings."""

    training_s: float | None = Field(description="seconds of training; null where nothing was measured yet")
    calibration_s: float | None
    searching_s: float | None
    total_s: float | None
    basis: str = Field(description="where the numbers come from")


class Validation(View):
    """What would be searched, without searching it."""

    space_size: str = Field(description="architectures in the space, exactly, as a decimal number")
    resolved: dict[str, Any]
    estimate: Estimate
    limits: dict[str, int]


class StateView(View):
    """The state that follows a cancel, pause or resume."""

    id: Id
    state: str


class EventView(View):
    """Something that happened; numbers rise by one."""

    number: int
    kind: str
    payload: dict[str, Any]
    created_at: str


class EventsView(View):
    """Events after the number asked for."""

    items: list[EventView]
    last: int = Field(description="give it as ?after= to go on")
    ended: bool = Field(description="whether no more can come")
