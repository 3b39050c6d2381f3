"""Trained supernets from elsewhere, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from service.models.base import Id, Name, Request

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SupernetImport(Request):
    """A supernet that was trained elsewhere: its two files, and the dataset to score its necks on."""

    name: Name | None = None
    dataset_id: Id = Field(description="with the categories that the supernet was trained on")
    card: dict[str, Any] = Field(description="the content of its supernet.json")
    weights: Sha256 = Field(description="sha256 of its supernet.safetensors, which was sent before")
