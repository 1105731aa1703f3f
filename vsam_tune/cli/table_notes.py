"""Notes around the table of a comparison: the meaning of its numbers and their limits."""

from typing import TYPE_CHECKING

from vsam_tune.analysis import published_tables
from vsam_tune.cli.columns import number_text, spread_text

if TYPE_CHECKING:
    from vsam_tune.analysis.comparison import Comparison


def heading(comparison: "Comparison", paper_task: str | None) -> list[str]:
    """Return the lines above the table: the task, and the task of the paper's numbers.

    Args:
        comparison: the table.
        paper_task: the task of the paper whose numbers are shown; None for none.
    """
    task = comparison.task
    model = number_text("model", task["model"]).removeprefix("name=")
    trained = f"{model} on {task['data']}, {task['epochs']} epochs at batch size {task['batch_size']}"
    lines = [f"{comparison.study}: {trained}; {len(comparison.rows)} methods"]
    return lines if paper_task is None else [*lines, _paper_task(comparison, paper_task)]


def notes(comparison: "Comparison", paper_task: str | None, again: str) -> list[str]:
    """Return the lines below the table: the meaning of the numbers and their limits.

    Args:
        comparison: the table.
        paper_task: the task of the paper whose numbers are shown; None for none.
        again: the command that trains what is missing.
    """
    lines = ["test_accuracy: mean ± standard deviation over seeds; ais (± standard deviation) and seconds: medians"]
    lines += _incomplete(comparison, again)
    lines += _differences(comparison, again)
    return lines if paper_task is None else [*lines, *_quoted(comparison), _order(comparison)]


def _incomplete(comparison: "Comparison", again: str) -> list[str]:
    missing = [f"{row.method} ({row.incomplete})" for row in comparison.rows if row.incomplete]
    if not missing:
        return []
    listed = ", ".join(missing)
    return [f"replicates that are not complete and not counted: {listed}. Fix: {again}"]


def _differences(comparison: "Comparison", again: str) -> list[str]:
    """Return the meaning of the differences, and the reason for missing p-values."""
    from vsam_tune.analysis.paired_tests import SIGNIFICANCE, pairs_needed

    compared = {row.method: row for row in comparison.rows if row.difference_to_sam is not None}
    count = len(compared)
    if not compared:
        return [f"no differences to SAM: no seed is complete for both SAM and another method. Fix: {again}"]
    interval = "95 % t-interval, not corrected for the number of comparisons"
    lines = [
        f"difference_to_sam: mean over the seeds in common with {comparison.sam}, in percentage points [{interval}]"
    ]
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


def _paper_task(comparison: "Comparison", paper_task: str) -> str:
    """Return the task of the paper's numbers, and how it differs from the study's."""
    task = comparison.task
    if published_tables.task_of(task) != paper_task:
        return f"paper: another task, {paper_task}; compare the order of the methods and fractions, not values"
    doubt = published_tables.doubt_about(paper_task)
    end = f"; {doubt}" if doubt else ""
    if task.get("quantization") is not None:
        return f"paper: {paper_task}, table 5, which does not state epochs and batch size{end}"
    size = f"{published_tables.EPOCHS} epochs at batch size {published_tables.BATCH_SIZE}"
    return f"paper: {paper_task}, {size}, three seeds, one RTX 3090{end}"


def _quoted(comparison: "Comparison") -> list[str]:
    """Return the results of other authors that the paper quotes for methods that it also ran itself."""
    lines = []
    for row in comparison.rows:
        if row.quoted is not None:
            accuracy = spread_text("test_accuracy", row.quoted.accuracy, row.quoted.accuracy_std)
            speed = f", {row.quoted.percent_of_sam:.0f} % of SAM's AIS" if row.quoted.percent_of_sam else ""
            lines.append(f"{row.method}, {row.quoted.note}: {accuracy}{speed}")
    return lines


def _order(comparison: "Comparison") -> str:
    tau, methods = comparison.rank_correlation()
    found = "is not defined" if tau is None else f"{tau:.2f}"
    return (
        f"order by accuracy here and in the paper's runs: Kendall's tau {found} over {methods} methods"
        " (1 is the same order, -1 the reverse)"
    )
