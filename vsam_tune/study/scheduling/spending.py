"""What a search spends while it runs, and whether its budget allows it to go on."""

from collections.abc import Callable, Mapping

from vsam_tune.study.scheduling.budget import gpu_hours_spent, out_of_patience
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.storage.study_storage import StudyStorage


class Spending:
    """Counts epochs, seconds and GPU time of trials; those that have ended are in the storage.

    Args:
        storage: of the study.
        plan: has the budget, and the resources of a trial.
        clock: returns seconds.
    """

    def __init__(self, storage: StudyStorage, plan: Plan, clock: Callable[[], float]) -> None:
        self._storage, self._plan, self._clock = storage, plan, clock
        self._mark = clock()  # the storage has the seconds before it
        self._running: dict[str, tuple[int, float]] = {}  # number, and when it got its worker, by Ray's trial id
        self._epochs = {record.number: record.epochs for record in storage.records()}
        self._patience_at = -1, False  # after how many ends, and whether none was left

    def begin(self, trial_id: str, number: int) -> None:
        """Note that a trial gets a worker; `trial_id` is Ray's."""
        self._running[trial_id] = number, self._clock()

    def release(self, trial_id: str) -> None:
        """Store for how long a trial had its GPUs; it has none any more."""
        _, begun = self._running.pop(trial_id)
        if self._plan.resources.gpus:
            self._storage.add_gpu_seconds((self._clock() - begun) * self._plan.resources.gpus)

    def end(self, number: int, metrics: Mapping[str, float]) -> None:
        """Store the seconds up to the end or the pause of a trial, which reported these metrics last."""
        self._epochs[number] = int(metrics.get("epoch", 0))
        now = self._clock()
        self._storage.add_seconds(now - self._mark)
        self._mark = now

    def exhausted(self, num_ended: int) -> bool:
        """Return whether a limit other than the number of trials is reached.

        Args:
            num_ended: how many trials are complete or pruned.
        """
        return (
            self._no_seconds_left()
            or self._no_epochs_left()
            or self._no_gpu_hours_left()
            or self._no_patience_left(num_ended)
        )

    def _no_seconds_left(self) -> bool:
        seconds = self._plan.budget.seconds
        return seconds is not None and self._storage.seconds() + self._clock() - self._mark >= seconds

    def _no_epochs_left(self) -> bool:
        """Compare the budget with the epochs that were trained, and the full budget of the trials that run."""
        budget = self._plan.budget.epochs
        if budget is None:
            return False
        running = {number for number, _ in self._running.values()}
        done = sum(epochs for number, epochs in self._epochs.items() if number not in running)
        return done + len(running) * self._plan.epochs * self._plan.replication.replicates >= budget

    def _no_gpu_hours_left(self) -> bool:
        hours, now = self._plan.budget.gpu_hours, self._clock()
        running = sum(now - begun for _, begun in self._running.values()) * self._plan.resources.gpus
        return hours is not None and gpu_hours_spent(hours, self._storage, running)

    def _no_patience_left(self, num_ended: int) -> bool:
        patience = self._plan.budget.patience
        if patience is not None and self._patience_at[0] != num_ended:  # Ray asks many times between two ends
            self._patience_at = num_ended, out_of_patience(patience, self._storage)
        return self._patience_at[1]
