"""A Ray on this machine, started even where the machine is busy."""

import traceback

import ray

STARTS = 3
LATE = "timed out during startup"


def start(cpus: int) -> None:
    """Start a Ray of `cpus` CPUs, without a dashboard.

    Ray gives its own processes half a minute to register. A busy machine may need more: it is tried again.
    """
    for left in reversed(range(STARTS)):
        try:
            ray.init(
                "local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, configure_logging=False
            )
            return
        except Exception as error:
            _end_node(error)
            ray.shutdown()
            if not left or LATE not in str(error):  # Ray raises a bare Exception, known by its text only
                raise


def _end_node(error: Exception) -> None:
    """End the processes of a node that did not come up; Ray forgets them, only the error's frames know it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        end = getattr(frame.f_locals.get("self"), "kill_all_processes", None)
        if end is not None:
            end(check_alive=False, wait=True)
