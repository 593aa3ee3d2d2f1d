"""When claims were stated: kept from the first time on, so that one that is edited after its runs shows."""

import json
from dataclasses import replace

import pytest
from conftest import TINY

from data_gen import InputError
from synthgap import cli, studies
from synthgap.judging import claims
from synthgap.studies import claim_hash

STUDY = studies.load("isoclip")
FIRST, *OTHERS = STUDY.claims


def do_runs(folder, n):
    for i in range(n):
        (folder / f"run{i}").mkdir(parents=True, exist_ok=True)
        (folder / f"run{i}" / "done.json").touch()


def test_a_claim_keeps_the_number_of_runs_it_was_stated_after(tmp_path):
    few = replace(STUDY, claims=OTHERS)
    assert set(claims.stated_after(few, tmp_path).values()) == {0}
    before = json.loads((tmp_path / "claims.json").read_text())
    do_runs(tmp_path, 3)
    counts = claims.stated_after(STUDY, tmp_path)
    assert counts == {claim_hash(claim): 3 * (claim == FIRST) for claim in STUDY.claims}
    do_runs(tmp_path, 5)
    assert claims.stated_after(STUDY, tmp_path) == counts
    after = json.loads((tmp_path / "claims.json").read_text())
    assert after.items() >= before.items() and after[claim_hash(FIRST)]["claim"] == FIRST.claim
    assert after[claim_hash(FIRST)]["stated"].endswith("+00:00")


def test_a_claim_that_is_edited_is_stated_anew_and_the_old_one_is_not_forgotten(tmp_path):
    claims.stated_after(STUDY, tmp_path)
    do_runs(tmp_path, 2)
    easier = replace(FIRST, matters=FIRST.matters / 2)
    counts = claims.stated_after(replace(STUDY, claims=(easier, *OTHERS)), tmp_path)
    assert counts[claim_hash(easier)] == 2 and counts[claim_hash(FIRST)] == 0


@pytest.mark.parametrize("damage", ["", "[]", '{"ab": {}}', '{"ab": 3}', '{"ab": {"runs_done": "no"}}'])
def test_a_damaged_record_is_told_and_kept(tmp_path, damage):
    path = tmp_path / "claims.json"
    path.write_text(damage)
    with pytest.raises(InputError, match=f"{path} is damaged") as error:
        claims.stated_after(STUDY, tmp_path)
    assert "\n" not in str(error.value) and path.read_text() == damage


OWN = """\
question: Does the gap fall?
grid: {captions.attributes: [1, 5], seed: [0, 1, 2, 3, 4]}
claims:
  - {claim: it falls, metric: rmg, of: image-text, over: captions.attributes, levels: [1, 5], direction: falls, matters: 0}
figure:
  panels: [{title: gap, x: {over: captions.attributes}, curves: [{metric: rmg, of: image-text}]}]
"""


def test_a_claim_that_is_edited_after_its_runs_shows_in_every_table(tmp_path, in_this_process, capsys):
    def told(*command):
        assert cli.main([*command, f"out={tmp_path}"]) == 0
        return " ".join(capsys.readouterr().out.split())

    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    assert "stated after" not in told("run", str(path), *TINY) + told("verdicts")
    path.write_text(OWN.replace("matters: 0", "matters: 0.5"))
    assert "stated after" not in told("verdicts"), "it reads what was judged"
    assert "(stated after 10 runs)" in told("run", str(path), *TINY)  # though no run is missing
    assert "(stated after 10 runs)" in told("show", str(path), *TINY)
    assert "(stated after 10 runs)" in told("verdicts", str(path))
    path.write_text(OWN)
    assert "stated after" not in told("run", str(path), *TINY), "the first claim was there before its runs"
