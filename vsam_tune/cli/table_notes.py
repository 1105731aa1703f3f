"""What a comparison of baselines needs said beside its table: what the numbers are, and what they do not show."""

from typing import TYPE_CHECKING

from vsam_tune.analysis import published_tables
from vsam_tune.cli.render import number_text, spread_text

if TYPE_CHECKING:
    from vsam_tune.analysis.comparison import Comparison


def heading(comparison: "Comparison", beside: str | None) -> list[str]:
    """Return what was trained, and what of the paper's stands beside; one line each.

    Args:
        comparison: the table.
        beside: the task of the paper whose numbers are shown; None for none.
    """
    task = comparison.task
    model = number_text("model", task["model"]).removeprefix("name=")
    trained = f"{model} on {task['data']}, {task['epochs']} epochs at batch size {task['batch_size']}"
    lines = [f"{comparison.study}: {trained}; {len(comparison.rows)} methods"]
    return lines if beside is None else [*lines, _paper_task(comparison, beside)]


def remarks(comparison: "Comparison", beside: str | None, study: str) -> list[str]:
    """Return what the numbers are and what they do not show; one line each.

    Args:
        comparison: the table.
        beside: the task of the paper whose numbers are shown; None for none.
        study: what the user called the study.
    """
    lines = ["test_accuracy: mean ± standard deviation over seeds; ais (± standard deviation) and seconds: medians"]
    lines += _incomplete(comparison, study)
    lines += _differences(comparison, study)
    return lines if beside is None else [*lines, *_quoted(comparison), _order(comparison)]


def _incomplete(comparison: "Comparison", study: str) -> list[str]:
    missing = [f"{row.method} ({row.incomplete})" for row in comparison.rows if row.incomplete]
    if not missing:
        return []
    listed = ", ".join(missing)
    return [f"replicates that are not complete, and not counted: {listed}. Fix: vsam-tune baselines {study}"]


def _differences(comparison: "Comparison", study: str) -> list[str]:
    """Return what the differences are, and why there is no p-value where there is none."""
    from vsam_tune.analysis.paired_tests import SIGNIFICANCE, pairs_needed

    compared = {row.method: row for row in comparison.rows if row.difference_to_sam is not None}
    count = len(compared)
    if not compared:
        return [f"no differences to SAM: no complete replicate of it and another. Fix: vsam-tune baselines {study}"]
    interval = "95 % t-interval, not corrected for their number"
    lines = [f"difference_to_sam: mean over the replicates in common with {comparison.sam}, in points [{interval}]"]
    without = [name for name, row in compared.items() if row.p_value is None]
    if len(without) < count:
        lines.append(f"p_value: Wilcoxon's signed-rank test, corrected for {count} comparisons (Holm)")
    if without:
        whose = "p-values" if len(without) == count else f"p-value for {', '.join(without)}"
        pairs = " or ".join(str(each) for each in sorted({comparison.pairs[name] for name in without}))
        lines.append(
            f"no {whose}: {pairs} seeds in common cannot give one of {SIGNIFICANCE} after correction for {count}"
            f" comparisons; {pairs_needed(count)} can"
        )
    return lines


def _paper_task(comparison: "Comparison", beside: str) -> str:
    """Return which of the paper's tasks stands beside, and how it differs."""
    task = comparison.task
    if published_tables.task_of(task) != beside:
        return f"paper: of another task, {beside}; compare orders and fractions, not values"
    if task.get("quantization") is not None:
        return f"paper: {beside}, table 5; its epochs and batch size are not said"
    size = f"{published_tables.EPOCHS} epochs at batch size {published_tables.BATCH_SIZE}"
    return f"paper: {beside}, {size}, three seeds, one RTX 3090"


def _quoted(comparison: "Comparison") -> list[str]:
    """Return what the paper quotes from others beside its own runs of the same methods."""
    lines = []
    for row in comparison.rows:
        if row.quoted is not None:
            accuracy = spread_text("test_accuracy", row.quoted.accuracy, row.quoted.accuracy_std)
            speed = f", {row.quoted.percent_of_sam:.0f} % of SAM's AIS" if row.quoted.percent_of_sam else ""
            lines.append(f"{row.method}, {row.quoted.note}: {accuracy}{speed}")
    return lines


def _order(comparison: "Comparison") -> str:
    tau, methods = comparison.rank_correlation()
    found = "cannot be said" if tau is None else f"{tau:.2f}"
    return (
        f"order by accuracy, here and in the paper's own runs: Kendall's tau {found} over {methods} methods"
        " (1 is the same order, -1 the reverse)"
    )
