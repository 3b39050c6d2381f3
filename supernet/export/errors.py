"""What `supernet.export` raises beside `ExportError` and `WeightMismatch`.

SupernetError (ValueError)
├── ExportError
│   └── FailedCheck        an exported file whose outputs are not the subnet's; carries the numbers
└── UnreadableWeights      a safetensors file that is too large, malformed or lies about its offsets
"""

from supernet.errors import ExportError, SupernetError


class FailedCheck(ExportError):
    """An exported file whose outputs are not the subnet's; the message has the sizes and differences."""


class UnreadableWeights(SupernetError):
    """A safetensors file that cannot be trusted; the message names the tensor and what is wrong."""
