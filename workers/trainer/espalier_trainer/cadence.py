"""When a checkpoint is due. Saving does not touch the state, so the moments may differ from attempt to attempt."""

import math
import time

from .job import DEFAULT_FAILURE_RATE_PER_HOUR

MIN_SECONDS, MAX_SECONDS = 30.0, 600.0


def best_interval(save_seconds: float, failures_per_hour: float) -> float:
    """Seconds between checkpoints that lose the least time to saving and to redoing work: sqrt(2 · cost · mean time
    between failures) (Young 1974, doi:10.1145/361147.361115; Daly 2006, doi:10.1016/j.future.2004.11.016, whose further
    terms are small where saving costs far less than the time between failures), kept within 30 s and 10 min."""
    return min(MAX_SECONDS, max(MIN_SECONDS, math.sqrt(2 * save_seconds * 3600 / failures_per_hour)))


class Cadence:
    """Due every so many steps, and every so many seconds; whichever comes first."""

    def __init__(self, task: dict, clock=time.monotonic):
        def field(name: str) -> float | None:
            return task[name] if name in task else task["training"].get(name)

        self.every_steps, self._stated = field("checkpointEverySteps"), field("checkpointEverySeconds")
        self._failures_per_hour = field("failureRatePerHour") or DEFAULT_FAILURE_RATE_PER_HOUR
        self._clock, self._saved_at, self._costs = clock, clock(), []

    @property
    def interval_seconds(self) -> float:
        if self._stated is not None:
            return self._stated
        if not self._costs:
            return MIN_SECONDS  # the first save tells what saving costs
        return best_interval(math.fsum(self._costs) / len(self._costs), self._failures_per_hour)

    def due(self, step: int) -> bool:
        by_step = self.every_steps is not None and step % self.every_steps == 0
        return by_step or self._clock() - self._saved_at >= self.interval_seconds

    def saved(self, seconds: float) -> None:
        self._costs.append(seconds)
        self._saved_at = self._clock()
