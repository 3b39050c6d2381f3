"""Batches: letterboxed pixels, moved boxes, an order that seed and step alone determine."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from supernet.data.augmentation import Augmentation, augment
from supernet.data.coco import CocoDetection
from supernet.data.loader import Letterbox, Loader, image_size
from supernet.errors import DatasetError

STILL = Augmentation(brightness=0, permute_channels=False)


@pytest.fixture
def dataset(tmp_path: Path) -> CocoDetection:
    """Three images of different sizes; the second holds one box, the third a crowd region."""
    folder = tmp_path / "train" / "images"
    folder.mkdir(parents=True)
    sizes = [(64, 32), (32, 64), (20, 20)]
    images = [{"id": i, "file_name": f"{i}.png", "width": w, "height": h} for i, (w, h) in enumerate(sizes)]
    for i, size in enumerate(sizes):
        Image.new("RGB", size, (50 * i, 100, 200)).save(folder / f"{i}.png")
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 16, 8, 32]},
        {"id": 2, "image_id": 2, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1},
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}
    (tmp_path / "train" / "annotations.json").write_text(json.dumps(content))
    return CocoDetection.open(tmp_path, "train")


def test_letterboxing_scales_by_one_factor_pads_with_grey_and_moves_boxes(dataset: CocoDetection) -> None:
    box = Letterbox(dataset, (32, 64))
    pixels = box.pixels([0, 1, 2])
    assert pixels.shape == (3, 3, 32, 64) and pixels.dtype == torch.uint8
    assert box.scales == (1.0, 0.5, 1.6)
    assert (pixels[0, 0] == 0).all()
    assert (pixels[1, 0, :, :16] == 50).all() and (pixels[1, :, :, 16:] == 128).all()
    torch.testing.assert_close(box.targets[1].boxes, torch.tensor([[4.0, 8.0, 8.0, 24.0]]))
    assert len(box.targets[2].boxes) == 0  # a crowd region is no target


def test_a_dataset_beyond_the_cache_is_read_from_disk_alike(dataset: CocoDetection) -> None:
    cached, read = Letterbox(dataset, (64, 64)), Letterbox(dataset, (64, 64), cache_bytes=10)
    torch.testing.assert_close(cached.pixels([2, 0]), read.pixels([2, 0]))


def test_the_image_size_is_a_multiple_of_the_stride_and_holds_every_image(dataset: CocoDetection) -> None:
    assert image_size(dataset, stride=32) == (64, 64)
    assert image_size(dataset, stride=128) == (128, 128)
    assert image_size(dataset, stride=32, limit=40) == (64, 64)
    with pytest.raises(DatasetError, match="16 is under the stride 32"):
        image_size(dataset, stride=32, limit=16)


def test_order_is_a_shuffled_stream_that_seed_and_step_determine(dataset: CocoDetection) -> None:
    loader = Loader(Letterbox(dataset, (64, 64)), 2, seed=1, augmentation=STILL)
    stream = [index for step in range(6) for index in loader.indices(step)]
    assert all(sorted(stream[start : start + 3]) == [0, 1, 2] for start in range(0, 12, 3))
    assert loader.indices(4) == tuple(stream[8:10])
    other = Loader(loader.source, 2, seed=2, augmentation=STILL)
    assert stream != [index for step in range(6) for index in other.indices(step)]


def test_workers_share_one_stream(dataset: CocoDetection) -> None:
    source = Letterbox(dataset, (64, 64))
    alone = Loader(source, 4, seed=1, augmentation=STILL)
    two = [Loader(source, 2, 1, STILL, rank=rank, workers=2) for rank in (0, 1)]
    for step in range(5):
        assert two[0].indices(step) + two[1].indices(step) == alone.indices(step)


def test_a_batch_repeats_bit_for_bit(dataset: CocoDetection) -> None:
    augmentation = Augmentation(brightness=0.5, permute_channels=True, flip=True)
    first, second = (Loader(Letterbox(dataset, (64, 64)), 4, 9, augmentation).batch(5) for _ in range(2))
    assert torch.equal(first.images, second.images) and first.indices == second.indices
    third = Loader(Letterbox(dataset, (64, 64)), 4, 9, augmentation).batch(6)
    assert not torch.equal(first.images, third.images)


def test_mirrored_images_take_their_boxes_along(dataset: CocoDetection) -> None:
    loader = Loader(Letterbox(dataset, (64, 64)), 3, 0, Augmentation(0, permute_channels=False, flip=True))
    seen = set()
    for step in range(12):
        batch = loader.batch(step)
        position = batch.indices.index(1)
        left, _, right, _ = batch.targets[position].boxes[0].tolist()
        stored = loader.source.pixels([1])[0].float() / 255
        mirrored = not torch.equal(batch.images[position], stored)
        assert (left, right) == ((48.0, 56.0) if mirrored else (8.0, 16.0))
        seen.add(mirrored)
    assert seen == {True, False}


def test_augmentation_keeps_range_and_permutes_whole_channels() -> None:
    pixels = torch.arange(3).view(1, 3, 1, 1).expand(64, 3, 2, 2) / 4
    changed, _ = augment(pixels, Augmentation(brightness=0), torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(changed.sort(1).values, pixels)
    assert len({tuple(image[:, 0, 0].tolist()) for image in changed}) == 6
    bright, _ = augment(torch.ones(8, 3, 2, 2), Augmentation(0.5, False), torch.Generator().manual_seed(0))
    assert bright.min() >= 0.5 and bright.max() <= 1
