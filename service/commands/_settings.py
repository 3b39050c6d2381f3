"""Settings of a command: the environment's, with the command's own options on top."""

from __future__ import annotations

from typing import Any

import typer
from pydantic import ValidationError

from service.settings import Settings


def settings_with(**options: Any) -> Settings:
    """Return the settings, options that are not None in place of the environment's.

    Raises:
        typer.BadParameter: a value is not allowed.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors())
        raise typer.BadParameter(faults) from error
