"""What measuring and predicting raise.

LatencyError (EvaluatorError)
├── UnknownDevice          a device that no file under `evaluators/devices` defines; offers near matches
├── DeviceUnavailable      a device that exists but not on this machine; says what is missing
├── NotOnDevice            an operation that the device's runtime cannot run; names it
├── TooFewSamples          fewer measured necks than a predictor can be fitted to
├── InvalidSample          a time that is not a positive number; names the neck and the run
├── DriftedSession         a session whose sentinels moved by more than is allowed
├── ProviderFellBack       a runtime that ran on another provider than it was asked to
├── PredictorMismatch      a predictor asked about another device, runtime or setting than it was fitted on
├── NewerPredictor         a predictor file written by a later version
└── SessionError           what an agent is refused
    ├── TokenUsed          a one-time token used twice, or one that was never given out
    ├── LeaseExpired       a result for a lease that ran out or went to another agent
    ├── HashMismatch       a model whose content is not what its name says
    └── Quarantined        an agent whose sessions are set aside until it is calibrated again
"""

from evaluators.errors import EvaluatorError


class LatencyError(EvaluatorError):
    """Anything that is wrong with a device, a measurement or a predictor."""


class UnknownDevice(LatencyError):
    """A device that does not exist."""


class DeviceUnavailable(LatencyError):
    """A device that is not on this machine."""


class NotOnDevice(LatencyError):
    """An operation that the device's runtime cannot run."""


class TooFewSamples(LatencyError):
    """Fewer measured necks than a predictor can be fitted to."""


class InvalidSample(LatencyError):
    """A time that is not a positive number."""


class DriftedSession(LatencyError):
    """A session whose sentinels moved by more than is allowed."""


class ProviderFellBack(LatencyError):
    """A runtime that ran on another provider than it was asked to."""


class PredictorMismatch(LatencyError):
    """A predictor asked about another device, runtime or setting than it was fitted on."""


class NewerPredictor(LatencyError):
    """A predictor file written by a later version of this package."""


class SessionError(LatencyError):
    """What an agent is refused."""


class TokenUsed(SessionError):
    """A one-time token used twice, or one that was never given out."""


class LeaseExpired(SessionError):
    """A result for a lease that ran out or went to another agent."""


class HashMismatch(SessionError):
    """A model whose content is not what its name says."""


class Quarantined(SessionError):
    """An agent whose sessions are set aside until it is calibrated again."""
