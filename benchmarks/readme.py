"""The README's tables, generated from the stored results: `python -m benchmarks.readme` rewrites them.

A table stands between `<!-- results:NAME -->` and `<!-- /results -->`, NAME being a benchmark's.
"""

import re
import sys
from pathlib import Path

from benchmarks.form import RESULTS, Figure, Results, read

README = Path(__file__).parent.parent / "README.md"
_BLOCK = re.compile(r"(<!-- results:(\w+) -->\n).*?(<!-- /results -->)", re.DOTALL)


def table(results: Results) -> str:
    """Return the figures of one benchmark as a Markdown table, with the command and the machine below it."""
    rows = ["| figure | value | target | |", "|---|---|---|---|", *map(_row, results.figures)]
    machine = results.machine
    below = f"`{results.command}`, {results.date[:10]}, {machine.cpu}, {machine.cores} cores."
    return "\n".join([*rows, "", below, ""])


def _row(figure: Figure) -> str:
    interval = (
        "" if figure.low is None or figure.high is None else f" ({figure.low:.3g} to {figure.high:.3g})"
    )
    verdict = {None: "", True: "met", False: "**short**"}[figure.met]
    unit = "" if figure.unit == "1" else f" {figure.unit}"
    name = f"{figure.name}: {figure.detail}" if figure.detail else figure.name
    name = name.replace("|", "\\|")
    return f"| {name} | {figure.value:.4g}{unit}{interval} | {figure.target or ''} | {verdict} |"


def rendered(text: str, folder: Path = RESULTS) -> str:
    """Return `text` with every table made anew from the results in `folder`.

    Raises:
        ResultsError: the results of a table are not stored.
    """

    def replace(match: re.Match[str]) -> str:
        results = read(match[2], folder)
        return f"{match[1]}\n{table(results)}\n{match[3]}"

    return _BLOCK.sub(replace, text)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
