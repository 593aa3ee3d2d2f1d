"""Files and folders are written whole or not at all, beside their place and past whatever lies there."""

import errno
import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
from filelock import Timeout

from data_gen import InputError, files


def _hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["table.parquet", "plain", ".hidden", "two.dots.csv"])
def test_a_file_is_there_when_the_block_ends_and_not_before(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")
    with files.whole(path) as beside:
        assert beside.parent == tmp_path and beside != path and beside.suffix == (path.suffix or ".partial")
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == [name]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with suppress(KeyboardInterrupt), files.whole(tmp_path / "a.csv") as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    with suppress(OSError), files.whole_folder(tmp_path / "b") as beside:
        (beside / "part").write_text("half")
        raise OSError("full")
    assert (tmp_path / "a.csv").read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("write", "owner", "made_by"), [(files.whole, os, "close"), (files.whole_folder, Path, "mkdir")]
)
def test_a_signal_heard_just_when_the_place_beside_is_made_leaves_nothing(tmp_path, monkeypatch, write, owner, made_by):
    """A run that was interrupted in that moment left an empty folder."""
    make = getattr(owner, made_by)

    def heard(*arguments, **options):
        make(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, made_by, heard)
    with pytest.raises(KeyboardInterrupt), write(tmp_path / "a"):
        raise AssertionError("not reached")
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())


def test_a_folder_is_renamed_whole(tmp_path):
    with files.whole_folder(tmp_path / "made") as beside:
        (beside / "inside").write_text("x")
        assert not (tmp_path / "made").exists()
    assert (tmp_path / "made" / "inside").read_text() == "x" and not _hidden(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_modes_are_those_of_the_umask_even_of_a_writer_that_makes_its_own_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        with files.whole(tmp_path / "a") as beside:
            beside.unlink()
            os.close(os.open(beside, os.O_CREAT | os.O_WRONLY, 0o600))  # as safetensors does
        with files.whole_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o777 & ~umask


def test_two_writers_of_one_place_do_not_meet(tmp_path):
    """Names beside were once `.name-<pid>`: the same in two containers with one folder."""
    with files.whole(tmp_path / "a") as one, files.whole(tmp_path / "a") as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a").read_text() == "1"  # the one that ended last


def test_leftovers_are_swept_up_and_nothing_else(tmp_path):
    kept = [".a.csv", "a.csv", ".a.0123456.partial", ".a.partial.csv", "a.01234567.partial.csv", ".note.partial"]
    left = [".a.01234567.partial.csv", ".a.89abcdef.partial.csv"]
    for name in (*kept, *left, ".b.01234567.partial.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".a.00000000.partial").mkdir()
    (tmp_path / ".a.00000000.partial" / "inside").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (tmp_path / ".a.11111111.partial").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    files.sweep_up(tmp_path, "a")
    expected = sorted([*kept, ".b.01234567.partial.csv", "elsewhere"])
    assert sorted(path.name for path in tmp_path.iterdir()) == expected
    assert (tmp_path / "elsewhere" / "precious").exists()
    files.sweep_up(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "elsewhere"])


def test_a_lock_makes_its_folder_and_is_held_by_one(tmp_path):
    place = tmp_path / "deep" / "lock"
    with files.locked(place), pytest.raises(Timeout), files.locked(place, wait=False):
        pass
    with files.locked(place, wait=False):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows locks otherwise")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch, number):
    """Whatever the system answers; no soft lock is taken instead, which a holder that is killed would leave behind."""
    import fcntl

    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(InputError, match=r"lock cannot be locked: this file system has no file locks .*out=DIR"),
        files.locked(tmp_path / "lock"),
    ):
        raise AssertionError("not held")


def test_the_checksum_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.checksum(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def dead(tmp_path):
    """A lock that another process holds and never gives back, as a machine that died does over NFS."""
    path = tmp_path / "claim"
    code = f"""if True:
        import sys
        from filelock import FileLock
        with FileLock({str(path)!r}):
            print("held", flush=True)
            sys.stdin.read()
    """
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    yield path
    holder.communicate()


def test_a_claim_without_signs_of_life_is_taken_over_and_another_is_not(dead):
    with pytest.raises(Timeout), files.claimed(dead, wait=False):
        pass
    assert files.held(dead)
    os.utime(dead, (0, dead.stat().st_mtime - files.STALE - 60))
    assert not files.held(dead)
    with files.claimed(dead):
        assert files.held(dead), "it is the new one's now"
        with pytest.raises(Timeout), files.claimed(dead, wait=False):
            pass
    assert not files.held(dead)


def test_who_holds_a_claim_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "SIGN", 0.01)
    with files.claimed(tmp_path / "claim"):
        for _ in range(2):
            os.utime(tmp_path / "claim", (0, 0))
            end = monotonic() + 30
            while not (tmp_path / "claim").stat().st_mtime and monotonic() < end:
                sleep(0.01)
            assert (tmp_path / "claim").stat().st_mtime


def test_a_jump_of_one_machines_clock_makes_no_claim_stale(dead, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert files.held(dead)
