"""What a study file asks for, in words: its data, a training, the searched parameters, and the cost."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from search_spaces.schema import CategoricalDimension, Dimension
from vsam_tune.cli.columns import duration_text, number_text

if TYPE_CHECKING:
    from vsam_tune.study.file.study_file import Study

_IN_WORDS = {  # facts that a sentence below contains
    *("train_images", "validation_images", "test_images", "channels", "image_size", "classes", "redrawn_labels"),
    *("parameters", "iterations_per_epoch", "plain_seconds", "sampled_seconds"),
}


def summary(
    study: "Study", facts: Mapping[str, float], costs: Mapping[str, float], *, searched: bool
) -> Iterator[tuple[str, str]]:
    """Yield (subject, sentence) of each thing that the study file asks for.

    Args:
        study: the loaded study file.
        facts: the answer of the trainable's `check`; what it leaves out is left out.
        costs: from `vsam_tune.cli.check.cost`.
        searched: whether the study is there for a search; otherwise for its baselines alone.
    """
    if "train_images" in facts:
        yield "data", _data(study, facts)
    if "iterations_per_epoch" in facts:
        yield "training", _training(study, facts)
    if study.method.name:
        yield "method", f"{study.method.name} around {study.base_optimizer.name}"
    if searched:
        counted = study.parameters.counted
        ranges = [f"{name} {_extent(dimension, counted=name in counted)}" for name, dimension in study.space.items()]
        yield "searches", ", ".join(ranges)
        yield "objectives", ", ".join(f"{each.direction} {each.name}" for each in study.objectives)
    if "seconds_per_trial_sgd" in costs:
        yield "cost", _cost(study, costs, searched=searched)
    if "baselines_worker_hours" in costs:
        yield "", f"the baselines take {_hours(costs['baselines_worker_hours'])} on one worker{_on_the_papers(costs)}"
    for name in facts:
        if name not in _IN_WORDS:
            yield name, number_text(name, facts[name])


def _data(study: "Study", facts: Mapping[str, float]) -> str:
    parts = [f"{facts['train_images']:,} training"]
    parts += [f"{facts[f'{part}_images']:,} {part}" for part in ("validation", "test") if f"{part}_images" in facts]
    text = f"{study.task.data}: {' and '.join(filter(None, [', '.join(parts[:-1]), parts[-1]]))} images"
    if "image_size" in facts:
        size = f"{facts['image_size']} x {facts['image_size']}"
        text += f" of {size} pixels, {facts['channels']} {'channel' if facts['channels'] == 1 else 'channels'}"
    if "classes" in facts:
        text += f", in {facts['classes']} classes"
    if facts.get("redrawn_labels"):
        text += f"; label noise changed {facts['redrawn_labels']:,} training labels"
    return text


def _training(study: "Study", facts: Mapping[str, float]) -> str:
    per_epoch = int(facts["iterations_per_epoch"])
    length = f"{study.epochs} epochs of {per_epoch:,} iterations, {study.epochs * per_epoch:,} in all"
    if study.custom_trainable:
        return length
    model = f"{study.task.model['name']} with {facts['parameters']:,} parameters; " if "parameters" in facts else ""
    replicates = f"; {study.replicates} replicates a trial" if study.replicates > 1 else ""
    return f"{model}{length}, of {study.task.batch_size} images each{replicates}"


def _extent(dimension: Dimension, *, counted: bool) -> str:
    when = " and ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in (dimension.when or {}).items())
    condition = f" if {when}" if when else ""
    if isinstance(dimension, CategoricalDimension):
        return f"{' | '.join(map(str, dimension.choices))}{condition}"
    step = f" in steps of {dimension.step:g}" if dimension.step else ""
    of_run = " of the run" if counted and dimension.type == "float" else ""
    return f"{dimension.low:g} to {dimension.high:g}{of_run}{' (log)' if dimension.log else ''}{step}{condition}"


def _cost(study: "Study", costs: Mapping[str, float], *, searched: bool) -> str:
    least, most = (duration_text(costs[f"seconds_per_trial_{name}"]) for name in ("sgd", "sam"))
    text = f"a trial trains for {least} at the cost of {study.base_optimizer.name} alone, and for {most} at SAM's"
    if "worker_hours" not in costs or not searched:
        return text
    return (
        f"{text}; {study.budget.trials} trials take about {_hours(costs['worker_hours'])} on one worker of this machine"
    )


def _on_the_papers(costs: Mapping[str, float]) -> str:
    hours = costs.get("baselines_paper_gpu_hours")
    return "" if hours is None else f", and {_hours(hours)} on the paper's RTX 3090"


def _hours(hours: float) -> str:
    return duration_text(3600 * hours)
