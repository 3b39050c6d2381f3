"""What `supernet.data` raises; every message names the file, the record and the remedy.

supernet.errors.DatasetError
└── RecordError              everything below; has `file`, `record`, `problem` and `remedy`
    ├── FolderMissing        a folder or file that the layout asks for is not there
    ├── BrokenAnnotations    JSON that cannot be parsed, or lacks what COCO's format prescribes
    ├── OrphanAnnotation     an annotation whose image or category is not in the file
    ├── UnreadableImage      an image that is missing, broken or of another size than recorded
    ├── InvalidBox           a box outside its image, or without area
    ├── NoAnnotations        nothing to learn from
    └── FolderInUse          a generator would overwrite something that it did not write
"""

from pathlib import Path
from typing import Self

from supernet.errors import DatasetError


class RecordError(DatasetError):
    """Anything that is wrong with a dataset on disk.

    Attributes:
        file: the file or folder at fault.
        record: the record in it ("annotation 17"), or "" where the whole file is meant.
        remedy: what the user can do.
    """

    def __init__(self, file: Path, record: str, problem: str, remedy: str) -> None:
        self.file, self.record, self.problem, self.remedy = file, record, problem, remedy
        place = f"{file}: {record}" if record else str(file)
        super().__init__(f"{place}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[type[Self], tuple[Path, str, str, str]]:
        """Travel between processes as it was."""
        return type(self), (self.file, self.record, self.problem, self.remedy)


class FolderMissing(RecordError):
    """A folder or file that the layout asks for is not there."""


class BrokenAnnotations(RecordError):
    """JSON that cannot be parsed, or lacks what COCO's format prescribes."""


class OrphanAnnotation(RecordError):
    """An annotation whose image or category is not in the file."""


class UnreadableImage(RecordError):
    """An image that is missing, broken or of another size than recorded."""


class InvalidBox(RecordError):
    """A box outside its image, or without area."""


class NoAnnotations(RecordError):
    """Nothing to learn from."""


class FolderInUse(RecordError):
    """A generator would overwrite something that it did not write."""
