"""No finished result is replaced by another, and a variation of a study is never taken for the study itself."""

import json
import re

import pandas as pd
import pytest
from conftest import ROOT

from synthgap import cli, runs, studies, sweep
from synthgap.judging import claims, overview
from synthgap.panels import drawing
from synthgap.runs import variations

#: tiny, and of fixed size as it is written, so that overrides can leave it as it is
OWN = """\
question: Does the gap fall?
grid: {captions.attributes: [1, 5], seed: [0, 1, 2, 3, 4]}
presets:
  quick: &tiny {set: {images: symbolic, mad.images: 512, mad.test_images: 200, training.epochs: 1, training.batch: 256}}
  full: {grid: {seed: [0, 1, 2, 3, 4, 5]}, <<: *tiny}
claims:
  - {claim: it falls, metric: rmg, of: image-text, over: captions.attributes, levels: [1, 5], direction: falls, matters: 0}
figure:
  panels: [{title: gap, x: {over: captions.attributes}, curves: [{metric: rmg, of: image-text}]}]
"""
LOWER = "training.lr=0.002"


@pytest.fixture
def own(tmp_path, monkeypatch, capsys, in_this_process):
    """The command on a study `own` in an empty folder → what it tells, on one line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(OWN)

    def call(*overrides, command="run"):
        assert cli.main([command, *(["own.yaml"] if command != "verdicts" else []), *overrides]) == 0
        return " ".join(capsys.readouterr().out.split())

    call.folder = tmp_path / "runs" / "own"
    return call


def kept(folder):
    names = ("results.parquet", "verdicts.parquet", "levels.csv", "own.png")
    return {name: (folder / name).read_bytes() for name in names}


def plain_hash():
    return studies.claim_hash(studies.load("own.yaml").claims[0])


def test_a_variation_has_a_place_of_its_own_and_says_what_is_changed(own, monkeypatch):
    drawn = {}
    draw = drawing.draw

    def spy(points, dots, spec, path, footer, *known):
        drawn[path.parent.name] = (spec["title"], footer)
        draw(points, dots, spec, path, footer, *known)

    monkeypatch.setattr(drawing, "draw", spy)
    own()
    before, ids = kept(own.folder), {path.name for path in own.folder.iterdir()}
    told = own(LOWER)
    other = own.folder.with_name(f"own+{LOWER}")
    assert kept(own.folder) == before, "what is finished stays"
    assert f"runs/own holds another result, which stays as it is: this one goes to runs/{other.name}" in told
    assert f"it falls {claims.hash_of(plain_hash(), [LOWER])}" in told and f"(with {LOWER})" in told
    assert {path.name for path in other.iterdir()} - {".locks", "claims.json", "asked.json"} == set(before), (
        "runs stay together"
    )
    assert len({path.name for path in own.folder.iterdir()} - ids) == 10

    plain, changed = (overview.read(folder / "verdicts.parquet") for folder in (own.folder, other))
    assert plain.changed.tolist() == [""] and changed.changed.tolist() == [LOWER]
    assert plain.hash.tolist() == [plain_hash()] != changed.hash.tolist()
    assert plain.stated_after.tolist() == changed.stated_after.tolist() == [0]
    record = json.loads((other / "claims.json").read_text())[changed.hash[0]]
    assert record["changed"] == [LOWER] and record["claim"] == "it falls"
    assert f"with {LOWER}" not in "".join(drawn["own"]) and all(f"with {LOWER}" in text for text in drawn[other.name])

    told = own(command="verdicts")
    assert f"{LOWER})" in told and "2 claims" in told
    assert "1 claim:" in own(other.name, command="verdicts")
    assert f"it falls (with {LOWER}) |" in own("--markdown", command="verdicts")


def test_a_variation_that_came_first_makes_way_for_the_study(own):
    """As README says: first with images=symbolic, then without; nothing is relabelled, and no claim counts as late."""
    own(LOWER)
    first = kept(own.folder)
    assert overview.read(own.folder / "verdicts.parquet").changed.tolist() == [LOWER]
    told, other = own(), own.folder.with_name(f"own+{LOWER}")
    assert f"that was in runs/own is now in runs/{other.name}" in told and "stated after" not in told
    assert kept(other) == first
    plain = overview.read(own.folder / "verdicts.parquet")
    assert plain.changed.tolist() == [""] and plain.hash.tolist() == [plain_hash()] and plain.stated_after[0] == 0
    told = own(LOWER)
    assert "10 runs finished before" in told and kept(other) == first and "stated after" not in told


def test_fewer_runs_never_replace_a_table_and_more_of_the_same_do(own):
    own()
    before = kept(own.folder)
    for command in ("run", "show"):
        told = own("seed=0,1,2", command=command)
        assert "this one goes to runs/own+seed=0,1,2" in told and kept(own.folder) == before
    part = overview.read(own.folder.with_name("own+seed=0,1,2") / "verdicts.parquet")
    assert part.changed.tolist() == ["seed=0,1,2"] and part.hash.tolist() == [plain_hash()], "it is the same claim"
    assert not list(own.folder.parent.glob("own+preset*"))

    assert "another result" not in own("preset=full")
    full = kept(own.folder)
    assert pd.read_parquet(own.folder / "results.parquet").run_id.nunique() == 12
    assert "this one goes to runs/own+preset=quick" in own()
    assert kept(own.folder) == full and "another result" not in own("preset=full") and kept(own.folder) == full


def test_a_table_whose_runs_are_gone_is_not_cut_to_those_that_are_left(own):
    own()
    before = kept(own.folder)
    gone = next(own.folder.glob("*/done.json"))
    gone.unlink()
    plan = runs.plan(studies.load("own.yaml"), [])
    assert sweep.show(plan.study, ["preset=quick"]) == 1
    assert kept(own.folder) == before


def test_a_study_that_is_edited_replaces_its_own_result(own):
    own()
    (own.folder.parents[1] / "own.yaml").write_text(OWN.replace("epochs: 1", "epochs: 2"))
    assert "another result" not in own() and [path.name for path in own.folder.parent.iterdir()] == ["own"]


@pytest.mark.parametrize(
    ("overrides", "changed", "levels"),
    [
        ([], (), ()),
        (["preset=full", "out=else", "workers=3", "digits.root=x"], (), ()),
        (["images=pixels", "training.epochs=4", "loss=clip", "captions=attributes"], (), ()),
        (["seed=0,1,2,3"], (), ()),
        (["temperature.mode=learnable"], (), ()),
        (["training.lr=2e-3"], ("training.lr=0.002",), ()),
        (["images=symbolic", "images=pixels"], (), ()),
        (["seed=range(0,3)"], (), ("seed=0,1,2",)),
        (["captions.attributes=1,5"], (), ("captions.attributes=1,5",)),
        (["temperature.mode=fixed", "temperature.init=0.02"], (), ("temperature.init=0.02", "temperature.mode=fixed")),
        (["temperature.mode=fixed", "temperature.init=0.05"], ("temperature.init=0.05",), ("temperature.mode=fixed",)),
        (["encoder.apart=0,3"], ("encoder.apart=0,3",), ()),
        (["seeds.init=0"], ("seeds.init=0",), ()),
        (["~captions.attributes", "captions=contiguous"], ("captions=contiguous", "~captions.attributes"), ()),
        (["space.hidden=[colour]"], ("space.hidden=[colour]",), ()),
        (["world=a b(c"], ("world='a b(c'",), ()),  # texts that Hydra would read as something else
        (["world=0,#"], ("world='0','#'",), ()),
    ],
)
def test_what_counts_as_changed(overrides, changed, levels):
    made = variations.of(runs.Plan(studies.load("imbalance"), None, None, (), tuple(overrides)))
    assert (made.changed, made.levels) == (changed, levels)


def test_names_that_are_no_good_for_a_folder_become_a_hash():
    study = studies.load("imbalance")
    for override in (
        "captions.object=colour",
        "world=../shapes.py",
        "space.hidden=[colour]",
        f"mad.style=[{','.join(['slant'] * 40)}]",
    ):
        made = variations.Made("quick", (override,))
        for name in (variations._name(study, made, {"a"}), variations._name(study, None, {"a"})):
            assert re.fullmatch(r"imbalance\+[\w.=,+~-]{1,120}", name)


def test_hashes_of_studies_as_they_are_written_are_those_that_are_published():
    for name, study in ((name, studies.load(name)) for name in studies.available()):
        published = overview.read(ROOT / "figures" / name / "verdicts.parquet").hash
        every = {studies.claim_hash(claim) for claim in study.claims}
        assert set(published) <= {claims.hash_of(known, ()) for known in every}
        assert not {claims.hash_of(known, ["images=symbolic"]) for known in every} & every
    assert claims.hash_of("0123abcd", ["a=1", "b=2"]) == claims.hash_of("0123abcd", ["b=2", "a=1"])


def test_a_claim_on_the_table_of_a_variation_says_of_which(own):
    own(LOWER)
    (own.folder.parents[1] / "reads.yaml").write_text(
        "question: Is it so?\ntable: own\nclaims:\n" + OWN.split("claims:\n")[1].split("figure:")[0]
    )
    assert cli.main(["run", "reads.yaml"]) == 0
    assert overview.read(own.folder.with_name("reads") / "verdicts.parquet").changed.tolist() == [LOWER]


# --- names


def test_a_named_variation_has_its_folder_and_every_command_finds_it(own, capsys):
    told, other = own(LOWER, "name=slow"), own.folder.with_name("own+slow")
    first = kept(other)
    assert not (own.folder / "results.parquet").exists() and "another result" not in told
    assert len(list(own.folder.glob("*/done.json"))) == 10, "its runs are kept with those of the study"
    judged = overview.read(other / "verdicts.parquet")
    assert judged.changed.tolist() == [LOWER] and judged.hash.tolist() == [claims.hash_of(plain_hash(), [LOWER])]
    assert judged.stated_after.tolist() == [0]
    for asked in (["own+slow"], ["own.yaml", "name=slow"]):
        for command, said in (("show", f"with {LOWER}"), ("verdicts", LOWER), ("status", LOWER), ("plan", "10 done")):
            assert cli.main([command, *asked]) == 0
            assert said in " ".join(capsys.readouterr().out.split()), command
    assert kept(other) == first
    assert cli.main(["run", "own+slow"]) == 0 and "10 runs finished before" in capsys.readouterr().out


def test_the_folder_of_a_variation_without_a_name_is_shown_too(own, capsys):
    """As is advised where its verdicts are damaged."""
    own()
    own(LOWER)
    assert cli.main(["show", f"own+{LOWER}"]) == 0
    assert f"with {LOWER}" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["show", "own+training.lr=0.02"]) == 2
    assert f"did you mean 'own+{LOWER}'" in capsys.readouterr().err


def test_a_name_is_taken_by_one_variation_and_by_its_largest_table(own, capsys):
    own(LOWER, "name=slow")
    before, ids = kept(own.folder.with_name("own+slow")), {path.name for path in own.folder.iterdir()}
    for overrides, said in (
        (["training.lr=0.003", "name=slow"], f"name=slow belongs to another variation, with {LOWER}"),
        ([LOWER, "seed=0,1", "name=slow"], "has 10 runs, and this sweep has not all of them"),
        (["name=a/b"], "name=a/b: it must have 1 to 120 characters"),
    ):
        assert cli.main(["run", "own.yaml", *overrides]) == 2
        told = capsys.readouterr().err
        assert said in told and told.count("\n") == 1
    assert kept(own.folder.with_name("own+slow")) == before
    assert {path.name for path in own.folder.iterdir()} == ids, "nothing was run"
    own(LOWER, "seed=range(0,6)", "name=slow")  # more of the same
    assert pd.read_parquet(own.folder.with_name("own+slow") / "results.parquet").run_id.nunique() == 12


def test_a_part_of_a_study_has_claims_that_were_stated_before_its_runs(own):
    own()
    own("seed=0,1,2", "name=part")
    part = overview.read(own.folder.with_name("own+part") / "verdicts.parquet")
    assert part.stated_after.tolist() == [0] and part.hash.tolist() == [plain_hash()]


@pytest.mark.parametrize(("asked", "told"), [("text,range(0)", "'text','range(0)'"), ("text,image", "text,image")])
def test_a_text_that_looks_like_a_range_is_a_text(asked, told):
    plan = runs.Plan(studies.load("imbalance"), None, None, (), (f"loss.query={asked}",))
    assert variations.of(plan).changed == (f"loss.query={told}",)
