"""Which studies are repeats of each other: the same definition with another name and another sampler seed."""

from collections.abc import Sequence

from vsam_tune.analysis.results import StudyResult
from vsam_tune.study.file.differences import all_differing_keys

# A repeat may also have other baselines, write its MLflow records elsewhere, and read the same data from elsewhere.
_FREE = ("name", "sampler.seed", "baselines", "tracking", "task.data_root", "task.download")


def group_repeats(results: Sequence[StudyResult]) -> list[list[StudyResult]]:
    """Return the studies, repeats together, in the order of the first study of each group.

    Args:
        results: of searches.
    """
    groups: list[list[StudyResult]] = []
    for result in results:
        group = next((each for each in groups if not differences(result, each[0])), None)
        if group is None:
            groups.append([result])
        else:
            group.append(result)
    return groups


def differences(one: StudyResult, other: StudyResult) -> list[str]:
    """Return the dotted keys of two definitions whose values say that the studies are no repeats."""
    keys = all_differing_keys(one.study, other.study)
    return [key for key in keys if key not in _FREE and key.partition(".")[0] not in _FREE]
