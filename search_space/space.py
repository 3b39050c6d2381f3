"""`Space`: a finite set of architectures, each described by one choice a gene."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from search_space import spaces
from search_space.architecture import Architecture
from search_space.composition import Indices, Tape
from search_space.errors import InvalidSpace, NotComposable, NotInSpace, near

Genotype = tuple[int, ...]
"""The index of the choice made for each gene of a space."""


@dataclass(frozen=True, slots=True)
class Gene:
    """One choice: its name, what may be chosen, and whether the choices are ordered (small to large)."""

    name: str
    choices: tuple[int | str, ...]
    ordinal: bool = False


class Space(ABC):
    """A finite set of architectures for the feature maps of one backbone.

    A gene may depend on the genes before it: `domain` says which of its choices mean something. One that
    means nothing is inactive and stands at 0 in a canonical genotype. Subclasses are frozen dataclasses,
    one a file under `spaces`, whose fields are the space's options.
    """

    name: ClassVar[str]
    channels: Mapping[int, int]
    """Channels of the backbone's feature map by level."""

    @property
    @abstractmethod
    def genes(self) -> tuple[Gene, ...]:
        """Every choice, those that others depend on first."""

    @abstractmethod
    def domain(self, index: int, genotype: Sequence[int]) -> Sequence[int]:
        """Return the choices of gene `index` that mean something, the genes before it given."""

    @abstractmethod
    def architecture(self, genotype: Genotype) -> Architecture:
        """Return the architecture that a genotype describes.

        Raises:
            NotInSpace: the genotype has another length or an index that no choice has.
        """

    @abstractmethod
    def embed(self, architecture: Architecture) -> Genotype:
        """Return the genotype of the space whose architecture has the same key.

        Raises:
            NotInSpace: there is none.
        """

    @abstractmethod
    def size(self) -> int:
        """Return the exact number of canonical genotypes."""

    @abstractmethod
    def cover(self) -> list[Architecture]:
        """Return architectures that together hold every shared tensor at its largest size."""

    @abstractmethod
    def baselines(self) -> dict[str, Genotype]:
        """Return the genotype of each hand-made neck whose topology the space contains, by name."""

    def compose(self, genotypes: Indices, tape: Tape) -> Indices:
        """Lay out canonical genotypes (N, genes) on a tape, and return the necks' outputs (levels, N).

        Every neck is then the graph that `architecture` returns, up to names.

        Raises:
            NotComposable: this space does not know how.
        """
        raise NotComposable(f"{self.name} does not lay out many necks at once")

    @staticmethod
    def load(spec: str | Mapping[str, Any]) -> "Space":
        """Return the space of a name, or of a JSON mapping: its name under `space`, and options.

        Raises:
            UnknownName: no space of that name; the message offers near matches.
            InvalidSpace: an option that the space does not have, or that contradicts another.
        """
        record = {"space": spec} if isinstance(spec, str) else dict(spec)
        if not isinstance(record.get("space"), str):
            raise InvalidSpace(f"a space is a mapping with its name under 'space'; got keys {sorted(record)}")
        cls: type[Space] = spaces.space_class(record.pop("space"))
        known = {field.name: field for field in fields(cls) if field.init}  # type: ignore[arg-type]
        for option in record:
            if option not in known:
                raise InvalidSpace(f"{cls.name} has no option '{option}'{near(option, known)}")
        return cls(**{option: _option(known[option], value) for option, value in record.items()})

    def spec(self) -> dict[str, Any]:
        """Return the space as a JSON mapping that `load` turns back into it."""
        record: dict[str, Any] = {"space": self.name}
        for field in fields(self):  # type: ignore[arg-type]
            if field.init:
                record[field.name] = _thawed(getattr(self, field.name))
        return record

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash(str(self.spec()))

    def canonical(self, genotype: Sequence[int]) -> Genotype:
        """Return the genotype with inactive genes at 0, meaningless choices replaced by the nearest others.

        Raises:
            NotInSpace: see `architecture`.
        """
        self.check(genotype)
        chosen = list(genotype)
        for index, choice in enumerate(chosen):
            allowed = self.domain(index, chosen)
            if choice not in allowed:
                chosen[index] = min(allowed, key=lambda other: abs(other - choice)) if allowed else 0
        return tuple(chosen)

    def active(self, genotype: Sequence[int]) -> tuple[bool, ...]:
        """Return for each gene whether its choice means something in this genotype."""
        return tuple(bool(self.domain(index, genotype)) for index in range(len(self.genes)))

    def canonical_many(self, genotypes: Indices) -> Indices:
        """Return `canonical` of each row (N, genes).

        Raises:
            NotInSpace: see `architecture`.
        """
        rows = [self.canonical(row) for row in genotypes.tolist()]
        return np.array(rows, dtype=np.int64).reshape(genotypes.shape)

    def active_many(self, genotypes: Indices) -> NDArray[np.bool_]:
        """Return `active` of each row (N, genes)."""
        rows = [self.active(row) for row in genotypes.tolist()]
        return np.array(rows, dtype=np.bool_).reshape(genotypes.shape)

    def check(self, genotype: Sequence[int]) -> None:
        """Raise `NotInSpace` unless there is one valid index a gene."""
        if len(genotype) != len(self.genes):
            raise NotInSpace(f"{self.name} has {len(self.genes)} genes; the genotype has {len(genotype)}")
        for gene, choice in zip(self.genes, genotype, strict=True):
            if not 0 <= choice < len(gene.choices):
                raise NotInSpace(f"gene '{gene.name}' has choices 0 to {len(gene.choices) - 1}; got {choice}")

    def sample(self, rng: np.random.Generator) -> Genotype:
        """Return a canonical genotype, each active gene drawn uniformly from what means something."""
        chosen = [0] * len(self.genes)
        for index, draw in enumerate(rng.random(len(chosen)).tolist()):
            allowed = self.domain(index, chosen)
            if allowed:
                chosen[index] = allowed[int(draw * len(allowed))]
        return tuple(chosen)

    def mutate(self, genotype: Sequence[int], rng: np.random.Generator) -> Genotype:
        """Return the genotype with one active gene changed; genes that this wakes up are drawn at random.

        A space with one genotype returns it.
        """
        old = self.canonical(genotype)
        free = [index for index in range(len(old)) if len(self.domain(index, old)) > 1]
        if not free:
            return old
        changed = free[int(rng.integers(len(free)))]
        others = [choice for choice in self.domain(changed, old) if choice != old[changed]]
        fresh = list(self.sample(rng))
        fresh[changed] = others[int(rng.integers(len(others)))]
        for index, was in enumerate(self.active(old)):
            if was and index != changed:
                fresh[index] = old[index]
        return self.canonical(fresh)

    def crossover(self, a: Sequence[int], b: Sequence[int], rng: np.random.Generator) -> Genotype:
        """Return a genotype with each gene of either parent, of the one that uses it where only one does."""
        coins = rng.random(len(self.genes)) < 0.5
        uses_a, uses_b = self.active(a), self.active(b)
        takes = [coin if x == y else x for coin, x, y in zip(coins, uses_a, uses_b, strict=True)]
        return self.canonical([x if take else y for take, x, y in zip(takes, a, b, strict=True)])

    @cached_property
    def _widths(self) -> tuple[int, ...]:
        return tuple(len(gene.choices) for gene in self.genes)

    def encode(self, genotype: Sequence[int]) -> NDArray[np.float64]:
        """Return the genotype as numbers in [0, 1], gene after gene in order.

        An ordinal gene of k choices takes k entries: active, choice >= 1, ..., choice >= k - 1. Another one
        takes k entries: one-hot. All entries of an inactive gene are 0.
        """
        chosen = self.canonical(genotype)
        vector = np.zeros(sum(self._widths))
        start = 0
        for gene, choice, active in zip(self.genes, chosen, self.active(chosen), strict=True):
            if active and gene.ordinal:
                vector[start : start + choice + 1] = 1.0
            elif active:
                vector[start + choice] = 1.0
            start += len(gene.choices)
        return vector

    def decode(self, vector: Sequence[float] | NDArray[np.float64]) -> Genotype:
        """Return the genotype nearest to a vector laid out as by `encode`.

        Raises:
            NotInSpace: the vector has another length.
        """
        numbers = np.asarray(vector, dtype=np.float64)
        if numbers.shape != (sum(self._widths),):
            raise NotInSpace(f"{self.name} encodes to {sum(self._widths)} numbers; got shape {numbers.shape}")
        parts = np.split(numbers, np.cumsum(self._widths)[:-1])
        return self.canonical(
            [
                int((part[1:] > 0.5).sum()) if gene.ordinal else int(part.argmax())
                for gene, part in zip(self.genes, parts, strict=True)
            ]
        )

    def contains(self, architecture: Architecture) -> bool:
        """Return whether a genotype of the space describes a neck with the same key."""
        try:
            self.embed(architecture)
        except NotInSpace:
            return False
        return True

    def corners(self) -> list[Genotype]:
        """Return the genotypes with every gene at its lowest and at its highest choice."""
        return [self.smallest(), self.largest()]

    def smallest(self) -> Genotype:
        """Return the genotype with every gene at its lowest choice."""
        return self.canonical([0] * len(self.genes))

    def largest(self) -> Genotype:
        """Return the genotype with every gene at its highest choice."""
        return self.canonical([len(gene.choices) - 1 for gene in self.genes])


def _option(field: Field[Any], value: Any) -> Any:
    """Return a JSON value as the option's own type, which is that of its default."""
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    wanted = {bool: "true or false", int: "a whole number", str: "a name", tuple: "a list", dict: "a mapping"}
    if isinstance(value, list):
        value = tuple(value)
    if not isinstance(value, Mapping if isinstance(default, dict) else type(default)) or (
        isinstance(value, bool) and not isinstance(default, bool)
    ):
        raise InvalidSpace(f"option '{field.name}' is {wanted[type(default)]}; got {value!r}")
    if isinstance(value, Mapping):
        try:
            return {int(key): item for key, item in value.items()}
        except (TypeError, ValueError) as error:
            raise InvalidSpace(f"option '{field.name}' is a mapping by level: {error}") from error
    return value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
