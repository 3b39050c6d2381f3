"""Devices over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from service.models.base import Id, JobView, Name, View
from service.models.searches import DeviceSpec


class NewDevice(DeviceSpec):
    """A device: a kind that the service's workers have, or 'remote' for one with an agent."""

    name: Name | None = None


class PredictorView(JobView):
    """A calibration of a device: its predictor's error and what it is valid for."""

    id: Id
    device_id: Id
    revision: str | None
    summary: dict[str, Any] | None = Field(
        description="error on held-out necks, noise floor, coverage, fingerprint"
    )


class DeviceView(View):
    """A device with its calibrations, newest first."""

    id: Id
    name: str
    kind: str
    spec: dict[str, Any]
    created_at: datetime
    predictors: list[PredictorView]


class NewPredictor(View):
    """For which supernet's space a device is to be calibrated."""

    supernet_id: Id
