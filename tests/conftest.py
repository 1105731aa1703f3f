"""How properties are tested, and which tests share a process.

A property has 50 examples, other ones at each run. In CI they are the same each time, where red must mean red. The slow
tier, `make test-slow`, takes 500.
"""

import os
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))

# The tests of whole searches run in one process, so that they share one Ray: its start costs as much as a search.
ON_ONE_RAY = ("tests/study/test_", "tests/study/scheduling/test_racing.py", "tests/study/scheduling/test_arrivals.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each file to one process, and all files of `ON_ONE_RAY` to the same one."""
    from xdist.scheduler import LoadFileScheduling

    class OneRay(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "on one Ray" if nodeid.startswith(ON_ONE_RAY) else str(super()._split_scope(nodeid))

    return OneRay(config, log)
