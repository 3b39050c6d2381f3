"""Shared weights: one executor, bit-equal extraction, no active subnet."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.architecture import Architecture
from supernet.errors import FeatureMismatch, UnknownWeights
from supernet.subnet import Subnet
from supernet.supernet import SuperNet
from supernet.weights import narrow

Neck = Callable[..., Architecture]


def _equal(a: Mapping[int, Tensor], b: Mapping[int, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[level], b[level]) for level in a)


@pytest.mark.parametrize("concat", [False, True])
@pytest.mark.parametrize("width", [8, 24, 32])
def test_an_extracted_subnet_is_bit_equal(
    neck: Neck, features: dict[int, Tensor], width: int, concat: bool
) -> None:
    supernet = SuperNet([neck(32, concat=concat)]).eval()
    architecture = neck(width, concat=concat)
    statistics = supernet.calibrate(architecture, [features])
    for used in (None, statistics):
        expected = supernet(features, architecture, statistics=used)
        assert _equal(supernet.extract(architecture, statistics=used)(features), expected)


def test_an_extracted_subnet_shares_nothing(neck: Neck, features: dict[int, Tensor]) -> None:
    supernet = SuperNet([neck(16)]).eval()
    subnet = supernet.extract(neck(16))
    before = subnet(features)
    with torch.no_grad():
        for tensor in supernet.parameters():
            tensor.add_(1)
    assert _equal(subnet(features), before)


def test_calibration_makes_normalised_outputs_and_leaves_the_shared_statistics(
    neck: Neck, features: dict[int, Tensor]
) -> None:
    supernet = SuperNet([neck(16)]).eval()
    shared = {name: tensor.clone() for name, tensor in supernet.named_buffers()}
    statistics = supernet.calibrate(neck(16), [features, features])
    training = supernet.train()(features, neck(16), momentum=0.0)
    evaluated = supernet.eval()(features, neck(16), statistics=statistics)
    assert torch.allclose(training[3], evaluated[3], rtol=1e-2, atol=1e-2)
    assert all(torch.equal(shared[name], tensor) for name, tensor in supernet.named_buffers())


def test_threads_that_share_one_supernet_agree_with_a_sequential_run(
    neck: Neck, features: dict[int, Tensor]
) -> None:
    supernet = SuperNet([neck(32)]).eval()
    architectures = [neck(8 + index % 25) for index in range(40)]
    with torch.no_grad():
        sequential = [supernet(features, architecture) for architecture in architectures]
    with ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(lambda a: _evaluate(supernet, features, a), architectures))
    assert all(map(_equal, sequential, threaded))


def _evaluate(supernet: SuperNet, features: dict[int, Tensor], a: Architecture) -> dict[int, Tensor]:
    with torch.no_grad():
        output: dict[int, Tensor] = supernet(features, a)
        return output


def test_gradients_reach_only_the_channels_in_use(neck: Neck, features: dict[int, Tensor]) -> None:
    supernet = SuperNet([neck(32)])
    sum(x.sum() for x in supernet(features, neck(8)).values()).backward()
    gradient = supernet.weights.learned["output:weight"].grad
    assert gradient is not None
    assert gradient[:8, :8].abs().sum() > 0
    assert gradient[8:].abs().sum() == 0


def test_behind_a_concatenation_each_part_is_narrowed(neck: Neck) -> None:
    full = torch.arange(8.0).reshape(1, 8, 1, 1)
    assert narrow(full, (1, 4, 1, 1), (2, 2), (4, 4)).flatten().tolist() == [0, 1, 4, 5]
    assert narrow(full, (1, 4, 1, 1)).flatten().tolist() == [0, 1, 2, 3]


def test_a_wider_architecture_than_covered_is_refused(neck: Neck, features: dict[int, Tensor]) -> None:
    with pytest.raises(UnknownWeights, match="lateral5"):
        SuperNet([neck(16)])(features, neck(17))


def test_wrong_features_are_named_with_both_channel_counts(neck: Neck, features: dict[int, Tensor]) -> None:
    subnet = Subnet(neck(8))
    with pytest.raises(FeatureMismatch, match=r"level 4 has 3 channels.*built for 16"):
        subnet({**features, 4: features[4][:, :3]})
    with pytest.raises(FeatureMismatch, match=r"level 5 .*levels \[3, 4\]"):
        subnet({level: features[level] for level in (3, 4)})


def test_tied_operations_are_stored_once_and_counted_once(neck: Neck) -> None:
    architecture = neck(8)
    subnet = Subnet(architecture)
    names = list(subnet.state_dict())
    assert "p3.conv.weight" in names
    assert "p4.conv.weight" not in names
    assert sum(tensor.numel() for tensor in subnet.parameters()) == architecture.parameters()


def test_a_group_of_images_meets_what_masks_and_a_masked_norm_would_show_it() -> None:
    """A narrow pass equals the full width with its channels masked, the norm over one group's images only."""
    torch.manual_seed(0)
    x, first, second = torch.randn(6, 12, 5, 5), torch.randn(32, 12, 3, 3), torch.randn(32, 32, 3, 3)
    scale, shift = torch.rand(32), torch.randn(32)
    for images, width in ((slice(0, 4), 32), (slice(4, 6), 8)):
        mask = (torch.arange(32) < width).float().view(1, -1, 1, 1)
        group = F.conv2d(x[images], first) * mask
        mean, var = group.mean((0, 2, 3)), group.var((0, 2, 3), unbiased=False)
        normal = ((group - mean.view(1, -1, 1, 1)) / (var.view(1, -1, 1, 1) + 1e-5).sqrt()) * mask
        normal = (normal * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)) * mask
        masked = F.conv2d(normal, second)[:, :width]
        narrow_ = F.conv2d(x[images], first[:width])
        narrow_ = F.batch_norm(narrow_, None, None, scale[:width], shift[:width], training=True)
        torch.testing.assert_close(F.conv2d(narrow_, second[:width, :width]), masked, rtol=1e-4, atol=1e-4)
