"""The same function of the same parameters, written down differently: a check of keys."""

import random
from dataclasses import replace

from search_space.architecture import Architecture, Edge, Node
from search_space.op import Op
from search_space.ops.conv import Conv
from search_space.ops.sum import Sum


def disguised(made: Architecture, rng: random.Random) -> Architecture:
    """Return the architecture reordered, renamed and padded."""
    return padded(renamed(reordered(made, rng), rng), rng)


def renamed(made: Architecture, rng: random.Random) -> Architecture:
    """Return it with other names of inputs, nodes and shares."""
    names = [*(entry.id for entry in made.inputs), *(node.id for node in made.nodes)]
    fresh = rng.sample([f"x{index}" for index in range(len(names))], len(names))
    others = dict(zip(names, fresh, strict=True))

    def op(entry: Op) -> Op:
        return entry if entry.share is None else replace(entry, share=f"other_{entry.share}")

    nodes = tuple(
        replace(
            node,
            id=others[node.id],
            inputs=tuple(Edge(others[edge.source], tuple(map(op, edge.ops))) for edge in node.inputs),
            fusion=op(node.fusion) if node.fusion else None,
            ops=tuple(map(op, node.ops)),
        )
        for node in made.nodes
    )
    inputs = tuple(replace(entry, id=others[entry.id]) for entry in made.inputs)
    return Architecture(inputs, nodes, tuple((level, others[name]) for level, name in made.outputs))


def reordered(made: Architecture, rng: random.Random) -> Architecture:
    """Return it with inputs shuffled, nodes in another order in which each still follows what it reads."""
    known = {entry.id for entry in made.inputs}
    waiting, nodes = list(made.nodes), []
    while waiting:
        ready = [node for node in waiting if all(edge.source in known for edge in node.inputs)]
        chosen = rng.choice(ready)
        waiting.remove(chosen)
        nodes.append(chosen)
        known.add(chosen.id)
    inputs = list(made.inputs)
    rng.shuffle(inputs)
    return Architecture(tuple(inputs), tuple(nodes), made.outputs)


def padded(made: Architecture, rng: random.Random) -> Architecture:
    """Return it with nodes that nothing reads, and one that hands its input on."""
    top = made.nodes[-1]
    dead = Node("dead", top.level, 5, (Edge(top.id, (Conv(width=5, kernel=1),)),))
    level, name = rng.choice(made.outputs)
    handed = Node("handed", level, made.shapes()[name].channels, (Edge(name),), rng.choice([None, Sum()]))
    outputs = tuple((at, "handed" if at == level else source) for at, source in made.outputs)
    return Architecture(made.inputs, (*made.nodes, dead, handed), outputs)
