"""Atomic writes: whole or untouched, on the disk before they have the name, alone, and nothing left behind."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.full_disk import fill_disk
from vsam_tune.atomic_file import SUFFIX, atomic_path, write_bytes, write_text

MEGABYTES = "x" * 3_000_000
# waits inside a write, with a part of the content on the disk, until its standard input ends
WRITER = """
import sys
from pathlib import Path
from vsam_tune.atomic_file import atomic_path
with atomic_path(Path(sys.argv[1])) as part:
    part.write_text("half", encoding="utf-8")
    Path(f"{part}-journal").touch()
    print(part, flush=True)
    sys.stdin.read()
    Path(f"{part}-journal").unlink()
"""


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def writer(path):
    """Start a process that is in the middle of a write to `path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip().endswith(SUFFIX)
    return process


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("former", [None, "before\n"])
def test_the_content_is_replaced_and_nothing_else_is_left(former, tmp_path):
    path = tmp_path / "file.txt"
    if former is not None:
        path.write_text(former, encoding="utf-8")
    write_text(path, "é\r\nß\n")
    assert path.read_bytes() == "é\r\nß\n".encode()
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["file.txt"]


def test_a_path_relative_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text(Path("file.txt"), "here")
    assert names(tmp_path) == ["file.txt"]


def test_the_data_are_on_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor):
        fsync(descriptor)
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append((
            "fsync",
            "folder" if file == tmp_path else file.suffix,
            file.stat().st_size if file.is_file() else 0,
        ))

    def noted_replace(self, target):
        events.append(("rename", self.suffix, self.stat().st_size))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_text(tmp_path / "file.txt", "content")
    assert events == [("fsync", SUFFIX, 7), ("rename", SUFFIX, 7), ("fsync", "folder", 0)]


def test_a_failing_block_leaves_the_former_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "before")

    def fail():
        with atomic_path(path) as part:
            part.write_text("half", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text(encoding="utf-8") == "before"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("former", [None, "before"])
def test_a_reader_sees_the_former_file_until_the_block_ends(former, tmp_path):
    path = tmp_path / "file.txt"
    if former is not None:
        write_text(path, former)
    with atomic_path(path) as part:
        part.write_text("after", encoding="utf-8")
        assert (path.read_text(encoding="utf-8") if path.exists() else None) == former
    assert path.read_text(encoding="utf-8") == "after"


def test_a_disk_without_space_leaves_the_former_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_text(path, "before")
    fill_disk(monkeypatch, "file.txt")
    with pytest.raises(OSError, match="No space left"):
        write_text(path, MEGABYTES)
    assert path.read_text(encoding="utf-8") == "before"
    assert names(tmp_path) == ["file.txt"]
    write_text(path, MEGABYTES)
    assert path.stat().st_size == len(MEGABYTES)


def test_a_disk_that_fills_up_leaves_the_former_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno says it
            write_text(path, MEGABYTES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert path.read_text(encoding="utf-8") == "before"
    assert names(tmp_path) == ["file.txt"]


def test_a_killed_writer_leaves_the_former_file_and_the_next_write_cleans_up(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "before")
    for _ in range(3):
        with writer(path) as process:
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert path.read_text(encoding="utf-8") == "before"
        assert (
            len(names(tmp_path)) == 3
        )  # the file, what this writer left, and its journal: no more from round to round
    write_text(path, "after")
    assert path.read_text(encoding="utf-8") == "after"
    assert names(tmp_path) == ["file.txt"]


def test_a_write_leaves_that_of_another_process_alone(tmp_path):
    path = tmp_path / "file.txt"
    with writer(path) as process:
        write_text(path, "from here")
        assert path.read_text(encoding="utf-8") == "from here"
        assert len(names(tmp_path)) == 3
        process.communicate("")
    assert process.returncode == 0
    assert path.read_text(encoding="utf-8") == "half"  # it ended last
    assert names(tmp_path) == ["file.txt"]


def test_many_writers_of_one_file_at_once(tmp_path):
    path = tmp_path / "file.txt"
    contents = [str(i) * 200_000 for i in range(8)]
    started, errors = threading.Barrier(len(contents)), []

    def write(content):
        started.wait()
        try:
            for _ in range(20):
                write_text(path, content)
                assert path.read_text(encoding="utf-8") in contents
        except Exception as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=write, args=[each]) for each in contents]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not errors
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("name", ["file.txt.part", "file.txt.backup.part", "file.txt.0123456.part", "a.01234567.part"])
def test_files_that_only_look_similar_stay(name, tmp_path):
    (tmp_path / name).touch()
    write_text(tmp_path / "file.txt", "content")
    assert names(tmp_path) == sorted(["file.txt", name])


def test_a_new_file_has_the_bits_that_the_umask_leaves(tmp_path):
    former = os.umask(0o027)
    try:
        write_text(tmp_path / "file.txt", "content")
    finally:
        os.umask(former)
    assert mode_of(tmp_path / "file.txt") == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_file_keeps_its_permission_bits(mode, tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "before")
    path.chmod(mode)
    write_text(path, "after")
    assert mode_of(path) == mode


def test_a_file_that_is_not_writable_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_text(path, "before")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to every file
    with pytest.raises(PermissionError, match=r"file\.txt"):
        write_text(path, "after")
    assert path.read_text(encoding="utf-8") == "before"


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    link = tmp_path / "here" / "file.txt"
    link.symlink_to("../elsewhere/target.txt")
    for content in ("first", "second"):  # the first write creates the target
        write_text(link, content)
        assert link.is_symlink()
        assert (tmp_path / "elsewhere" / "target.txt").read_text(encoding="utf-8") == content
    assert names(tmp_path / "here") == ["file.txt"]
    assert names(tmp_path / "elsewhere") == ["target.txt"]


def test_a_loop_of_symbolic_links_is_an_os_error(tmp_path):
    (tmp_path / "file.txt").symlink_to("file.txt")
    with pytest.raises(OSError, match=r"file\.txt"):
        write_text(tmp_path / "file.txt", "content")


def test_a_folder_is_an_os_error(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path, "content")
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "gone" / "file.txt", "content")


def test_a_pipe_is_written_to_directly(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        write_text(pipe, "content")
        assert reader.communicate()[0] == b"content"
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_a_device_stays_a_device():
    write_text(Path("/dev/null"), "content")
    assert Path("/dev/null").is_char_device()


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def no_locks(_descriptor, _operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("vsam_tune.atomic_file.fcntl.flock", no_locks)
    (tmp_path / "file.txt.01234567.part").touch()  # perhaps of a writer that lives: it stays
    write_text(tmp_path / "file.txt", "content")
    assert names(tmp_path) == ["file.txt", "file.txt.01234567.part"]
