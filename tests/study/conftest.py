from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """A Ray cluster of two workers on this machine, started once, to which searches connect."""
    from vsam_tune.study.execution.ray_cluster import _quiet_ray

    _quiet_ray()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 128 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster.address
    cluster.shutdown()
