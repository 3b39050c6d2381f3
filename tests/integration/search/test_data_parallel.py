"""Training on Ray: the same as without on one worker; on two, each sees its own images."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import torch
from safetensors.torch import load_file

from search.cluster import start
from search.data_parallel import train_on_ray
from search.errors import InvalidBudget
from supernet.data.digits import make_digits
from supernet.detector import load_detector
from supernet.errors import DatasetError
from supernet.training.run import train
from supernet.training.spec import TrainingSpec

pytestmark = pytest.mark.slow
SPACE = {"space": "fusion_grid", "widths": [8], "stages": [1]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    start(2)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TrainingSpec:
    digits = make_digits(tmp_path_factory.mktemp("digits") / "d", seed=1, train=24, val=2, image_size=64)
    return TrainingSpec(str(digits), space=SPACE, steps=4, batch_size=4, subnets=2, event_every=2)


@pytest.mark.usefixtures("cluster")
def test_one_worker_trains_what_a_plain_training_does(spec: TrainingSpec, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    plain = list(train(spec, tmp_path / "plain"))
    on_ray = list(train_on_ray(spec, tmp_path / "ray"))
    assert [(e.step, e.total, e.loss) for e in on_ray] == [(e.step, e.total, e.loss) for e in plain]
    one, other = (load_file(tmp_path / name / "supernet.safetensors") for name in ("plain", "ray"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("cluster")
def test_two_workers_train_one_supernet_and_go_on_from_its_checkpoint(
    spec: TrainingSpec, tmp_path: Path
) -> None:
    spec = replace(spec, checkpoint_every=1)
    for event in train_on_ray(spec, tmp_path, workers=2):
        assert event.step == 2 and event.images_per_s is not None
        break
    events = list(train_on_ray(spec, tmp_path, workers=2))
    assert (events[-1].step, events[-1].total) == (4, 4)
    assert load_detector(tmp_path).spec.steps == 4


@pytest.mark.usefixtures("cluster")
def test_a_workers_error_is_raised_as_it_was(spec: TrainingSpec, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="/nowhere"):
        list(train_on_ray(replace(spec, dataset="/nowhere"), tmp_path, workers=2))
    with pytest.raises(InvalidBudget, match="3 workers of 1 CPUs; the cluster has 2 CPUs"):
        list(train_on_ray(spec, tmp_path, workers=3))
