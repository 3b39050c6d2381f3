"""What `search_space` raises.

SearchSpaceError (ValueError)
├── InvalidArchitecture     a graph that cannot be built; names node, level and channels
│   ├── UnknownOperation    an op that no file under `ops` defines; offers near matches
│   ├── CyclicGraph         nodes that wait for one another
│   ├── WidthMismatch       tensors of different widths meet in one fusion
│   └── LevelOutOfRange     a neck needs a level that the backbone does not offer
├── NewerSchema             JSON written by a later version of this package
├── UnknownName             a space or a reference neck that does not exist; offers near matches
├── InvalidSpace            a space whose options contradict one another
├── NotInSpace              an architecture or genotype that the space does not contain
└── NotComposable           necks of a space that cannot be laid out many at once
"""

from collections.abc import Iterable
from difflib import get_close_matches


class SearchSpaceError(ValueError):
    """Anything that is wrong with an architecture, a space or a name."""


class InvalidArchitecture(SearchSpaceError):
    """A graph that cannot be built; the message names the node, its level and the channels."""


class UnknownOperation(InvalidArchitecture):
    """An operation that no file under `search_space/ops` defines."""


class CyclicGraph(InvalidArchitecture):
    """Nodes that wait for one another."""


class WidthMismatch(InvalidArchitecture):
    """Tensors of different widths meet where they must be equal."""


class LevelOutOfRange(InvalidArchitecture):
    """A neck needs a level that the backbone does not offer; the message lists what it offers."""


class NewerSchema(SearchSpaceError):
    """JSON written by a later version of this package."""


class UnknownName(SearchSpaceError):
    """A space or a reference neck that does not exist."""


class InvalidSpace(SearchSpaceError):
    """A space whose options contradict one another."""


class NotInSpace(SearchSpaceError):
    """An architecture or a genotype that the space does not contain."""


class NotComposable(SearchSpaceError):
    """Necks that cannot be laid out many at once; each has to be built by itself."""


def near(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'a' or 'b'?"`, or the known names where nothing is near."""
    known = sorted(known)
    matches = get_close_matches(name, known, n=3, cutoff=0.5)
    if matches:
        return "; did you mean " + " or ".join(repr(match) for match in matches) + "?"
    return "; known: " + ", ".join(known)
