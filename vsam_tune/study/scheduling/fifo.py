"""FIFO: every trial runs to its end."""

from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler


class Fifo(StudyScheduler):
    """Stops no trial: it has no rungs."""
