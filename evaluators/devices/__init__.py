"""The devices that ship: the file names are the registry, one device a file."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from evaluators.latency.device import Device
from evaluators.latency.errors import UnknownDevice
from search_space.errors import near


@cache
def names() -> tuple[str, ...]:
    """Return the names of all devices, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def device_class(name: str) -> type[Device]:
    """Return the class of the device called `name`.

    Raises:
        UnknownDevice: no file of that name; the message offers near matches.
    """
    if name not in names():
        raise UnknownDevice(f"unknown device '{name}'{near(name, names())}")
    module = import_module(f"{__name__}.{name}")
    classes = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Device)]
    return next(found for found in classes if found.__dict__.get("name") == name)


def load(name: str, **options: Any) -> Device:
    """Return the device called `name`, such as `load("torch_cpu", threads=2)`.

    Raises:
        UnknownDevice: no file of that name.
        DeviceUnavailable: it is not on this machine.
    """
    return device_class(name)(**options)
