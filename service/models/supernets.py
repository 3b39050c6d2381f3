"""Supernets over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from service.models.base import Id, JobView, Name, Request
from service.models.datasets import RelativePath
from service.models.rankings import EstimateView

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}$")]


class Backbone(Request):
    """The feature extractor."""

    name: Word = Field("plain", description="'plain' or a timm model that offers features")
    pretrained_file: RelativePath | None = Field(
        None, description="safetensors file below the service's weights root"
    )
    frozen: bool | None = Field(
        None,
        description="keep the backbone's weights and train neck and head only; when left out, where there is "
        "a pretrained file",
    )


class NewSupernet(Request):
    """What to train: a dataset, a task, a backbone, a space, and for how long."""

    name: Name | None = None
    dataset_id: Id
    task: Word = "detection"
    backbone: Backbone = Field(default_factory=Backbone)
    space: Word | dict[str, Any] | None = Field(
        None, description="a shipped space's name, or its specification; that of the demo when left out"
    )
    rule: Word | None = Field(
        None, description="training rule; when left out, the one that ranks best for a backbone that is kept"
    )
    rule_options: dict[Word, float] | None = Field(None, max_length=16, description="numbers the rule knows")
    steps: int | None = Field(None, ge=1, le=10_000_000, description="optimizer steps")
    batch_size: int | None = Field(None, ge=1, le=4096, description="images a step")
    subnets: int | None = Field(None, ge=1, le=64, description="architectures a step")
    learning_rate: float | None = Field(None, gt=0, le=10)
    seed: int = Field(0, ge=0, lt=2**31)
    warm_start: Id | None = Field(
        None, description="an earlier supernet of a compatible space to begin from, trained or in training"
    )


class SupernetView(JobView):
    """A supernet; its revision is there when it is trained."""

    id: Id
    name: str
    dataset_id: Id | None
    spec: dict[str, Any] = Field(description="the resolved specification")
    revision: str | None = Field(description="sha256 of the trained weights")
    ranking: EstimateView | None = Field(
        description="how truly it ranks, by the latest estimate; null where none was made"
    )
