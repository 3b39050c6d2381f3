"""Ranking estimates of supernets over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from service.models.base import Id, JobView, Request, View


class NewRanking(Request):
    """How much to measure: architectures drawn uniformly, each trained alone and scored by the supernet."""

    architectures: int = Field(12, ge=4, le=500, description="distinct architectures")
    seeds: int = Field(2, ge=1, le=8, description="trainings alone of each; with two the ceiling is known")
    truth_steps: int = Field(300, ge=1, le=100_000, description="optimizer steps of a training alone")
    adaptation_steps: int = Field(50, ge=1, le=10_000, description="optimizer steps of the adapted score")
    seed: int = Field(0, ge=0, lt=2**31, description="of the draw")


class CorrelationView(View):
    """A rank correlation with its 95 % bootstrap interval; null where all values are equal."""

    value: float | None
    low: float | None
    high: float | None


class OrderView(View):
    """How one score orders the architectures."""

    tau: CorrelationView = Field(description="Kendall's")
    rho: CorrelationView = Field(description="Spearman's")
    top_half: CorrelationView = Field(description="Kendall's tau within the better half")
    regret: float = Field(description="AP lost by taking the architecture with the best score")


class EstimateView(View):
    """How well a supernet's scores order architectures, against the mean AP of trainings alone."""

    spec: NewRanking
    architectures: int = Field(description="how many were measured, distinct by key")
    spread: float = Field(description="largest minus smallest true AP")
    ceiling: float | None = Field(description="tau of one training alone against another")
    inherited: OrderView = Field(description="by the supernet's own weights")
    adapted: OrderView = Field(description="after a short adaptation of neck and head")
    parameters: CorrelationView = Field(description="the trivial order by parameters alone, tau")
    macs: CorrelationView = Field(description="the trivial order by MACs alone, tau")


class RankingView(JobView):
    """A ranking estimate in the making, or made."""

    id: Id
    supernet_id: Id
    spec: NewRanking
    estimate: EstimateView | None = Field(description="there when the job has ended well")


def estimate_of(result: Any) -> EstimateView | None:
    """Return the estimate in a job's result, None where there is none."""
    return None if not result else EstimateView(**result["ranking"])
