"""What every operation refuses, whatever its attributes are."""

from dataclasses import fields
from pkgutil import iter_modules

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from search_space import ops
from search_space.errors import InvalidArchitecture
from search_space.op import Shape

KINDS = sorted(module.name for module in iter_modules(ops.__path__))
NUMBERS = st.sampled_from([-3, -1, 0, 1, 2, 3, 4, 7, 8, 2**31 - 1])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_any_numbers_give_tensors_or_a_named_error(kind: str, data: st.DataObject) -> None:
    cls = ops.op_class(kind)
    record: dict[str, object] = {"op": kind}
    for entry in fields(cls):
        if entry.type in (int, "int") and (entry.name in ("width", "start") or data.draw(st.booleans())):
            record[entry.name] = data.draw(NUMBERS)
    if kind in ("norm", "gap_mix", "adaptive_pool", "pool"):
        record["form"] = data.draw(st.sampled_from(["group", "batch", "avg", "max"]))
    inputs = [Shape(8, 9, 14)] * (data.draw(st.integers(1, 3)) if cls.many else 1)
    size = data.draw(st.sampled_from([None, (9, 14), (18, 28), (1, 1)]))
    try:
        op = ops.from_record(record)
        output = op.infer(inputs, size)
    except InvalidArchitecture as error:
        assert kind in str(error)
        return
    tensors = {**op.weights(inputs), **op.buffers(inputs)}
    assert all(extent > 0 for shape in tensors.values() for extent in shape)
    assert output.channels > 0
    assert op.macs(inputs, output) >= 0 or min(output) < 1


def test_groups_that_are_none() -> None:
    for record in ({"op": "norm", "form": "group", "groups": 0}, {"op": "ela", "groups": -2}):
        with pytest.raises(InvalidArchitecture, match="groups must be positive"):
            ops.from_record(record)
