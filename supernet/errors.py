"""What `supernet` raises.

SupernetError (ValueError)
├── FeatureMismatch      features that do not fit the neck; names the level and both channel counts
├── WeightMismatch       weights that do not fit the architecture; lists what is missing or misshapen
├── UnknownWeights       an architecture outside what the supernet's weights cover
├── UnknownRule          a training rule, task or backbone that does not exist; offers near matches
├── DatasetError         a dataset that cannot be used; names file, record and remedy
├── TrainingDiverged     a loss that is not a number; names step and architecture
└── ExportError          a neck that cannot be exported; names the operation and what to do
"""


class SupernetError(ValueError):
    """Anything that is wrong with weights, features, data or training."""


class FeatureMismatch(SupernetError):
    """Features that do not fit the neck; the message names the level and both channel counts."""


class WeightMismatch(SupernetError):
    """Weights that do not fit the architecture; the message lists what is missing or misshapen."""


class UnknownWeights(SupernetError):
    """An architecture outside what the supernet's shared weights cover."""


class UnknownRule(SupernetError):
    """A training rule, task or backbone that does not exist."""


class DatasetError(SupernetError):
    """A dataset that cannot be used; the message names file, record and remedy."""


class TrainingDiverged(SupernetError):
    """A loss that is not a number; the message names step and architecture."""


class ExportError(SupernetError):
    """A neck that cannot be exported; the message names the operation and what to do."""
