"""`trainables.timing:Timing`: the speed of a configuration on an idle device, measured in a minute."""

import math
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from trainables.classification import Classification
from vsam_tune.machine.contention import Contention

if TYPE_CHECKING:
    from vsam_tune.training.speed.iteration_timer import Block, Clock, Kind
    from vsam_tune.training.trainer import Trainer

_OF_MEDIAN = 1.2533  # the standard error of a median over that of a mean, of normal values: sqrt(pi / 2)
ITERATIONS, STEPS = 8, 4  # of the trial, and of SAM, that alternate
FEWEST_BLOCKS = 16  # even if they take more than `seconds`


class Timing(Classification):
    """Alternates short stretches of a trial with steps of SAM for `seconds`, and reports the trial's speed.

    A trial that ends earlier begins again, so that a short trial is timed over its whole course. The setting
    `sampled_fraction` is the fraction of a finished training, by which iterations are weighed; with None the fraction
    in this timing counts.

    Reports `ais`, `ais_vs_sam`, their errors, `ideal_ais_vs_sam` and `efficiency`; the `sampled_fraction` if it was
    set; `others_cores`, the processors that other processes kept busy meanwhile, and `alone`, 1 if these were nearly
    none. A timing that was interrupted begins again.
    """

    @override
    def step(self) -> dict[str, Any]:
        contention, begun = Contention(), time.monotonic()
        blocks: list[Block] = []
        counts: Counter[Kind] = Counter()
        end = begun + self._settings["seconds"]
        while len(blocks) < FEWEST_BLOCKS or time.monotonic() < end:
            self._time_a_trial(end, FEWEST_BLOCKS - len(blocks))
            trainer = self.trainer
            if trainer.sam_probe is not None:
                blocks += trainer.sam_probe.complete_blocks()
                counts += trainer.sam_probe.trial_timer.counts
            self._begin_replicate([])
        found = contention.found()
        fraction = self._settings["sampled_fraction"]
        weighed = counts if fraction is None else with_fraction(counts, fraction)
        trainer = self.trainer
        clock = "wall" if trainer.sam_probe is None else trainer.sam_probe.trial_timer.clock
        speed = speed_of(blocks, weighed, clock, images=trainer.loader.whole_batch)
        if fraction is not None:
            speed["sampled_fraction"] = fraction
        others = {"others_cores": found["others_cores"], "alone": float(found["alone"])}
        return {**speed, **others, "seconds": found["seconds"], "done": True}

    def _time_a_trial(self, end: float, num_blocks: int) -> None:
        """Alternate until the trial's last iteration, or until the time is `end` and there are `num_blocks` blocks."""
        trainer = self.trainer
        trainer.model.train()
        stretches = 0
        while trainer.iteration < trainer.num_iterations and (time.monotonic() < end or stretches < num_blocks):
            stretches += 1
            position = trainer.iteration % len(trainer.loader)
            stop = min(trainer.iteration + ITERATIONS, trainer.iteration - position + len(trainer.loader))
            self._stretch(trainer, position, stop)

    def _stretch(self, trainer: "Trainer", position: int, stop: int) -> None:
        with trainer.ais.running():
            trainer.iterate(trainer.loader.batches(trainer.epoch, start=position), stop)
        if trainer.sam_probe is not None:
            trainer.sam_probe.take_block(STEPS)


def with_fraction(counts: Mapping["Kind", int], sampled_fraction: float) -> dict["Kind", float]:
    """Return the counts as shares, with a given share of iterations that take more than one gradient evaluation.

    Args:
        counts: iterations by kind.
        sampled_fraction: in [0, 1].

    Returns:
        Shares by kind. If no iteration was sampled, or none was not, an iteration of SAM or SGD gets that share.
    """
    from vsam_tune.training.speed.iteration_timer import Kind

    shares: dict[Kind, float] = {}
    for share, sampled in ((1 - sampled_fraction, False), (sampled_fraction, True)):
        of_these = {kind: count for kind, count in counts.items() if (kind.evaluations > 1) == sampled}
        of_these = of_these or {Kind(2.0 if sampled else 1.0, 0.0, penalized=False): 1}
        total = sum(of_these.values())
        shares |= {kind: share * count / total for kind, count in of_these.items() if share > 0}
    return shares


def speed_of(blocks: "list[Block]", counts: Mapping["Kind", float], clock: "Clock", *, images: int) -> dict[str, Any]:
    """Return AIS and AIS over SAM's, with errors, of iterations that occur by these counts.

    Args:
        blocks: of SAM's steps and the trial's iterations.
        counts: iterations by kind, or their shares.
        clock: which seconds say how much an iteration costs, for `ais_vs_sam`; `ais` is by the wall clock.
        images: of a batch.
    """
    import numpy as np

    from vsam_tune.training.speed.ais_vs_sam import ais_vs_sam

    compared = ais_vs_sam(blocks, counts, clock)
    steps = np.array([step.seconds.wall for block in blocks for step in block.sam])
    total = sum(counts.values())
    seconds, variance = 0.0, 0.0  # of an iteration
    for kind, count in counts.items():
        times = np.array([each.seconds.wall for block in blocks for each in block.trial if each.kind == kind])
        share, cost = count / total, 1.0
        if not len(times):  # the kind did not occur: at its ideal cost
            times, cost = steps, compared.plain + (kind.evaluations - 1) * (1 - compared.plain)
        seconds += share * cost * float(np.median(times))
        variance += (share * cost * _OF_MEDIAN * float(np.std(times))) ** 2 / len(times)
    ais = images / seconds
    evaluations = sum(kind.evaluations * count for kind, count in counts.items()) / total
    speed: dict[str, Any] = {
        "ais": ais,
        "ais_error": ais * math.sqrt(variance) / seconds,
        **compared.metrics(),
        "gradient_evaluations": evaluations,
        "reference_steps": len(steps),
    }
    return {**speed, "unreliable_reason": compared.unreliable_reason} if compared.unreliable_reason else speed
