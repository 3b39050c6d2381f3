"""The service's exceptions.

ServiceError
├── NotFound            no such record, or another owner's
├── Conflict            the record's state forbids it
├── Unacceptable        the request's content is wrong: carries JSON pointers
├── Forbidden           the key lacks a scope
├── Unauthorized        no key, or an unknown one
├── TooMany             a cap or a rate is reached
├── Unavailable         the service can take no work now
├── LeaseLost           the worker no longer owns the job
└── StopRequested       the job was asked to stop (cancelled, paused or shut down)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pointed:
    """One fault of a request: where (a JSON pointer) and what."""

    pointer: str
    detail: str


class ServiceError(Exception):
    """Base of the service's own errors."""


class NotFound(ServiceError):
    """No such record for this owner."""


class Conflict(ServiceError):
    """The record's state forbids the request; the message names the state."""


class Unacceptable(ServiceError):
    """The request is well formed but wrong; ``faults`` say where."""

    def __init__(self, *faults: Pointed) -> None:
        super().__init__("; ".join(fault.detail for fault in faults))
        self.faults = faults


class Forbidden(ServiceError):
    """The key is known but lacks the scope."""


class Unauthorized(ServiceError):
    """The request carries no key, or one that is unknown or revoked."""


class TooMany(ServiceError):
    """A rate or a cap is reached; ``retry_after_s`` says when to come back."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(ServiceError):
    """The service refuses new work for now; ``retry_after_s`` says when to come back."""

    def __init__(self, message: str, retry_after_s: float = 30.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LeaseLost(ServiceError):
    """Another worker owns the job by now, so nothing may be written."""


class StopRequested(ServiceError):
    """The job was asked to stop; what it has stored stays."""
