"""Results of several students in one: each student's seeds count for themselves, and the same run done twice counts once."""

import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import planned

from data_gen import InputError
from synthgap import cli, pages, pooling, runs, sweep, tables
from synthgap.judging import claims, overview
from synthgap.pages.result import read
from synthgap.study import claim_hash

LEVELS = "captions.attributes=1,5"


@pytest.fixture(scope="module")
def school(finished, tmp_path_factory):
    """Anna and Ben have run the same seeds, 0 and 1, and Cleo others; all together are in `all`."""
    school = tmp_path_factory.mktemp("school")
    for who in ("anna", "ben"):
        shutil.copytree(finished.folder.parent, school / who / "runs")
    cleo = planned(school / "cleo" / "runs", LEVELS, "seed=2,3")
    runs.prepare(cleo)
    runs.work(cleo)
    assert sweep.conclude(cleo, did=4) == 0
    shutil.copytree(finished.folder.parent, school / "all" / "runs")
    every = planned(school / "all" / "runs", LEVELS, "seed=0,1,2,3")
    for task in cleo.tasks:
        shutil.copytree(cleo.folder / task.run_id, every.folder / task.run_id)
    assert sweep.conclude(every) == 0
    return school


def folders(school, *names) -> list[str]:
    return [str(school / name / "runs") for name in names]


def spoilt(school, tmp_path, change):
    """Anna's folder, and Ben's after `change(the folder of his result)`."""
    shutil.copytree(school / "ben", tmp_path / "ben")
    change(next((tmp_path / "ben" / "runs").glob("imbalance*/results.parquet")).parent)
    return [*folders(school, "anna"), str(tmp_path / "ben" / "runs")]


def test_pooled_runs_say_what_one_sweep_of_all_of_them_says(school, tmp_path):
    given = folders(school, "anna", "ben", "cleo")
    found, students = pooling.write(pooling.gather(given), given, tmp_path)
    all_results = next((school / "all" / "runs").glob("imbalance*/verdicts.parquet"))
    together, ignored = pd.read_parquet(all_results), ["stated_after", "changed"]
    assert set(together.seeds) == {4}
    kept = [name for name in together if name not in ignored]
    pd.testing.assert_frame_equal(found.judged[kept], together[kept], check_exact=True)
    assert students.counted_as.tolist() == [0, 1, 0, 1, 2, 3]
    assert students.same_as.tolist() == ["", "", "anna", "anna", "", ""]
    assert found.table.run_id.nunique() == 8
    assert "2 seeds of 6 count once only" in found.notes[-1]


def test_what_is_pooled_is_a_result_like_any_other(school, tmp_path):
    given = folders(school, "anna", "cleo")
    found, _ = pooling.write(pooling.gather(given), given, tmp_path / "pooled")
    assert len(overview.of_all([], tmp_path / "pooled")) == len(found.judged) == 4
    result = read(tmp_path / "pooled", found.folder.name)
    assert result.command.startswith("synthgap pool ") and result.command.endswith("cleo/runs")
    assert pages.write({found.folder.name: ""}, tmp_path / "pooled", tmp_path / "site").exists()
    before = pd.concat([read(school / who / "runs", found.folder.name).judged for who in ("anna", "cleo")])
    most = before.groupby("hash").stated_after.max()
    assert found.judged.set_index("hash").stated_after.equals(most[found.judged.hash]), (
        "it is no new statement of a claim"
    )
    again, _ = pooling.write(pooling.gather(given[:1] + folders(school, "ben")), given, tmp_path / "pooled")
    assert again.table.seed.nunique() == 2, "a pooled result is replaced by the next"


def test_folders_that_students_named_and_handed_in_without_runs(school, tmp_path):
    """As the teacher's page has it: the result alone, which has no claims.json. It is called as the study, not as a student."""
    given = []
    for who, of in (("ada", "anna"), ("ben", "cleo")):
        there = next((school / of / "runs").glob("imbalance*/results.parquet")).parent
        handed_in = tmp_path / "class" / who / f"imbalance+{who}"
        given.append(str(shutil.copytree(there, handed_in, ignore=lambda *_: ["claims.json"])))
    found, students = pooling.write(pooling.gather(given), given, tmp_path / "pooled")
    assert found.folder == tmp_path / "pooled" / "imbalance" and students.student.tolist() == ["ada"] * 2 + ["ben"] * 2
    stated = pd.concat([pd.read_parquet(f"{folder}/verdicts.parquet") for folder in given])
    assert found.judged.stated_after.tolist() == [stated.stated_after.max()] * 4, "of 8 runs that are pooled"
    assert len(overview.of_all([], tmp_path / "pooled")) == 4
    page = pages.write({"imbalance": ""}, tmp_path / "pooled", tmp_path / "site")
    assert "Stated after 4 runs" in page.read_text(encoding="utf-8"), "when is not known, and after how many is"


def test_seeds_that_are_called_the_same_are_told_apart_by_what_was_run(school):
    """Students with data of their own (their handwriting, say) have other run ids, though all seeds begin with 0."""
    results = pooling.gather(folders(school, "anna", "ben"))
    own = results["ben"].table
    own["run_id"] = "b" + own.run_id.str[1:]
    table, students, notes = pooling.pool(results)
    assert students.counted_as.tolist() == [0, 1, 2, 3] and not notes
    assert table.run_id.nunique() == 8 and table.groupby("run_id").seed.nunique().eq(1).all()


def test_a_run_that_came_out_otherwise_is_told_and_the_first_counts(school):
    results = pooling.gather(folders(school, "anna", "ben"))
    theirs = results["ben"].table
    theirs.loc[(theirs.metric == "rmg") & (theirs.seed == 1), "value"] += 0.001
    table, _, notes = pooling.pool(results)
    assert "2 runs came out with other numbers" in notes[-1]
    rmg = table[table.metric == "rmg"].value.to_numpy()
    assert np.array_equal(rmg, results["anna"].table.query("metric == 'rmg'").value)


def test_two_results_of_other_options_are_not_one(school, tmp_path):
    def other(folder):
        table = tables.read(folder / "results.parquet")
        table.attrs["made"]["changed"] = [*table.attrs["made"]["changed"], "training.batch=64"]
        tables.write(table, folder / "results.parquet")
        judged = tables.load(folder / "verdicts.parquet")
        changed = table.attrs["made"]["changed"]
        one = read(school / "anna" / "runs", folder.name)
        hashes = [claims.hash_of(claim_hash(claim), changed) for claim in one.study.claims]
        tables.write(judged.assign(hash=hashes), folder / "verdicts.parquet")

    with pytest.raises(InputError, match=r"anna and ben ran imbalance with different options: .*training\.batch=64"):
        pooling.gather(spoilt(school, tmp_path, other))


def an_edited_claim(folder):
    judged = tables.load(folder / "verdicts.parquet")
    tables.write(judged.assign(hash="0" * 8), folder / "verdicts.parquet")


def an_old_table(folder):
    tables.write(tables.read(folder / "results.parquet").drop(columns="of"), folder / "results.parquet")


def a_table_that_says_nothing(folder):
    table = tables.read(folder / "results.parquet")
    table.attrs = {}
    tables.write(table, folder / "results.parquet")


def of_a_study_of_one_s_own(folder):
    judged = tables.load(folder / "verdicts.parquet")
    tables.write(judged.assign(study="mine"), folder / "verdicts.parquet")


def no_verdicts(folder):
    (folder / "verdicts.parquet").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (an_edited_claim, "was edited after its verdict in .*ben"),
        (an_old_table, "results.parquet is no table of runs: it has no column of"),
        (a_table_that_says_nothing, "edited after its verdict|does not say what it was made with"),
        (no_verdicts, "has no result in .*ben"),
        (
            of_a_study_of_one_s_own,
            r"ben.* is of 'mine', no study of synthgap's; .* put mine\.yaml here or give its path",
        ),
    ],
)
def test_what_cannot_be_pooled_is_told(school, tmp_path, change, said):
    with pytest.raises(InputError, match=said) as told:
        pooling.gather(spoilt(school, tmp_path, change))
    assert "\n" not in str(told.value)


def test_the_command_pools(school, synthgap, tmp_path):
    anna, cleo = folders(school, "anna", "cleo")
    done = synthgap("pool", anna, cleo)
    assert done.returncode == 0, done.stderr
    assert "anna" in done.stdout and "8 runs, 4 seeds" in done.stdout
    kept = next((tmp_path / "pooled").glob("*/students.csv"))
    assert pd.read_csv(kept).student.tolist() == ["anna", "anna", "cleo", "cleo"]
    assert str(kept.relative_to(tmp_path)) in done.stdout


def test_a_mistake_ends_in_one_line(school, tmp_path, monkeypatch, capsys):
    anna, cleo = folders(school, "anna", "cleo")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        ([anna], "two students or more"),
        ([anna, anna], "given twice"),
        ([anna, "nowhere"], "nowhere: no such folder"),
        ([anna, "empty"], "empty: no study has run there"),
        ([anna, cleo, "--study", "imbalanc"], "unknown result in"),
        ([anna, cleo, "--to", anna], "was not pooled, which would be overwritten"),
    ):
        assert cli.main(["pool", *arguments]) == 2
        told = capsys.readouterr()
        assert told.out == "" and told.err.startswith("synthgap: error: ") and told.err.count("\n") == 1
        assert said in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
