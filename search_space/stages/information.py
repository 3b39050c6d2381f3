"""OPANAS's information paths: how one tensor a level becomes another on an edge between two nodes.

Liang et al., OPANAS: One-Shot Path Aggregation Network Architecture Search, CVPR 2021, section 3.1.
"""

from collections.abc import Callable
from dataclasses import dataclass

from search_space.op import Op
from search_space.ops.concat import Concat
from search_space.stages import style as styles
from search_space.stages.paths import scale_equalizing, split
from search_space.stages.stage import Arrival, Levels, Stage


@dataclass(frozen=True, slots=True)
class Track(Stage):
    """A stage on one edge.

    Attributes:
        deform: whether 3x3 convolutions are deformable; at the lowest level their taps stay in place.
        tied: whether both convolutions of fusing-splitting are one.
    """

    deform: bool = False
    tied: bool = True

    def operation(self, level: int, twin: str = "") -> tuple[Op, ...]:
        """Return the edge's operation at a level; `twin` tells two of one level apart."""
        own = f"{self.name}_l{level}{twin}"
        return self._dense(level, own, own)

    def joined(self, level: int) -> tuple[Op, ...]:
        """Return the edge's operation on a concatenation."""
        own = f"{self.name}_l{level}_joined"
        if styles.OPS[self.choice.op].kind == "separable":
            _, mix = styles.fusion("concat", self.width, own)
            return (*mix, *self.operation(level, "_joined"))
        return self._dense(level, f"{self.name}_joined" if self.tied else own, own)

    def kernel(self, part: str, level: int, *, stride: int = 1) -> tuple[Op, ...]:
        """Return a 3x3 convolution on the way to `level`, one for all levels (`scale_equalizing`)."""
        share, moved = f"{self.name}_se_{part}", self._moved(level, 3)
        return styles.conv(styles.bare(self.style), self.width, 3, share, stride, moved=moved)

    def _dense(self, level: int, share: str, own: str) -> tuple[Op, ...]:
        """Return the operation with weights of `share`, norm and attention of the level's own."""
        kind, kernel = styles.OPS[self.choice.op]
        if kind == "separable":
            return Stage.operation(self, level, own.removeprefix(f"{self.name}_l{level}"))
        style, op = self.style, self.choice.op
        before = styles.act(style) if style.order == "act_conv_norm" else ()
        conv = styles.conv(
            style,
            self.width,
            kernel,
            f"{share}_{op}",
            moved=True if kind == "deformable" else self._moved(level, kernel),
            norm_share=f"{own}_{op}",
        )
        return (*before, *conv, *styles.attend(self.choice.attention, own))

    def _moved(self, level: int, kernel: int) -> bool | None:
        return level > min(self.here) if self.deform and kernel == 3 else None


def top_down(stage: Track) -> Levels:
    """y_top = f(x_top), y_l = f(x_l + up(y_{l+1}))."""
    made: dict[int, str] = {}
    for level in reversed(stage.levels):
        above = [stage.above(made[level + 1])] if made else []
        arrivals = [Arrival("same", stage.here[level]), *above]
        made[level] = stage.fuse(level, arrivals, stage.operation(level))
    return made


def bottom_up(stage: Track) -> Levels:
    """y_bottom = f(x_bottom), y_l = f(x_l + pool(y_{l-1}))."""
    made: dict[int, str] = {}
    for level in stage.levels:
        below = [stage.shrunk(made[level - 1], 1, "below")] if made else []
        arrivals = [Arrival("same", stage.here[level]), *below]
        made[level] = stage.fuse(level, arrivals, stage.operation(level))
    return made


def fusing_splitting(stage: Track) -> Levels:
    """a = x1 + pool(x0), b = x2 + up(x3), p = f[a, up(b)], q = f[pool(a), b]; y = up(p), p, q, pool(q)."""

    def join(level: int, fine: Arrival, coarse: Arrival) -> str:
        return stage.add(level, "_joined", [fine, coarse], Concat(), stage.joined(level))

    return split(stage, join)


def skip(stage: Track) -> Levels:
    """y_l = x_l."""
    return dict(stage.here)


def none(stage: Track) -> Levels:
    """Nothing arrives."""
    return {}


INFORMATION: dict[str, Callable[[Track], Levels]] = {
    "none": none,
    "skip": skip,
    "fusing_splitting": fusing_splitting,
    "top_down": top_down,
    "bottom_up": bottom_up,
    "scale_equalizing": scale_equalizing,
}
"""Every information path by name, from cheap to dear."""
