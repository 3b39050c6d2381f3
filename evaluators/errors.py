"""What `evaluators` raises.

EvaluatorError (ValueError)
├── UnsupportedOperator     a module that cannot be counted; names the operators
├── UnknownDevice           a device that does not exist or cannot be used here; offers near matches
├── MeasurementError        timings that cannot be trusted; says why
├── PredictorError          a predictor that cannot be fitted, read or applied
├── OtherDataset            a supernet whose classes are not those of the dataset; names what differs
└── InvalidSchedule         a fine-tuning without steps, or with a rate out of range
"""


class EvaluatorError(ValueError):
    """Anything that keeps a subnet from being scored."""


class UnsupportedOperator(EvaluatorError):
    """A module whose cost cannot be counted; the message names the operators."""


class UnknownDevice(EvaluatorError):
    """A device that does not exist or cannot be used on this machine."""


class MeasurementError(EvaluatorError):
    """Timings that cannot be trusted."""


class PredictorError(EvaluatorError):
    """A predictor that cannot be fitted, read or applied."""


class OtherDataset(EvaluatorError):
    """A supernet that was trained on other classes than the dataset's."""


class InvalidSchedule(EvaluatorError):
    """A fine-tuning's schedule that trains nothing or cannot converge."""
