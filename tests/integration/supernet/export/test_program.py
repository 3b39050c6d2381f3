"""`torch.export` programs: right at sizes and batches that they were not traced at, or refused."""

import io

import pytest
import torch

from search_space import reference
from supernet.errors import ExportError
from supernet.export import program, verify
from tests.unit.supernet.export.necks import CHANNELS, trained


@pytest.mark.parametrize("name", ["pafpn", "bifpn"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_program_is_right_at_other_sizes_and_batches(name: str) -> None:
    subnet = trained(reference.build(name, CHANNELS, width=16))
    made = program.export(subnet)
    again = torch.export.load(io.BytesIO(program.save(made))).module()
    given = verify.features(subnet.architecture, (401, 299), batch=3)
    with torch.no_grad():
        wanted, found = subnet(given), again(given)
    assert all(torch.allclose(found[level], x, atol=1e-5) for level, x in wanted.items())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_program_of_one_size_only_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = torch.export.export
    monkeypatch.setattr(torch.export, "export", lambda module, inputs, **_: honest(module, inputs))
    with pytest.raises(ExportError, match=r"torch.export cannot write this neck at every size: ."):
        program.export(trained(reference.build("fpn", CHANNELS, width=16)))
