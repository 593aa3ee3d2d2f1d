"""The command as an impatient user, a flaky cluster and a hostile disk meet it. Slow things, so few of them."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pandas as pd
import pytest
from conftest import ROOT, TINY

from synthgap import cli, judging, options, runs, studies, sweep, terminal
from synthgap.metric_names import KINDS, METRICS
from synthgap.runs import pool

FIGURES = Path(__file__).parents[1] / "figures"
LONG = "training.epochs=20"  # a run long enough to be killed in
SWEEP = ("captions.attributes=1,5", "seed=range(0,4)", LONG)
RUNS = 8  # of SWEEP: more than a worker finishes while it is being killed
SMALL = ("captions.attributes=1,5", "seed=0,1", LONG)


def numbers(folder):
    table = pd.read_parquet(folder / "imbalance" / "results.parquet")
    return table[table.metric != "seconds"].reset_index(drop=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a sweep that nobody disturbed, done by one worker in this process."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert sweep.run(studies.load("imbalance"), [*TINY, *SWEEP, f"out={out}"]) == 0
    return out


def start(folder, *overrides):
    command = [sys.executable, "-m", "synthgap", "run", "imbalance", *TINY, "out=runs", *overrides]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # a test run started in the background ignores Ctrl-C, and would hand that on
    hears = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    return subprocess.Popen(command, cwd=folder, start_new_session=True, preexec_fn=hears, **pipes)


def until(condition, seconds=300):
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it never happened"
        sleep(0.02)


def group_is_gone(leader):
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_sweep_that_is_killed_and_interrupted_ends_as_if_nothing_had_happened(tmp_path, undisturbed):
    folder = tmp_path / "runs" / "imbalance"

    def done():
        return len(list(folder.glob("[!.]*/done.json")))  # in a folder with a dot, a run is being written

    kills = (
        (os.kill, signal.SIGKILL),  # the parent alone: its orphaned workers must end by themselves
        (os.killpg, signal.SIGINT),  # Ctrl-C in a terminal goes to all of them
    )
    for kill, sent in kills:
        before = done()
        process = start(tmp_path, *SWEEP, "workers=1")
        until(lambda seen=before: done() > seen)  # the next run is under way
        kill(process.pid, sent)
        out, error = process.communicate(timeout=300)
        until(lambda leader=process.pid: group_is_gone(leader))
        assert before < done() < RUNS, "half-way: some runs are kept, some are missing"
        if sent == signal.SIGINT:
            *progress, last = error.splitlines()
            assert process.returncode == 130 and out == ""
            assert last == "interrupted; what is done is kept, and the same command goes on from there"
            assert all(line.startswith("runs: ") for line in progress), "as a slow machine tells now and then"
            assert not list(folder.glob(".*.partial*"))

    kept = {path: path.stat().st_mtime_ns for path in folder.glob("[!.]*/done.json")}
    last = start(tmp_path, *SWEEP, "workers=2")
    out, _ = last.communicate(timeout=300)
    new = RUNS - len(kept)
    assert last.returncode == 0 and f"finished {new} new run{'s' * (new > 1)}; {RUNS} in all" in out
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert numbers(tmp_path / "runs").equals(numbers(undisturbed))
    assert {path.name for path in folder.iterdir()} == {path.name for path in (undisturbed / "imbalance").iterdir()}


def test_two_that_run_the_same_sweep_help_each_other_and_agree(tmp_path, undisturbed):
    both = [start(tmp_path, *SMALL, "workers=1") for _ in range(2)]
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    whole = numbers(undisturbed)
    same = whole[whole["captions.attributes"].isin([1, 5]) & whole.seed.isin([0, 1])]
    assert numbers(tmp_path / "runs").equals(same.reset_index(drop=True))
    assert not list(tmp_path.rglob("*.partial*"))


def test_a_failing_cell_costs_exit_code_1_and_no_other_cell(tmp_path, monkeypatch, capsys):
    def sweep(plan, workers):
        runs.work(plan)
        return len(plan.tasks)

    monkeypatch.setattr(pool, "sweep", sweep)  # no worker processes: what is told is the point here
    cells = ("captions.attributes=1", "seed=0", "training.lr=0.002,1e30")
    assert cli.main(["run", "imbalance", *TINY, *cells, f"out={tmp_path}"]) == 1
    told, error = capsys.readouterr()
    assert "1 of 2 runs are missing" in told and "try a lower training.lr" in told and "Traceback" not in told + error
    assert len(list(tmp_path.glob("imbalance/*.failed.json"))) == len(list(tmp_path.glob("imbalance/*/done.json"))) == 1


# --- mistakes: one line, exit code 2, before any work


WRONG = {
    "captions.attributes=9": "0 to 5 attributes",
    "captions.attributes=-1": "0 to 5 attributes",
    "captions.object=colr": "did you mean 'colour'",
    "captions.objct=colour": "did you mean 'captions.object'",
    "temperature.init=-0.07": "above 0",
    "temperature.init=0.07,-1": "above 0",
    "training.lr=fast": "could not be converted to Float",
    "seed=1.5": "could not be converted to Integer",
    "loss=clp": "did you mean 'clip'",
    "preset=ful": "did you mean 'full'",
    "world=mars": "no such file",
    "digits=idx": "digits.root is not set",
    "workers=0": "whole number of at least 1",
    "workers=many": "it must be auto, or a whole number of at least 1",
    "~sed": "did you mean 'seed'",
    "hello": "write name=value",
    "out=file": "Not a directory: file/imbalance",
    "out=file/deeper": "Not a directory",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_mistake_is_one_line_and_nothing_is_written(wrong, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert cli.main(["run", "imbalance", "images=symbolic", wrong]) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1
    assert error.startswith("synthgap: error: ") and WRONG[wrong] in error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["run", "imbalanc"], "did you mean 'imbalance'"),
        (["show", "own.yaml"], "No such file"),
        (["make", "mars"], "no such file"),
        (["make", "mad", "images=symbolic"], "no pixels to make"),
        (["make", "mad", "mad.images=600,700"], "Ambiguous value"),
        (["make", "mad", "out=file"], "file"),
        (["verdicts"], "no verdicts in runs yet"),
        (["verdicts", "seed=0"], "only out=DIR"),
        (["verdicts", "imbalanc", f"out={FIGURES}"], "'imbalanc'; did you mean 'imbalance'"),
        (["studies", "seed=0"], "only out=DIR"),
        (["studies", "imbalance+images=symbolic"], "unknown study 'imbalance+images=symbolic'"),
        (["studies", "imbalence"], "unknown study 'imbalence'; did you mean 'imbalance'"),
    ],
)
def test_every_command_tells_its_mistakes(command, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert cli.main(command) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1 and told in error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_mistake_looks_the_same_from_outside(synthgap, tmp_path):
    wrong = synthgap("run", "imbalance", "trianing.lr=1")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    near = (
        "synthgap: error: unknown option 'trianing.lr'; did you mean 'training.lr'? (`synthgap run --help` lists all)\n"
    )
    assert wrong.stderr == near
    assert list(tmp_path.iterdir()) == []


CLAIM = """\
question: Does the gap fall?
{source}
claims:
  - claim: the gap falls
    metric: rmg
    of: image-text
    over: captions.attributes
    levels: [1, 2, 3, 4, 5]
    direction: falls
"""
GRID = "grid: {captions.attributes: [1, 2, 3, 4, 5], seed: [0, 1, 2]}"
READS = f"table: {ROOT / 'figures' / 'imbalance' / 'results.parquet'}"


@pytest.mark.parametrize("source", [GRID, READS], ids=["grid", "table"])
@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("metric: rmg", "metric: rgm", "unknown metric 'rgm' in a claim of own.yaml; did you mean 'rmg'?"),
        ("of: image-text", "of: images", "rmg is there of image-text, not of 'images'; did you mean 'image-text'?"),
        ("direction: falls", "direction: fall", "did you mean 'falls'?"),
        ("direction: falls", "direction: down", "did you mean 'falls'?"),
        ("4, 5]\n    dir", "4, 9]\n    dir", "claim of own.yaml, line 8: unknown level of captions.attributes '9'"),
        ("over: captions", "over: caption", "did you mean 'captions.attributes'?"),
        ("    levels: [1, 2, 3, 4, 5]", "    levels: [1, 2]\n    where: {seed: [0, 1]}", "two levels over 2 seeds"),
        ("    metric", "\tmetric", "indent by spaces, not tabs"),
    ],
)
def test_a_student_s_mistake_is_one_line(source, right, wrong, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(CLAIM.format(source=source).replace(right, wrong))
    assert cli.main(["run", "own.yaml"]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert error.startswith("synthgap: error: ") and told in error
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"]


def test_a_claim_on_a_table_is_judged_without_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    figure = (
        "figure: {x: {over: captions.attributes}, panels: [{title: gap, curves: [{metric: rmg, of: image-text}]}]}\n"
    )
    Path("own.yaml").write_text(CLAIM.format(source=READS) + figure)
    assert cli.main(["run", "own.yaml"]) == 0
    told = capsys.readouterr().out
    assert "supported" in told and "192 runs, 8 seeds, read from an existing table" in told
    assert str(ROOT / "figures" / "imbalance" / "results.parquet") in told
    written = {"own.png", "levels.csv", "verdicts.parquet", "claims.json", ".locks"}
    assert {path.name for path in Path("runs/own").iterdir()} == written
    assert cli.main(["show", "own.yaml", "out=else"]) == 0
    assert capsys.readouterr().out == told.replace("runs/own", "else/own")
    assert cli.main(["verdicts"]) == 0 and "the gap falls" in capsys.readouterr().out
    for wrong in ("seed=0", "preset=full"):
        assert cli.main(["run", "own.yaml", wrong]) == 2
        assert "only out=DIR is understood here, as own reads a table and trains nothing" in capsys.readouterr().err


def test_a_claim_on_a_table_is_not_written_over_the_sweep_that_made_it(undisturbed, tmp_path, capsys):
    before = numbers(undisturbed)
    own = tmp_path / "imbalance.yaml"
    own.write_text(CLAIM.format(source="table: imbalance").replace("[1, 2, 3, 4, 5]", "[1, 3, 5]"))
    assert cli.main(["run", str(own), f"out={undisturbed}"]) == 2
    assert "imbalance comes with synthgap, and both would write into one folder" in capsys.readouterr().err
    assert numbers(undisturbed).equals(before)
    own = own.rename(tmp_path / "own.yaml")
    assert cli.main(["run", str(own), f"out={tmp_path}"]) == 2
    assert "'imbalance': no such file, and no study has a table in" in capsys.readouterr().err


def test_claims_that_seeds_are_too_few_for_are_told_before_the_sweep(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pool, "sweep", lambda plan, workers: 0)
    assert cli.main(["run", "imbalance", *TINY, *SMALL, f"out={tmp_path}"]) == 1
    told = capsys.readouterr().out.splitlines()[0]
    assert told.startswith(
        "too few seeds to support 4 of 4 claims: the modality gap falls as captions tell more (2 seeds, 3"
    )
    cli.main(["run", "imbalance", *TINY, "captions.attributes=0,1,3,5", "seed=range(0,3)", f"out={tmp_path}"])
    assert "too few" not in capsys.readouterr().out


def test_a_truncated_idx_file_is_told_by_its_name(mnist, tmp_path, capsys):
    for path in mnist.iterdir():
        (tmp_path / path.name).symlink_to(path)
    cut = next(tmp_path.glob("t10k-images*"))
    content = cut.read_bytes()[:100_000]
    cut.unlink()
    cut.write_bytes(content)
    assert cli.main(["run", "imbalance", "digits=idx", f"digits.root={tmp_path}", f"out={tmp_path / 'runs'}"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{cut} is cut off" in error
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def disk(tmp_path):
    """Mounts a file system of its own at tmp_path/disk, where the machine lets us."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("mounting a disk needs root")
        return place

    yield mount
    if os.path.ismount(place):
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("asked", [("images=symbolic",), ("images=pixels", "mad.images=600")])
def test_a_full_output_folder_is_told_before_any_work(asked, disk, capsys):
    place = disk("size=1m")
    assert cli.main(["run", "imbalance", *asked, f"out={place}"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "MB are needed" in error
    assert list(place.iterdir()) == []


def test_a_read_only_output_folder_is_told_before_any_work(disk, capsys):
    place = disk("ro")
    for command in (["run", "imbalance", "images=symbolic"], ["make", "mad"]):
        assert cli.main([*command, f"out={place}"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "Read-only file system" in error


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_a_folder_that_cannot_be_made_is_told_before_any_work(capsys):
    for command in (["run", "imbalance", "images=symbolic"], ["make", "mad"]):
        assert cli.main([*command, "out=/proc/nowhere"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


# --- what it tells


@pytest.mark.parametrize("command", ["run", "show", "make"])
def test_help_lists_every_option_with_its_why(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    told = capsys.readouterr().out
    for key, (_, why) in options.keys().items():
        assert f"\n  {key}=" in told and why in told
    for group, names in options.GROUPS.items():
        for name in names:
            assert all(f"\n  {key}=" in told for key in options.keys({group: name}))


@pytest.mark.parametrize("command", [[], ["studies"], ["verdicts"]])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*command, "--help"])
    assert stop.value.code == 0
    told = capsys.readouterr().out
    assert "usage: synthgap" in told
    if command == ["verdicts"]:
        assert all(word in told for word in ("supported", "contradicted", "undecided", "Holm", "1/256", *judging.TESTS))


def test_help_outlives_a_terminal_without_greek(synthgap):
    told = synthgap("run", "--help", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert told.returncode == 0 and "temperature.init" in told.stdout


def test_studies_says_what_is_asked_and_done(tmp_path, capsys):
    assert cli.main(["studies", f"out={tmp_path}"]) == 0
    told = capsys.readouterr().out
    rows = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    for name in studies.available():
        study, row = studies.load(name), rows[name]
        assert f" {len(study.claims)}  quick 0 of {len(studies.expand(study, ['preset=quick'])[1])}" in row
        assert all(word in told for word in study.question.split())
    assert list(tmp_path.iterdir()) == []


def test_of_a_study_that_was_begun_the_table_has_every_preset_with_runs(tmp_path, capsys):
    """All runs of `small` and one of the three of `more` are done, and none of `none`."""
    (tmp_path / "own.yaml").write_text(
        "question: Is it done?\ngrid: {captions.attributes: [1], seed: [0]}\nclaims: []\nfigure: {}\npresets:\n"
        "  quick: {grid: {seed: [5]}}\n  small: {}\n  more: {grid: {seed: [0, 1, 2]}}\n  none: {grid: {seed: [7]}}\n"
    )
    study = studies.load(str(tmp_path / "own.yaml"))
    plan = runs.plan(study, ["preset=small", f"out={tmp_path}"])
    folder = plan.folder / plan.tasks[0].run_id
    folder.mkdir(parents=True)
    (folder / "done.json").write_text("{}")
    terminal.list_studies([study], tmp_path)
    row, *more = (" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[1:])
    assert (row, more[:2]) == ("own Is it done? 0 quick 0 of 1", ["small 1 of 1", "more 1 of 3"])
    assert more[2].startswith("`synthgap studies STUDY`")


def test_of_studies_that_are_named_everything_is_told(tmp_path, capsys):
    assert cli.main(["studies", "imbalance", "gap-parts", f"out={tmp_path}"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for study in map(studies.load, ("imbalance", "gap-parts")):
        assert study.question in told and all(claim.claim in told for claim in study.claims)
        for preset in study.presets:
            wanted = len(studies.expand(study, [f"preset={preset}"])[1])
            assert f"preset={preset}: 0 of {wanted} runs done in {tmp_path}" in told
    assert list(tmp_path.iterdir()) == []


def test_studies_lists_every_metric_with_what_it_is_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["studies", "--metrics"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for name, metric in METRICS.items():
        assert f"{name} {metric.of or '—'} {metric.meaning}" in told
    for kind, meaning in KINDS.items():
        assert f"{kind or '—'} {meaning}" in told


def test_show_draws_a_table_whose_runs_are_gone(tmp_path, capsys):
    """As figures/ holds it: picture, levels and verdicts follow from the table alone, and the claims' record is kept."""
    shutil.copytree(ROOT / "figures" / "translation", tmp_path / "translation")
    kept = {
        name: (tmp_path / "translation" / name).read_bytes()
        for name in ("levels.csv", "claims.json", "results.parquet")
    }
    before = pd.read_parquet(tmp_path / "translation" / "verdicts.parquet")
    for name in ("translation.png", "levels.csv", "verdicts.parquet"):
        (tmp_path / "translation" / name).unlink()
    assert cli.main(["show", "translation", f"out={tmp_path}"]) == 0
    assert "96 runs, 8 seeds, read from an existing table" in capsys.readouterr().out
    assert (tmp_path / "translation" / "translation.png").stat().st_size > 10_000
    for name, expected in kept.items():
        assert (tmp_path / "translation" / name).read_bytes() == expected, name
    after = pd.read_parquet(tmp_path / "translation" / "verdicts.parquet")
    assert (after.pop("changed") == "").all()
    pd.testing.assert_frame_equal(before, after, check_dtype=False)  # a count that nobody knows is None, and was nan
    assert cli.main(["verdicts", "translation", "--markdown", f"out={tmp_path}"]) == 0
    assert "closing the gap raises the cosine of true pairs | translation<br>Schrodi" in capsys.readouterr().out


def test_show_of_nothing_says_what_is_missing_and_writes_nothing(tmp_path, capsys):
    assert cli.main(["show", "imbalance", *TINY, *SMALL, f"out={tmp_path / 'runs'}"]) == 1
    assert "4 of 4 runs are missing" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
