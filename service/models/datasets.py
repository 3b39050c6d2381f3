"""Datasets over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from service.models.base import Id, JobView, Name, Request

RelativePath = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]

THUMBNAILS = 8
"""Thumbnails of a split."""


class DigitsOptions(Request):
    """What determines a generated dataset of digits, to the pixel."""

    seed: int = Field(0, ge=0, lt=2**31)
    train: int = Field(1024, ge=1, le=20_000, description="images to train on")
    val: int = Field(200, ge=1, le=5_000, description="images to validate on")
    image_size: int = Field(128, ge=96, le=512, description="side of the square images, pixels")


class NewDataset(Request):
    """A COCO-format folder below the service's dataset root, or a built-in dataset to be generated."""

    name: Name | None = Field(None, description="a name for people; the path or the generator when left out")
    path: RelativePath | None = Field(None, description="folder below the dataset root, such as 'traffic/v2'")
    builtin: Literal["digits", "digits_context"] | None = Field(
        None, description="generator of a built-in dataset"
    )
    options: DigitsOptions = Field(default_factory=DigitsOptions, description="options of the generator")

    @model_validator(mode="after")
    def _exactly_one(self) -> NewDataset:
        if (self.path is None) == (self.builtin is None):
            raise ValueError("give either path or builtin")
        return self


class DatasetView(JobView):
    """A dataset; statistics are there when its state is SUCCEEDED."""

    id: Id
    name: str
    source: str
    revision: str | None = Field(description="sha256 over the annotations and the images' names and sizes")
    statistics: dict[str, Any] | None
    thumbnails: list[str] = Field(
        default_factory=list, description="where to get pictures of some images with their boxes (JPEG)"
    )
