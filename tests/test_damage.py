"""What others do to a folder of results: bits that flip, tables that are spoilt, users who may not, commands beside."""

import errno
import json
import os
import shutil
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CELLS, TINY, planned
from filelock import FileLock

from data_gen import InputError, files
from synthgap import cli, runs, studies, sweep, tables
from synthgap.judging import claims, overview
from synthgap.runs import execution, loading

DERIVED = ("results.parquet", "verdicts.parquet", "levels.csv", "claims.json")


def synthgap(command, plan, *overrides):
    """The exit code of a command about the plan's folder, in this process."""
    return cli.main([command, "imbalance", *overrides, f"out={plan.folder.parent}"])


def everything(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# --- bits


@pytest.mark.parametrize(
    "spoilt", [lambda content: content[:-20], lambda content: b"", lambda content: bytes(100) + content[100:]]
)
def test_a_damaged_picture_is_drawn_anew(copied, capsys, spoilt):
    path = copied.folder / "imbalance.png"
    before = path.read_bytes()
    path.write_bytes(spoilt(before))
    assert synthgap("run", copied, *TINY, *CELLS) == 0
    assert path.read_bytes() == before
    told = capsys.readouterr()
    assert "imbalance.png is damaged" in told.out + told.err


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


#: file → how many of its bits are flipped, one at a time, and how it is read
FLIPS = {
    "results.parquet": (220, lambda plan: tables.read(plan.folder / "results.parquet")),
    "verdicts.parquet": (120, lambda plan: overview.read(plan.folder / "verdicts.parquet")),
    "claims.json": (120, lambda plan: pd.DataFrame(claims.stated_after(plan.study, plan.folder), index=["runs"])),
    "done.json": (100, runs.collect),
    "metrics.parquet": (40, runs.collect),
    "config.yaml": (40, runs.collect),
    "model.safetensors": (40, runs.collect),
}


@pytest.mark.parametrize("name", FLIPS)
def test_a_flipped_bit_is_told_or_changes_nothing(name, copied):
    number, read = FLIPS[name]
    plan = replace(copied, tasks=copied.tasks[:1])
    path = next(p for p in (plan.folder / name, plan.folder / plan.tasks[0].run_id / name) if p.exists())
    whole, expected, told = path.read_bytes(), read(plan), 0
    for bit in np.random.default_rng(0).choice(8 * len(whole), number, replace=False):
        flip(path, bit)
        try:
            found, line = read(plan), None
        except InputError as error:
            line = str(error)
        path.write_bytes(whole)
        if line is None:
            assert found.equals(expected), f"bit {bit} changed what is read, in silence"
        else:
            told += 1
            assert "damaged" in line and "\n" not in line and str(path.parent) in line
    assert told > number / 4 and read(plan).equals(expected)


def test_a_table_is_read_as_it_was_written_and_as_others_write_it(tmp_path):
    table = pd.DataFrame(
        {"run_id": ["a", "b"], "x": [1.5, np.nan], "n": [1, 2], "of": ["", None], "c": pd.Categorical(["a", "b"])}
    )
    tables.write(table, tmp_path / "sealed.parquet")
    table.to_parquet(tmp_path / "unsealed.parquet")
    unsealed = pd.read_parquet(tmp_path / "unsealed.parquet")
    for read in (pd.read_parquet, tables.load):
        for name in ("sealed", "unsealed"):
            pd.testing.assert_frame_equal(read(tmp_path / f"{name}.parquet"), unsealed)
    assert tables.holds(tmp_path / "sealed.parquet", unsealed)
    tables.write(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == table.to_csv(index=False) and tables.holds(tmp_path / "a.csv", table)


def test_a_record_of_claims_from_before_it_had_checksums_is_read(tmp_path):
    study = studies.load("imbalance")
    known = {studies.claim_hash(claim): {"claim": claim.claim, "runs_done": 7} for claim in study.claims[1:]}
    (tmp_path / "claims.json").write_text(json.dumps(known))
    counts = claims.stated_after(study, tmp_path)
    assert list(counts.values()) == [0, *[7] * len(known)] and claims.stated_after(study, tmp_path) == counts


def test_a_damaged_model_is_taken_by_nobody(copied, capsys):
    """Neither by runs that share it, before or in the middle of a sweep, nor from Python."""
    cell = (*TINY, "captions.attributes=1", "seed=0", "posthoc=centring")
    plan = planned(copied.folder.parent, *cell[-3:])
    (task,) = plan.tasks
    place = plan.folder / task.start.run_id
    flip(place / "model.safetensors", 8 * 5000)
    said = f"the run in {place} is damaged (model.safetensors does not match its checksum); delete that folder"
    assert synthgap("run", copied, *cell) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not plan.failure(task).exists()
    runs.work(plan)
    assert said in runs.failures(plan)[task.run_id]["reason"] and not plan.done(task)
    with pytest.raises(InputError, match=r"model\.safetensors does not match its checksum"):
        loading.open(place)


# --- derived tables


SPOILT = {
    "nothing": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("run_id,seed\n1,2\n"),
    "another table": lambda path: pd.DataFrame({"x": [1, 2]}).to_parquet(path),
    "lists": lambda path: pd.DataFrame({name: [["a"], ["b"]] for name in pd.read_parquet(path)}).to_parquet(path),
    "texts": lambda path: pd.DataFrame({name: ["a", "b"] for name in pd.read_parquet(path)}).to_parquet(path),
    "numbers": lambda path: pd.DataFrame({name: [1, 2] for name in pd.read_parquet(path)}).to_parquet(path),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_is_no_such_table_is_one_line(spoil, copied, capsys):
    for name, read in (("results.parquet", tables.read), ("verdicts.parquet", overview.read)):
        spoil(copied.folder / name)
        with pytest.raises(tables.DamagedError, match=rf"{name} (is damaged|is no table|holds no)") as error:
            read(copied.folder / name)
        assert "\n" not in str(error.value)
    assert cli.main(["verdicts", f"out={copied.folder.parent}"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "`synthgap show imbalance` writes it anew" in error
    assert overview._minutes(copied.folder / "results.parquet") == "?"


@pytest.mark.parametrize("name", DERIVED[:3])
def test_run_makes_a_damaged_table_anew_and_says_so(name, copied, capsys):
    whole = {name: (copied.folder / name).read_bytes() for name in DERIVED}
    flip(copied.folder / name, 8 * 300)
    assert synthgap("run", copied, *TINY, *CELLS) == 0
    told = capsys.readouterr().out
    (line,) = [line for line in told.splitlines() if "made anew" in line]
    assert str(copied.folder / name) in line
    assert {name: (copied.folder / name).read_bytes() for name in DERIVED} == whole
    assert synthgap("run", copied, *TINY, *CELLS) == 0 and "anew" not in capsys.readouterr().out


def test_show_takes_the_runs_where_the_table_is_damaged(copied, capsys):
    whole = tables.read(copied.folder / "results.parquet")
    SPOILT["text"](copied.folder / "results.parquet")
    assert synthgap("show", copied) == 1, "of the runs that the study asks for, none is there"
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "results.parquet is damaged" in told.err and "runs are missing" in told.out
    assert synthgap("show", copied, *TINY, *CELLS) == 0
    assert tables.read(copied.folder / "results.parquet").equals(whole)


def test_damaged_verdicts_of_one_study_do_not_hide_the_others(copied, capsys):
    out = copied.folder.parent
    shutil.copytree(copied.folder, out / "other")
    flip(out / "other" / "verdicts.parquet", 8 * 300)
    assert cli.main(["verdicts", f"out={out}"]) == 0
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "left out, and not counted" in told.err and "show other" in told.err
    assert "imbalance" in told.out and "other" not in told.out


# --- beside


def test_commands_with_one_process_id_do_not_meet(copied):
    """As in two containers with one folder: what is written beside once had the id of the process in its name."""
    with ThreadPoolExecutor(2) as several:
        assert list(several.map(lambda _: sweep.conclude(copied, did=0, redraw=True), range(2))) == [0, 0]
    assert not list(copied.folder.glob(".*.partial*"))
    assert tables.read(copied.folder / "results.parquet").equals(runs.collect(copied))


def test_what_killed_commands_left_is_swept_up_and_is_no_run(copied):
    stated = claims.stated_after(replace(copied.study, claims=copied.study.claims[:1]), copied.folder)
    left = [
        copied.folder / f".{name}.0123abcd.partial{ending}"
        for name, ending in (
            ("results", ".parquet"),
            ("verdicts", ".parquet"),
            ("levels", ".csv"),
            ("imbalance", ".png"),
        )
    ]
    for path in left:
        path.touch()
    killed = shutil.copytree(copied.folder / copied.tasks[0].run_id, copied.folder / ".0123.0123abcd.partial")
    (copied.folder / "claims.json").unlink()
    assert sweep.conclude(copied, did=0, redraw=True) == 0
    assert not any(path.exists() for path in left) and killed.exists(), "a run is swept up by who holds its lock"
    assert set(claims.stated_after(copied.study, copied.folder).values()) == {4} and stated


def test_a_link_under_a_name_beside_is_not_followed(copied, monkeypatch, tmp_path):
    (tmp_path / "precious").write_text("mine")
    monkeypatch.setattr(files, "token_hex", lambda n: "0" * 2 * n)
    (copied.folder / ".mine.00000000.partial.csv").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        tables.write(pd.DataFrame({"a": [1]}), copied.folder / "mine.csv")
    assert (tmp_path / "precious").read_text() == "mine" and not (copied.folder / "mine.csv").exists()


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
def test_a_full_disk_leaves_the_tables_that_were_there_and_nothing_beside(copied, capsys):
    import resource

    before, (_, hard) = everything(copied.folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        code = synthgap("show", copied, *TINY, *CELLS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert code == 2 and "File too large" in capsys.readouterr().err
    files_only = {path: at for path, at in everything(copied.folder).items() if path.is_file()}
    assert files_only == {path: at for path, at in before.items() if path in files_only} and len(before) <= len(
        everything(copied.folder)
    )


# --- permission


@pytest.fixture
def shared(finished):
    """The finished sweep where another user can reach it, who this test is from then on; or, run by no superuser, its owner
    without the rights that are taken away."""
    if os.name != "posix":
        pytest.skip("modes are POSIX's")
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    shutil.copytree(finished.folder.parent, top / "runs")
    (top / "runs").chmod(0o755)
    superuser = os.geteuid() == 0
    yield planned(top / "runs"), (lambda: os.seteuid(65534)) if superuser else (lambda: None)
    if superuser:
        os.seteuid(0)
    for path in (top, *top.rglob("*")):
        with suppress(OSError):
            path.chmod(0o755)
    shutil.rmtree(top)


def read_only(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def test_a_run_is_readable_by_whom_the_umask_lets(finished):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (finished.folder / finished.tasks[0].run_id).iterdir()}
    assert modes == {0o666 & ~_umask()}


def _umask() -> int:
    now = os.umask(0o022)
    os.umask(now)
    return now


def test_what_may_not_be_read_is_not_damaged(shared, capsys):
    plan, become = shared
    run = plan.folder / plan.tasks[0].run_id
    unreadable = [run / "model.safetensors", plan.folder / "verdicts.parquet", plan.folder / "claims.json"]
    for path in unreadable:
        path.chmod(0)
    become()
    tries = (lambda: runs.collect(plan), lambda: overview.read(unreadable[1]), lambda: claims.read(unreadable[2]))
    for path, read in zip(unreadable, tries, strict=True):
        with pytest.raises(InputError, match=f"^{path} may not be read by you; ask its owner$"):
            read()
    with pytest.raises(InputError, match="may not be read by you"):
        loading.open(run)
    assert cli.main(["verdicts", f"out={plan.folder.parent}"]) == 2
    assert "damaged" not in capsys.readouterr().err


@pytest.mark.parametrize("overrides", [(), (*TINY, *CELLS)], ids=["its table", "its runs"])
def test_show_tells_what_is_in_a_folder_that_may_not_be_written(overrides, shared, capsys):
    plan, become = shared
    read_only(plan.folder)
    before = everything(plan.folder)
    become()
    assert synthgap("show", plan, *overrides) == 0
    told = capsys.readouterr().out
    assert f"nothing is written: {plan.folder} may not be written by you" in told and plan.study.claims[0].claim in told
    assert everything(plan.folder) == before
    assert synthgap("run", plan, *TINY, "captions.attributes=2", "seed=0") == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "may not be written by you" in told


def test_who_may_write_a_folder_may_lock_it(shared):
    plan, become = shared
    locks = plan.folder / ".locks"
    for folder in (plan.folder, locks):
        folder.chmod(0o777)
    with files.locked(locks / "new"):
        pass
    assert stat.S_IMODE((locks / "new").stat().st_mode) == 0o666
    become()
    with files.locked(locks / "new"):
        pass
    if os.geteuid() == 65534:
        (locks / "theirs").touch()
        os.seteuid(0)
        (locks / "theirs").chmod(0o600)
        os.chown(locks / "theirs", 0, 0)
        become()
        with pytest.raises(InputError, match="theirs may not be written by you"), files.locked(locks / "theirs"):
            pass


# --- locks


def test_a_file_system_without_locks_is_one_line_before_any_run(copied, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    before = {path for path in copied.folder.rglob("*") if path.is_file()}
    for command in (("run", *TINY, "captions.attributes=2", "seed=0"), ("show",)):
        assert synthgap(command[0], copied, *command[1:]) == 2
        told = capsys.readouterr()
        assert told.err.count("\n") == 1 and f"{copied.folder}/.locks" in told.err and "No locks available" in told.err
    assert {path for path in copied.folder.rglob("*") if path.is_file()} == before


def test_show_beside_a_running_sweep_says_that_it_runs(copied, monkeypatch, capsys):
    plan, told = planned(copied.folder.parent, "captions.attributes=1,2", "seed=0"), []

    def look(p, task, folder):  # what others see while a run is under way
        for show in (lambda: sweep.conclude(p, did=0, redraw=True), lambda: synthgap("show", p)):
            show()
            told.append(capsys.readouterr().out)
        raise RuntimeError("enough")

    monkeypatch.setattr(execution, "execute", look)
    assert not runs.running(plan.folder)
    runs.work(plan)
    assert "a sweep is running in this folder: 1 of 2 runs done" in told[0] and "its worker died" not in told[0]
    assert "a sweep is running in this folder" in told[1]
    assert not runs.running(plan.folder)
    assert sweep.conclude(plan, did=0) == 1 and "1 of 2 runs are missing" in capsys.readouterr().out
