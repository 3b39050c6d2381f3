"""``neckline settings``: every setting with its meaning and where its value comes from."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print every setting: its value, its variable, its source and what it means."""
    from service.commands._settings import settings_with
    from service.settings import Settings

    values = settings_with()
    rows = []
    for name, field in Settings.model_fields.items():
        variable = f"NECKLINE_{name.upper()}"
        source = "environment" if variable in os.environ else "default"
        shown = "***" if field.repr is False and getattr(values, name) else str(getattr(values, name))
        rows.append(
            {
                "name": name,
                "value": shown,
                "variable": variable,
                "source": source,
                "meaning": field.description,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("variable", "value", "source", "meaning")
    for row in rows:
        table.add_row(str(row["variable"]), str(row["value"]), str(row["source"]), str(row["meaning"]))
    Console().print(table)
