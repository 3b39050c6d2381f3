"""OPANAS's information paths: how one tensor a level becomes another on an edge between two nodes.

Liang et al., OPANAS: One-Shot Path Aggregation Network Architecture Search, CVPR 2021, section 3.1.
"""

from collections.abc import Callable

from search_space.ops.concat import Concat
from search_space.stages import style as styles
from search_space.stages.paths import scale_equalizing, split
from search_space.stages.stage import Arrival, Levels, Stage


def top_down(stage: Stage) -> Levels:
    """y_top = f(x_top), y_l = f(x_l + up(y_{l+1}))."""
    made: dict[int, str] = {}
    for level in reversed(stage.levels):
        above = [stage.above(made[level + 1])] if made else []
        arrivals = [Arrival("same", stage.here[level]), *above]
        made[level] = stage.fuse(level, arrivals, stage.operation(level))
    return made


def bottom_up(stage: Stage) -> Levels:
    """y_bottom = f(x_bottom), y_l = f(x_l + pool(y_{l-1}))."""
    made: dict[int, str] = {}
    for level in stage.levels:
        below = [stage.shrunk(made[level - 1], 1, "below")] if made else []
        arrivals = [Arrival("same", stage.here[level]), *below]
        made[level] = stage.fuse(level, arrivals, stage.operation(level))
    return made


def fusing_splitting(stage: Stage) -> Levels:
    """a = x1 + pool(x0), b = x2 + up(x3), p = f[a, up(b)], q = f[pool(a), b]; y = up(p), p, q, pool(q)."""

    def join(level: int, fine: Arrival, coarse: Arrival) -> str:
        ops = stage.operation(level, "_joined")
        separable, _ = styles.OPS[stage.choice.op]
        if separable:
            _, mix = styles.fusion("concat", stage.width, f"{stage.name}_l{level}_joined")
            ops = (*mix, *ops)
        return stage.add(level, "_joined", [fine, coarse], Concat(), ops)

    return split(stage, join)


def skip(stage: Stage) -> Levels:
    """y_l = x_l."""
    return dict(stage.here)


def none(stage: Stage) -> Levels:
    """Nothing arrives."""
    return {}


INFORMATION: dict[str, Callable[[Stage], Levels]] = {
    "none": none,
    "skip": skip,
    "fusing_splitting": fusing_splitting,
    "top_down": top_down,
    "bottom_up": bottom_up,
    "scale_equalizing": scale_equalizing,
}
"""Every information path by name, from cheap to dear."""
