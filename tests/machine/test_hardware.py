"""The limits of a process, from fake control groups and a fake nvidia-smi."""

import math
import os
from pathlib import Path

import psutil
import pytest

from vsam_tune.machine import hardware
from vsam_tune.machine.hardware import Gpu, cores, free_bytes, gpus

GIB = 2**30
TWO = "0::/slice/job\n"
ONE = "5:memory:/job\n4:cpuset:/\n1:cpu,cpuacct:/job\n"


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    return tmp_path / "membership"


def write(root: Path, **files: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text + "\n", encoding="utf-8")


def fake_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_without_control_groups_the_affinity_is_the_limit(tmp_path: Path, membership: Path) -> None:
    found = cores(tmp_path, membership)
    assert (found.logical, found.limit) == (os.cpu_count(), math.inf)
    assert found.usable == found.allowed == len(os.sched_getaffinity(0))
    assert free_bytes(tmp_path, membership) == pytest.approx(psutil.virtual_memory().available, rel=0.2)


@pytest.mark.parametrize(
    ("own", "parent", "limit"),
    [("max 100000", "max 100000", math.inf), ("50000 100000", "max 100000", 0.5), ("max 100000", "25000 100000", 0.25)],
)
def test_the_narrowest_group_on_the_way_up_grants_processor_time(
    own: str, parent: str, limit: float, tmp_path: Path, membership: Path
) -> None:
    membership.write_text(TWO, encoding="utf-8")
    write(tmp_path / "slice", cpu__max=parent)
    write(tmp_path / "slice/job", cpu__max=own)
    found = cores(tmp_path, membership)
    assert found.limit == limit
    assert found.usable == min(limit, found.allowed)


@pytest.mark.parametrize(("quota", "limit"), [("-1", math.inf), ("150000", 1.5)])
def test_version_one_has_quota_and_period_in_two_files(
    quota: str, limit: float, tmp_path: Path, membership: Path
) -> None:
    membership.write_text(ONE, encoding="utf-8")
    write(tmp_path / "cpu/job", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    assert cores(tmp_path, membership).limit == limit


def test_memory_that_a_group_leaves_counts_its_file_cache_as_free(tmp_path: Path, membership: Path) -> None:
    membership.write_text(TWO, encoding="utf-8")
    write(tmp_path / "slice/job", memory__max=str(GIB), memory__current=str(GIB // 2))
    assert free_bytes(tmp_path, membership) == GIB / 2
    write(tmp_path / "slice/job", memory__stat=f"anon 5\ninactive_file {GIB // 4}")
    assert free_bytes(tmp_path, membership) == 3 * GIB / 4
    membership.write_text(ONE, encoding="utf-8")
    write(tmp_path / "memory/job", memory__limit_in_bytes="1000", memory__usage_in_bytes="1010")
    assert free_bytes(tmp_path, membership) == 0


def test_an_unlimited_group_leaves_the_machine_s_memory(tmp_path: Path, membership: Path) -> None:
    membership.write_text(TWO, encoding="utf-8")
    write(tmp_path / "slice/job", memory__max="max", memory__current="7")
    assert free_bytes(tmp_path, membership) > 7


def test_gpus_are_read_as_nvidia_smi_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "--query-gpu=name,memory.total,memory.used,clocks.sm,clocks.max.sm,utilization.gpu"
    answer = (
        f'[ "$1" = "{asked}" ] || exit 3\n'
        'echo "NVIDIA H100 80GB HBM3, 81559, 1024, 1755, 1980, 40"\n'
        'echo "Card, one, [N/A], [N/A], 345, [Not Supported], [N/A]"'
    )
    fake_nvidia_smi(tmp_path, monkeypatch, answer)
    first, second = gpus()
    assert first == Gpu(
        name="NVIDIA H100 80GB HBM3",
        memory_mib=81559,
        used_mib=1024,
        clock_mhz=1755,
        max_clock_mhz=1980,
        busy_percent=40,
    )
    assert (second.name, second.clock_mhz) == ("Card, one", 345)
    assert (second.memory_mib, second.used_mib, second.max_clock_mhz, second.busy_percent) == (None,) * 4


def test_without_nvidia_smi_there_are_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'NVIDIA-SMI has failed:\n no driver' >&2; exit 9", "NVIDIA-SMI has failed: no driver"),
        ("exit 9", "nvidia-smi failed with 9"),
        ("exec sleep 30", "nvidia-smi did not answer within 0.2 s"),
    ],
)
def test_an_error_of_nvidia_smi_is_shown(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsam_tune.machine.hardware._SECONDS", 0.2 if "sleep" in script else 10.0)
    fake_nvidia_smi(tmp_path, monkeypatch, script)
    with pytest.raises(OSError, match="^" + said):
        gpus()


def test_a_device_is_its_processors_and_gpus_without_the_name_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text(
        "processor\t: 0\nmodel name\t: A Processor 9\nprocessor\t: 1\nmodel name\t: A Processor 9\n", encoding="utf-8"
    )
    monkeypatch.setattr(hardware, "_CPU_INFO", information)
    monkeypatch.setattr(hardware.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(hardware.platform, "system", lambda: "Linux")
    monkeypatch.setattr(hardware, "gpus", lambda: [hardware._gpu("NVIDIA H100, 81559, 4, 345, 1980, 0")])
    assert hardware.device() == "2 cores of A Processor 9, Linux, NVIDIA H100"

    def fails() -> list[Gpu]:
        raise OSError("no driver")

    monkeypatch.setattr(hardware, "gpus", fails)
    information.unlink()
    monkeypatch.setattr(hardware.platform, "processor", lambda: "")
    monkeypatch.setattr(hardware.platform, "machine", lambda: "arm64")
    assert hardware.device() == "2 cores of arm64, Linux"
