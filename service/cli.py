"""The command line: one file a group under ``service/commands``, found by its name."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import typer

from service import commands


def build() -> typer.Typer:
    """Return the command line with every group.

    A file offers ``command``, a function that becomes ``neckline <file>``, or ``app``, a group of commands.
    """
    root = typer.Typer(
        name="neckline",
        help="Find the best feature-pyramid neck for your detector, your data and your device.",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,
    )
    for entry in pkgutil.iter_modules(commands.__path__):
        if entry.name.startswith("_"):
            continue
        module = import_module(f"service.commands.{entry.name}")
        name = entry.name.rstrip("_").replace("_", "-")
        if hasattr(module, "command"):
            root.command(name)(module.command)
        elif hasattr(module, "app"):
            root.add_typer(module.app, name=name)
    return root


app = build()

if __name__ == "__main__":
    app()
