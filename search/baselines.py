"""The published necks that a search is compared with, in the same run."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from search.evaluation import Genotype
from search.result import Outside
from search_space import reference
from search_space.architecture import Architecture
from search_space.errors import NotInSpace, SearchSpaceError
from search_space.space import Space


@dataclass(frozen=True)
class Baseline:
    """A published neck.

    Attributes:
        name: as in `search_space.reference`, or as the space calls it.
        architecture: its graph.
        genotype: its place in the space; None where it is outside, so that inherited weights cannot score it.
    """

    name: str
    architecture: Architecture
    genotype: Genotype | None = None

    @property
    def origin(self) -> str:
        """What its evaluation is marked with."""
        return f"baseline:{self.name}"


def baselines(space: Space) -> tuple[tuple[Baseline, ...], tuple[Outside, ...]]:
    """Return the published necks that the space contains, and those that it does not, with the reason.

    A neck is inside where the space has its topology in the space's own operations (`Space.baselines`), or
    where the published graph itself embeds at one of the space's widths.
    """
    found = dict(space.baselines())
    outside: list[Outside] = []
    for name in reference.files():
        if name not in found:
            place = _embedded(space, name)
            if isinstance(place, Outside):
                outside.append(place)
            else:
                found[name] = place
    inside = (Baseline(name, space.architecture(genotype), genotype) for name, genotype in found.items())
    return tuple(inside), tuple(outside)


def _embedded(space: Space, name: str) -> Genotype | Outside:
    """Return the genotype of a published neck at the largest width that fits, or why none does."""
    reason = f"takes none of the options of {space.name}"
    for options in _renderings(space, name):
        try:
            return space.embed(reference.build(name, space.channels, **options))
        except NotInSpace as error:
            reason = str(error)
        except (SearchSpaceError, TypeError) as error:
            reason = f"cannot be built for these levels: {error}"
    return Outside(name, reason)


def named(space: Space, name: str) -> Baseline | Outside:
    """Return one published neck or variant for the space's backbone, with a genotype where it is inside.

    Outside it has the space's levels, largest width, norm and activation where those are its options, and no
    inherited weights. `Outside` is returned where it cannot be built for the backbone's levels at all.
    """
    inside = space.baselines().get(name)
    if inside is not None:
        return Baseline(name, space.architecture(inside), inside)
    place = _embedded(space, name)
    if not isinstance(place, Outside):
        return Baseline(name, space.architecture(place), place)
    for options in (*_renderings(space, name), {}):
        try:
            graph = reference.build(name, space.channels, **options)
        except (SearchSpaceError, TypeError):
            continue
        if len({shape.channels for shape in graph.output_shapes().values()}) == 1:
            return Baseline(name, graph)
    return Outside(name, f"cannot be built with one width for these levels: {place.reason}")


def _renderings(space: Space, name: str) -> Iterator[dict[str, Any]]:
    """Yield the options under which a neck might be one of the space."""
    spec = space.spec()
    levels = sorted(spec.get("levels") or space.channels)
    wanted: dict[str, list[Any]] = {
        "width": sorted(spec.get("widths", ()), reverse=True),
        "levels": [(levels[0], levels[-1])],
        "norm": [spec.get("norm"), None],
        "act": [spec.get("act"), None],
    }
    taken = {option.name for option in reference.options(name)}
    usable = {option: values for option, values in wanted.items() if option in taken and values}
    for values in product(*usable.values()):
        yield dict(zip(usable, values, strict=True))
