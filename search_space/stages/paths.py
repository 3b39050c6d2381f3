"""The ways in which the levels of one stage exchange information."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from search_space.ops.sum import Sum
from search_space.stages import style as styles
from search_space.stages.stage import Arrival, Levels, Stage

Arrive = Callable[[int, Levels], list[Arrival]]
"""What arrives at a level from its neighbours, given the tensors made so far; empty: the level passes."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way to lay out a stage, and which choices mean something to it.

    Attributes:
        lay: adds the nodes and returns the stage's outputs.
        recursive: a node may read another of the same stage, so `place` matters.
        shrinks: a node reads the level below, so `down` matters.
        fuses: `fusion` and `op` matter.
        skips: `skip` matters.
        passes: a level leaves the stage unchanged.
    """

    lay: Callable[[Stage], Levels]
    recursive: bool = False
    shrinks: bool = False
    fuses: bool = True
    skips: bool = True
    passes: bool = False


def _chain(stage: Stage, levels: list[int], arrive: Arrive, tag: str = "", *, skips: bool = True) -> Levels:
    """Lay out nodes that read one another in the order of `levels`."""
    inside = stage.choice.place == "inside"
    flow = dict(stage.here)
    fused = []
    for level in levels:
        arrivals = arrive(level, flow)
        if not arrivals:
            continue
        same = stage.here[level]
        arrivals = [*(stage.skip(level, same) if skips else ()), Arrival("same", same), *arrivals]
        flow[level] = _along(stage, level, arrivals, tag)
        fused.append(level)
    if inside or not skips:
        return flow
    return _finished(stage, flow, fused)


def _finished(stage: Stage, flow: Levels, fused: list[int]) -> Levels:
    """Give every fused level its operation; in a first stage every level."""
    wanted = stage.levels if stage.first else fused
    return {
        level: stage.fuse(level, [Arrival("same", source)], stage.operation(level))
        if level in wanted
        else source
        for level, source in flow.items()
    }


def _along(stage: Stage, level: int, arrivals: list[Arrival], tag: str = "") -> str:
    """Fuse on the way, with the operation where it stands inside the path."""
    if stage.choice.place == "inside":
        return stage.fuse(level, arrivals, stage.operation(level, tag), tag=tag)
    return stage.fuse(level, arrivals, tag=f"{tag}_path")


def top_down(stage: Stage) -> Levels:
    """y_l = f(x_l, up(y_{l+1})); the top level passes (FPN, Lin et al. 2017)."""
    return _descending(stage)


def _descending(stage: Stage, tag: str = "", *, skips: bool = True) -> Levels:
    above = dict(pairwise(stage.levels))

    def arrive(level: int, flow: Levels) -> list[Arrival]:
        return [stage.above(flow[above[level]])] if level in above else []

    return _chain(stage, stage.levels[::-1], arrive, tag, skips=skips)


def bottom_up(stage: Stage) -> Levels:
    """y_l = f(x_l, down(y_{l-1})); the bottom level passes (PAFPN, Liu et al. 2018)."""
    return _ascending(stage)


def _ascending(stage: Stage, tag: str = "", *, skips: bool = True) -> Levels:
    levels = stage.levels
    below = dict(pairwise(levels[::-1]))

    def arrive(level: int, flow: Levels) -> list[Arrival]:
        return [stage.below(flow[below[level]], level)] if level in below else []

    return _chain(stage, levels, arrive, tag, skips=skips)


def parallel(stage: Stage) -> Levels:
    """Both directions from the same inputs, then fused level by level."""
    down, up = _descending(stage, "_td", skips=False), _ascending(stage, "_bu", skips=False)
    after = stage.choice.place == "after"
    made = {}
    for level in stage.levels:
        both = [Arrival("td", down[level]), Arrival("bu", up[level])]
        ops = stage.operation(level) if after else ()
        made[level] = stage.fuse(level, [*stage.skip(level, down[level], up[level]), *both], ops)
    return made


def reverse(stage: Stage) -> Levels:
    """y_l = f(1x1(g(x_l, up(x_{l+1}))), down(y_{l-1})), from fine to coarse (RevFP, Zong et al. 2021)."""
    levels = stage.levels
    above = dict(pairwise(levels))
    flow: dict[int, str] = {}
    for level in levels:
        arrivals = [*stage.skip(level, stage.here[level]), Arrival("same", stage.here[level])]
        if level in above:
            arrivals.append(stage.above(stage.here[above[level]]))
        if flow and level in above:
            project = styles.conv(stage.style, stage.width, 1, f"{stage.name}_l{level}_guided")
            arrivals = [Arrival("guided", stage.fuse(level, arrivals, project, tag="_guided"))]
        if flow:
            arrivals.append(stage.below(flow[level - 1], level))
        flow[level] = _along(stage, level, arrivals)
    return flow if stage.choice.place == "inside" else _finished(stage, flow, levels)


def cross_scale(stage: Stage) -> Levels:
    """y_l = f(x_l, up(x_{l+1}), down(x_{l-1})), all levels at once."""
    levels = stage.levels
    made = {}
    for index, level in enumerate(levels):
        here = stage.here[level]
        arrivals = [*stage.skip(level, here), Arrival("same", here)]
        if index + 1 < len(levels):
            arrivals.append(stage.above(stage.here[levels[index + 1]]))
        if index:
            arrivals.append(stage.below(stage.here[levels[index - 1]], level))
        made[level] = stage.fuse(level, arrivals, stage.operation(level))
    return made


def fusing_splitting(stage: Stage) -> Levels:
    """Gather the finer and the coarser half, exchange, and hand the results out again (OPANAS, 2021)."""

    def join(level: int, fine: Arrival, coarse: Arrival) -> str:
        return stage.fuse(level, [fine, coarse], stage.operation(level), tag="_joined")

    return split(stage, join)


def split(stage: Stage, join: Callable[[int, Arrival, Arrival], str]) -> Levels:
    """Lay out `fusing_splitting`; `join` adds the nodes that exchange what was gathered."""
    levels, here = stage.levels, stage.here
    fine, coarse = levels[len(levels) // 2 - 1], levels[len(levels) // 2]
    finer = [stage.shrunk(here[level], fine - level, f"l{level}") for level in levels if level < fine]
    coarser = [stage.above(here[level], f"l{level}") for level in levels if level > coarse]
    a = stage.fuse(fine, [Arrival("same", here[fine]), *finer[::-1]], tag="_gathered")
    b = stage.fuse(coarse, [Arrival("same", here[coarse]), *coarser], tag="_gathered")
    p = join(fine, Arrival("a", a), stage.above(b, "b"))
    q = join(coarse, stage.shrunk(a, 1, "a"), Arrival("b", b))
    return {level: _handed_out(stage, level, fine, coarse, p, q) for level in levels}


def _handed_out(stage: Stage, level: int, fine: int, coarse: int, p: str, q: str) -> str:
    """Return the output of a level: the nearer one of `p` and `q`, resampled, and the input skip."""
    if level <= fine:
        arrival = stage.above(p, "split") if level < fine else Arrival("split", p)
    else:
        arrival = stage.shrunk(q, level - coarse, "split")
    return stage.fuse(level, [*stage.skip(level), arrival])


def scale_equalizing(stage: Stage) -> Levels:
    """y_l = K1 x_l + K2(stride 2) x_{l-1} + up(K0 x_{l+1}), kernels shared by all levels (SEPC, 2020)."""
    levels, here = stage.levels, stage.here
    made = {}
    for index, level in enumerate(levels):
        arrivals = [*stage.skip(level), Arrival("same", here[level], stage.kernel("same", level))]
        if index:
            arrivals.append(Arrival("below", here[level - 1], stage.kernel("below", level, stride=2)))
        if index + 1 < len(levels):
            ops = (*stage.kernel("above", level), *styles.enlarge(stage.style))
            arrivals.append(Arrival("above", here[level + 1], ops))
        after = (*styles.norm(stage.style, f"{stage.name}_l{level}_se"), *styles.rectified(stage.style))
        made[level] = stage.add(level, "", arrivals, Sum(), after)
    return made


def skip(stage: Stage) -> Levels:
    """Every level passes."""
    return dict(stage.here)


PATHS: dict[str, Path] = {
    "skip": Path(skip, fuses=False, skips=False, passes=True),
    "top_down": Path(top_down, recursive=True, passes=True),
    "bottom_up": Path(bottom_up, recursive=True, shrinks=True, passes=True),
    "fusing_splitting": Path(fusing_splitting),
    "reverse": Path(reverse, recursive=True, shrinks=True),
    "cross_scale": Path(cross_scale, shrinks=True),
    "scale_equalizing": Path(scale_equalizing, fuses=False),
    "parallel": Path(parallel, recursive=True, shrinks=True),
}
"""Every path by name, roughly from cheap to dear."""
