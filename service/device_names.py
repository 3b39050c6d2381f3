"""What a search calls its devices: the names behind the `@` of its metrics."""

from __future__ import annotations

import re

from service.errors import Pointed, Unacceptable
from service.models.searches import DeviceSpec, NewSearch
from service.store import Store
from service.stores import devices

MOST = 64
UNFIT = re.compile(r"[^A-Za-z0-9_.\-]+")
"""What a metric's name may not hold behind its `@`."""


def device_names(store: Store, owner: str, request: NewSearch) -> list[str]:
    """Return a name for each of the request's devices: that of the device, or the kind of a new one.

    Raises:
        Unacceptable: no such device, two of one name, or a metric on a device that is not among them.
    """
    found = _found(store, owner, request) if request.devices else []
    _check_metrics(request, found)
    return found


def _found(store: Store, owner: str, request: NewSearch) -> list[str]:
    found: list[str] = []
    with store.database.read() as tx:
        for index, wanted in enumerate(request.devices):
            known = None if isinstance(wanted, DeviceSpec) else devices.get(tx, wanted, owner)
            if known is None and not isinstance(wanted, DeviceSpec):
                raise Unacceptable(Pointed(f"/devices/{index}", "no such device"))
            label = wanted.kind if isinstance(wanted, DeviceSpec) else known.name if known else ""
            found.append(UNFIT.sub("-", label)[:MOST])
            if found[-1] in found[:-1]:
                detail = f"two devices are called {found[-1]!r}: register them under names of their own first"
                raise Unacceptable(Pointed(f"/devices/{index}", detail))
    return found


def _check_metrics(request: NewSearch, names: list[str]) -> None:
    objectives = [(f"/objectives/{index}", name) for index, name in enumerate(request.objectives)]
    bounds = [(f"/constraints/{i}/metric", bound.metric) for i, bound in enumerate(request.constraints)]
    for pointer, metric in objectives + bounds:
        device = metric.partition("@")[2]
        if device and device not in names:
            known = ", ".join(names) or "none"
            raise Unacceptable(Pointed(pointer, f"no device {device!r} in this search, which has: {known}"))
