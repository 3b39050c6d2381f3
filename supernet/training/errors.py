"""What `supernet.training` raises beside `supernet.errors.TrainingDiverged`.

supernet.errors.SupernetError
├── InvalidTraining       options that cannot train; found before the first step
└── CheckpointMismatch    a checkpoint of another training, space or schema; names what differs
"""

from supernet.errors import SupernetError


class InvalidTraining(SupernetError):
    """Options that cannot train; found before the first step."""


class CheckpointMismatch(SupernetError):
    """A checkpoint of another training, space or schema; the message names what differs."""
