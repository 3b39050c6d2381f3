"""A COCO-format folder is read as it is written, and refused by name where it is unsound."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from supernet.data.coco import CocoDetection, problems
from supernet.data.errors import (
    BrokenAnnotations,
    FolderMissing,
    InvalidBox,
    NoAnnotations,
    OrphanAnnotation,
    RecordError,
    UnreadableImage,
)

Content = dict[str, Any]


def sound() -> Content:
    images = [{"id": 7, "file_name": "a.png", "width": 40, "height": 30}]
    images.append({"id": 3, "file_name": "b.png", "width": 20, "height": 20})
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 90, "bbox": [4, 5, 10, 20], "area": 200, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 40, 30], "area": 1200, "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 5, "bbox": [30.5, 20.5, 9.9, 9.9], "area": 98, "iscrowd": 0},
    ]
    categories = [{"id": 90, "name": "cup"}, {"id": 5, "name": "dog"}, {"id": 61, "name": "unused"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def write(root: Path, content: Content | str) -> Path:
    folder = root / "train" / "images"
    folder.mkdir(parents=True)
    for name, size in (("a.png", (40, 30)), ("b.png", (20, 20))):
        Image.new("RGB", size, (10, 20, 30)).save(folder / name)
    text = content if isinstance(content, str) else json.dumps(content)
    (root / "train" / "annotations.json").write_text(text)
    return root


def test_sparse_category_ids_become_positions_and_images_come_by_id(tmp_path: Path) -> None:
    dataset = CocoDetection.open(write(tmp_path, sound()), "train")
    assert [(c.id, c.name) for c in dataset.categories] == [(5, "dog"), (61, "unused"), (90, "cup")]
    empty, full = dataset.images
    assert (empty.id, len(empty.boxes)) == (3, 0)
    assert full.labels.tolist() == [2, 0, 0] and full.crowd.tolist() == [False, True, False]
    np.testing.assert_allclose(full.boxes[0], [4, 5, 14, 25])
    np.testing.assert_allclose(full.boxes[2], [30.5, 20.5, 40, 30])  # the overshoot of .4 pixel is clipped
    assert full.pixels().shape == (30, 40, 3) and full.pixels()[0, 0].tolist() == [10, 20, 30]


def test_statistics_leave_crowd_regions_out(tmp_path: Path) -> None:
    statistics = CocoDetection.open(write(tmp_path, sound()), "train").statistics
    assert (statistics.images, statistics.annotations, statistics.empty_images) == (2, 2, 1)
    assert statistics.categories == {"dog": 1, "unused": 0, "cup": 1}
    assert statistics.object_sizes[-1] == pytest.approx(200**0.5)
    assert (statistics.widths, statistics.heights) == ((20, 40), (20, 30))


def test_places_can_be_given_explicitly(tmp_path: Path) -> None:
    write(tmp_path / "x", sound())
    moved = (tmp_path / "x" / "train" / "annotations.json").rename(tmp_path / "labels.json")
    dataset = CocoDetection.open(tmp_path, annotations=moved, images=tmp_path / "x" / "train" / "images")
    assert len(dataset.images) == 2


def change(edit: Callable[[Content], object]) -> Content:
    content = sound()
    edit(content)
    return content


UNSOUND = {
    "no section": (change(lambda c: c.pop("categories")), BrokenAnnotations, "categories"),
    "not json": ('{"images": [,]}', BrokenAnnotations, "line 1, column 13"),
    "not an object": ("[1]", BrokenAnnotations, "no object"),
    "no field": (change(lambda c: c["images"][0].pop("width")), BrokenAnnotations, "image 7: field 'width'"),
    "id twice": (
        change(lambda c: c["images"][1].update(id=7)),
        BrokenAnnotations,
        "image 7: its id occurs twice",
    ),
    "bbox of 3": (
        change(lambda c: c["annotations"][0].update(bbox=[1, 2, 3])),
        BrokenAnnotations,
        "annotation 1",
    ),
    "bbox nan": (
        change(lambda c: c["annotations"][0].update(bbox=[1, 2, 3, float("nan")])),
        BrokenAnnotations,
        "annotation 1",
    ),
    "orphan": (
        change(lambda c: c["annotations"][0].update(image_id=99)),
        OrphanAnnotation,
        "annotation 1.*image 99",
    ),
    "no category": (
        change(lambda c: c["annotations"][2].update(category_id=4)),
        OrphanAnnotation,
        r"annotation 3.*category 4; listed: \[5, 61, 90\]",
    ),
    "no image": (
        change(lambda c: c["images"][1].update(file_name="c.png")),
        UnreadableImage,
        "image 3 .*not found",
    ),
    "wrong size": (
        change(lambda c: c["images"][1].update(width=21)),
        UnreadableImage,
        r"\(20, 20\).*\(21, 20\)",
    ),
    "zero area": (
        change(lambda c: c["annotations"][0].update(bbox=[1, 2, 0, 3])),
        InvalidBox,
        "annotation 1.*no area",
    ),
    "outside": (
        change(lambda c: c["annotations"][0].update(bbox=[35, 2, 9, 3])),
        InvalidBox,
        "annotation 1: box .35, 2, 9, 3.*leaves image 7 of 40 x 30",
    ),
    "nothing": (change(lambda c: c.update(annotations=[])), NoAnnotations, "no annotations at all"),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_records_are_named_with_file_and_remedy(tmp_path: Path, name: str) -> None:
    content, expected, message = UNSOUND[name]
    write(tmp_path, content)
    with pytest.raises(expected, match=message) as raised:
        CocoDetection.open(tmp_path, "train")
    error = raised.value
    assert isinstance(error, RecordError) and error.remedy and str(error.file) in str(error)


def test_missing_folders_are_named_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing, match=r"nowhere: not found; expected <folder>/<split>/images"):
        CocoDetection.open(tmp_path / "nowhere", "train")
    write(tmp_path, sound())
    with pytest.raises(FolderMissing, match="val"):
        CocoDetection.open(tmp_path, "val")


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    write(tmp_path, sound())
    broken = tmp_path / "train" / "images" / "b.png"
    whole = broken.read_bytes()
    broken.write_bytes(b"not an image")
    with pytest.raises(UnreadableImage, match=r"b.png: image 3 .*cannot be read.*replace the file"):
        CocoDetection.open(tmp_path, "train")
    broken.write_bytes(whole[:-30])  # the header is sound, the pixels are cut off
    record = CocoDetection.open(tmp_path, "train").images[0]
    with pytest.raises(UnreadableImage, match="image 3: cannot be read"):
        record.pixels()


def test_every_problem_is_listed_not_only_the_first(tmp_path: Path) -> None:
    content = change(lambda c: c["annotations"][0].update(image_id=99))
    content["annotations"][2]["bbox"] = [1, 1, -4, 2]
    content["images"][1]["file_name"] = "c.png"
    found = list(problems(write(tmp_path, content), "train"))
    assert [type(error) for error in found] == [OrphanAnnotation, InvalidBox, UnreadableImage]


def test_an_error_travels_between_processes_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing) as caught:
        CocoDetection.open(tmp_path / "none", "train")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is FolderMissing and str(again) == str(caught.value)
    assert (again.file, again.remedy) == (caught.value.file, caught.value.remedy)
