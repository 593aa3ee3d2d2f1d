"""The fault suite in small: a sweep that was killed comes to the same end, and a value that is lost does not escape it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from data_gen import files


@pytest.fixture(scope="module")
def faults():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "experiments" / "benchmarks")  # the sweeps' processes import it, too
        patch.setenv("PYTHONPATH", str(ROOT))
        import faults

        yield faults


@pytest.fixture(scope="module")
def whole(faults, tmp_path_factory):
    return faults.undisturbed(tmp_path_factory.mktemp("faults"))


def test_a_sweep_that_is_killed_ends_as_if_it_had_not_been(faults, whole, tmp_path):
    t = faults.attempt("killed", 0, 0, whole, tmp_path)
    assert (t.struck, t.reruns, t.faults, t.lost) == (True, 1, [], 0), t.what
    assert not list(tmp_path.iterdir())


def test_the_suite_sees_what_is_lost(faults, whole):
    found = faults.result(whole.folder)
    t = faults.Try(Path("nowhere"), np.random.default_rng(0), whole)
    faults.same(t, found)
    assert not t.faults
    numbers = found["numbers"].copy()
    numbers.loc[7, "value"] = np.nextafter(numbers.value[7], 9)
    for changed in ({"numbers": numbers}, {"weights": {}}, {"picture": found["picture"][:-1]}):
        faults.same(t, found | changed)
    assert (len(t.faults), t.lost) == (3, 3)


def test_a_damaged_dataset_that_no_run_reads_is_not_lost_as_whoever_reads_it_is_told(faults, whole, tmp_path):
    shutil.copytree(whole.folder / "runs", tmp_path / "runs")
    t = faults.Try(tmp_path, np.random.default_rng(0), whole)
    pixels = next(tmp_path.glob("runs/datasets/*/images.npy"))
    content = bytearray(pixels.read_bytes())
    content[-1] ^= 1
    pixels.write_bytes(content)
    faults.same(t, faults.result(tmp_path))
    assert not t.faults
    manifest, before = pixels.with_name("manifest.json"), faults.result(whole.folder)["pixels"][pixels.parent.name]
    manifest.write_text(manifest.read_text().replace(before, files.checksum(pixels)))
    faults.same(t, faults.result(tmp_path))
    assert t.lost == 1, "nobody would be told"


@pytest.mark.parametrize(
    ("code", "err", "wrong"),
    [
        (0, "", 0),
        (2, "synthgap: error: no\n", 0),
        (2, "", 1),
        (2, "one\ntwo\n", 1),
        (1, "Traceback\n", 1),
        (1, "synthgap: error: memory is short; end other programs\n", 0),
        (1, "<jemalloc>: no thread\nsynthgap: error: memory is short; end other programs\n", 0),
        (1, "synthgap: error: no\n", 1),
        (-9, "", 0),
        (77, "", 1),
    ],
)
def test_the_suite_hears_what_commands_say(faults, code, err, wrong):
    t = faults.Try(Path("nowhere"), np.random.default_rng(0), None)
    t.check_said(faults.Ended(code, "", err))
    assert len(t.faults) == wrong


def test_tries_are_the_same_whenever_they_are_asked_for_and_of_all_kinds(faults):
    tries = faults.plan(300, [])
    assert tries == faults.plan(300, []) and {kind for kind, _ in tries[:60]} == set(faults.KINDS)
    assert faults.plan(300, ["bytes:3"]) == [("bytes", 3)] and len(tries) == pytest.approx(300, abs=6)
    whole = faults.Whole(Path("nowhere"), faults.Ended(0, "", "", events=200, seconds=6.0), {})
    chance = [faults.generator(0, "faults", "killed", 3) for _ in range(2)]
    one, other = (faults.Try(Path("nowhere"), each, whole).moment() for each in chance)
    assert one == other
