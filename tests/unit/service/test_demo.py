"""The demo asks for the training that was tuned for it."""

import subprocess
import sys

from service.demo.run import RULE_OPTIONS, SPACE, STEPS
from supernet.training.spec import TrainingSpec


def test_it_trains_the_preset() -> None:
    preset = TrainingSpec.demo("anywhere")
    assert (preset.space, preset.rule_options, preset.steps) == (SPACE, RULE_OPTIONS, STEPS)


def test_its_own_process_does_without_torch() -> None:
    code = "import sys, service.demo.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
