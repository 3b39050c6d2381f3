"""Ray for a worker: a local one without dashboard on loopback, or a cluster, which must ask for a token."""

from __future__ import annotations

import ipaddress
import os

from service.settings import Settings

LOOPBACK_NAMES = ("localhost", "local")


class UnsafeRay(Exception):
    """A Ray address that anyone on the network could use."""


def check_address(settings: Settings) -> None:
    """Refuse a Ray that is not on loopback unless token authentication is on (CVE-2023-48022).

    Raises:
        UnsafeRay: with what to set.
    """
    address = settings.ray_address
    if address is None or is_loopback(address):
        return
    tokened = settings.ray_token or os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if os.environ.get("RAY_AUTH_MODE", "token" if settings.ray_token else "") != "token" or not tokened:
        raise UnsafeRay(
            f"Ray at {address} is not on loopback and runs whatever it is sent: start it with "
            "RAY_AUTH_MODE=token, and give this process RAY_AUTH_MODE=token with RAY_AUTH_TOKEN_PATH, "
            "or NECKLINE_RAY_TOKEN"
        )


def is_loopback(address: str) -> bool:
    """Return whether an address such as ``10.0.0.5:6379`` or ``ray://head:10001`` stays on this machine."""
    host = address.partition("://")[2] or address
    name = host.rsplit(":", 1)[0].strip("[]")
    if name in LOOPBACK_NAMES or address == "auto":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def export_token(settings: Settings) -> None:
    """Hand a token from the settings to Ray, which reads it from the environment."""
    if settings.ray_token:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = settings.ray_token
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
