"""A study's YAML file: what ships is sound, a user's own is checked, and overrides take the place of what is swept."""

import copy

import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen import InputError
from synthgap import runs, studies

OWN = """\
question: Does it?
grid: {captions.attributes: [0, 1, 2], seed: [0, 1]}
cases:
  - {temperature.mode: learnable}
  - {temperature.mode: fixed, temperature.init: 0.3}
presets:
  quick: {}
  tiny: {grid: {seed: [0]}, set: {training.epochs: 1}}
  whole: {grid: {seed: [0, 1, 2, 3, 4]}}
"""


@pytest.fixture
def own(tmp_path):
    """A user's own study, changed by the pieces of YAML that are given."""

    def write(text=OWN, **changes):
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(text) | changes))
        return studies.load(str(path))

    return write


def expand(study, *overrides):
    """What is swept, a dict a cell, and the overrides that hold for all."""
    return studies.expand(study, overrides)


@pytest.mark.parametrize("name", studies.available())
def test_a_study_that_ships_can_be_planned_in_each_preset(name, tmp_path):
    study = studies.load(name)
    for preset in [preset for preset in study.presets if preset != "files"]:
        try:
            plan = runs.plan(study, [f"preset={preset}", f"out={tmp_path}"])
        except InputError as error:
            if "synthgap[speech]" not in str(error):
                raise
            pytest.skip(str(error))
        assert len({task.run_id for task in plan.tasks}) == len(plan.tasks) > 1
        assert len(plan.tasks) == len(studies.expand(study, [f"preset={preset}"])[1]), "no cell is there twice"
        assert runs.plan(study, [f"preset={preset}", f"out={tmp_path}"], most=1).tasks == plan.tasks[:1]
    assert not list(tmp_path.iterdir()), "a plan writes nothing"


def test_files_that_only_one_case_reads_are_asked_for_and_are_that_case_s_alone(tmp_path, mnist):
    study, asked = studies.load("robustness-of-the-finding"), ["preset=files", f"out={tmp_path}"]
    with pytest.raises(InputError, match=r"digits\.root is not set: give digits\.root="):
        runs.plan(study, asked)
    tasks = runs.plan(study, [*asked, f"digits.root={mnist}", "seed=0"]).tasks
    by_case = {task.swept["case"]: task.config["digits"] for task in tasks}
    assert by_case.pop("MNIST's digits") == {"name": "idx", "root": str(mnist)}
    assert all(digits["name"] == "strokes" for digits in by_case.values())
    assert not any(key.startswith("digits.root") for task in tasks for key in task.swept), "a place is not swept"
    with pytest.raises(InputError, match=r"digits\.root is an option of some .* takes one value"):
        runs.plan(study, [*asked, "digits.root=a,b"])
    with pytest.raises(InputError, match="add digits=idx"):
        runs.plan(study, ["preset=full", f"digits.root={mnist}"])


def test_all_values_are_combined_in_each_case(own):
    swept, cells, constant = expand(own())
    assert swept == ["captions.attributes", "seed", "temperature.mode", "temperature.init"]
    assert len(cells) == 3 * 2 * 2 and constant == []
    assert {"captions.attributes": 2, "seed": 1, "temperature.mode": "fixed", "temperature.init": 0.3} in cells


def test_a_preset_changes_the_grid_and_sets_the_rest(own):
    _, cells, constant = expand(own(), "preset=tiny")
    assert {cell["seed"] for cell in cells} == {0} and constant == ["training.epochs=1"]


def test_an_override_takes_the_place_of_what_is_swept(own):
    _, cells, constant = expand(own(), "seed=7", "captions.attributes=1,5", "mad.images=600")
    assert {cell["seed"] for cell in cells} == {7} and {cell["captions.attributes"] for cell in cells} == {1, 5}
    assert constant == ["mad.images=600"]


def test_an_option_that_a_preset_s_choice_brings_can_be_overridden(own):
    """Whether the study sweeps it or not."""
    study = studies.load("entropy-finetune")
    _, cells, constant = expand(study, "preset=full", "finetune.fraction=0.3,0.6", "finetune.lr=0.001")
    assert {cell["finetune.fraction"] for cell in cells} == {0.3, 0.6} and constant[-1] == "finetune.lr=0.001"
    _, cells, _ = expand(study, "preset=full", "finetune.fraction=0.3")
    assert {cell["finetune.fraction"] for cell in cells} == {0.3}


def test_an_override_of_a_case_holds_in_every_case(own):
    swept, cells, _ = expand(own(), "temperature.mode=fixed", "temperature.init=0.1")
    assert {(c["temperature.mode"], c["temperature.init"]) for c in cells} == {("fixed", 0.1)}
    assert len(cells) == 6, "cases that became the same are one"
    assert swept[:2] == ["captions.attributes", "seed"]


def test_several_values_of_anything_make_a_sweep(own):
    swept, cells, _ = expand(own(), "training.lr=0.001,0.01", "seed=range(3)")
    assert "training.lr" in swept and len(cells) == 3 * 3 * 2 * 2
    assert {cell["training.lr"] for cell in cells} == {0.001, 0.01} and {cell["seed"] for cell in cells} == {0, 1, 2}


@settings(max_examples=20, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=5), k=st.lists(st.integers(0, 5), min_size=1, max_size=3)
)
def test_a_value_that_is_given_twice_is_run_once(seeds, k):
    study = studies.Study("own", "?", "", {"captions.attributes": [0], "seed": [0]}, [{}], {"quick": {}}, (), {})
    given_twice = [f"seed={','.join(map(str, seeds))}", f"captions.attributes={','.join(map(str, k))}"]
    _, cells, _ = expand(study, *given_twice)
    assert len(cells) == len(set(seeds)) * len(set(k))


def test_a_swept_parameter_can_be_dropped(own):
    swept, cells, _ = expand(own(), "~captions.attributes", "captions=fixed", "captions.factors=[digit],[digit,colour]")
    assert "captions.attributes" not in swept
    assert {str(cell["captions.factors"]) for cell in cells} == {"['digit']", "['digit', 'colour']"}
    with pytest.raises(InputError, match="did you mean 'seed'"):
        expand(own(), "~sed")


def test_one_factors_chance_can_be_swept(own):
    chances = ["captions=independent", "captions.probability.digit=1", "captions.probability.colour=0,0.5"]
    _, cells, _ = expand(own(), "~captions.attributes", *chances)
    assert {cell["captions.probability.colour"] for cell in cells} == {0, 0.5}


def test_an_unknown_preset_is_told(own):
    with pytest.raises(InputError, match="did you mean 'tiny'"):
        expand(own(), "preset=tinny")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"grid": 3}, "grid of .* must be a mapping"),
        ({"grid": {"seed": 3}}, "seed of grid of .* must be a list, not 3"),
        ({"grid": {"seed": []}}, "seed of grid of .* must be a list of 1 or more values"),
        ({"cases": {"seed": 1}}, "case 'seed' of .* must be a mapping"),
        ({"cases": 1}, "cases of .* must be a list of mappings"),
        ({"cases": ["seed"]}, "a case of .* must be a mapping"),
        ({"presets": ["quick"]}, "presets of .* must be a mapping"),
        ({"presets": {"quick": {"gird": {}}}}, "did you mean 'grid'"),
        ({"presets": {"quick": {"grid": {"seed": 0}}}}, "seed of grid of preset 'quick' of .* must be a list, not 0"),
        ({"figure": "pretty"}, "figure of .* must be a mapping"),
        ({"qestion": "?"}, "did you mean 'question'"),
        ({"claims": [{"claim": "it falls"}]}, "has no 'metric'"),
        (
            {"claims": [{"claim": "c", "metric": "rmg", "over": "seed", "levels": 3, "direction": "falls"}]},
            "levels of a claim of .* must be a list",
        ),
        (
            {"claims": [{"claim": "c", "metric": "rmg", "over": "seed", "levels": [0, 1], "direction": "fals"}]},
            "did you mean 'falls'",
        ),
    ],
)
def test_a_mistake_in_a_users_study_is_told(own, change, told):
    with pytest.raises(InputError, match=told):
        own(**change)


def comparison(**changes):
    """A claim about what the study `OWN` sweeps."""
    known = {"claim": "c", "metric": "rmg", "over": "captions.attributes", "levels": [0, 2], "direction": "falls"}
    return {"claims": [{key: value for key, value in (known | changes).items() if value is not None}]}


def test_a_claim_may_be_about_some_of_the_runs(own):
    (claim,) = own(**comparison(where={"temperature.mode": "fixed", "captions.attributes": 1})).claims
    assert claim.where == {"temperature.mode": "fixed", "captions.attributes": 1}
    assert own(**comparison()).claims[0].where == {}
    assert own(**comparison(where={"seed": [0, 1, 2, 3, 4]})).claims[0].where == {"seed": [0, 1, 2, 3, 4]}


def test_a_claim_may_compare_metrics_of_the_same_runs(own):
    (claim,) = own(**comparison(metric=None, over="metric", levels=["zero_shot", "probe"], of=["digit", "size"])).claims
    both = ["digit", "size"]
    assert claim.variables() == [{"metric": "zero_shot", "of": both}, {"metric": "probe", "of": both}]


def test_a_claim_may_be_about_a_change(own):
    change = {"over": "captions.attributes", "levels": [0, "2"]}
    (claim,) = own(**comparison(over="temperature.mode", levels=["fixed", "learnable"], change=change)).claims
    assert claim.change == {"over": "captions.attributes", "levels": [0, 2]}
    assert claim.ranges == [("temperature.mode", ("fixed", "learnable")), ("captions.attributes", [0, 2])]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"change": {"over": "captions.attributes", "levels": [0, 2]}},
            "its change is over captions.attributes, as the",
        ),
        ({"change": {"over": "sead", "levels": [0, 2]}}, "over of change of a claim of .*did you mean 'seed'"),
        ({"change": {"over": "seed"}}, "change of a claim of .*: it has no 'levels'"),
        ({"change": {"over": "seed", "levels": [0, 7]}}, "levels of change of a claim .*unknown level of seed '7'"),
        ({"change": 3}, "change of a claim of .* must be a mapping"),
        ({"where": "seed"}, "where of a claim of .* must be a mapping"),
        ({"where": {"sead": 1}}, "where of a claim of .*: unknown swept parameter 'sead'; did you mean 'seed'"),
        ({"where": {"seed": 7}}, "where of a claim of .*: unknown value of seed '7' .allowed: 0, 1"),
        ({"where": {"seed": [0, 7]}}, "where of a claim of .*: unknown value of seed '7' .allowed: 0, 1"),
        ({"over": "metric"}, "is over metric, so its levels are the metrics; leave out 'metric'"),
        (
            {"over": "metric", "metric": None, "levels": ["a"]},
            "levels of a claim .* must be a list of 2 or more values, not",
        ),
        ({"over": "metric", "metric": None, "levels": None}, "has no 'levels'"),
    ],
)
def test_a_mistake_in_what_a_claim_compares_is_told_in_one_line(own, changes, told):
    with pytest.raises(InputError, match=told) as error:
        own(**comparison(**changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"grid": {"training.batchs": [128, 256]}},
            "grid of .*: unknown option 'training.batchs'; did you mean 'training.batch'",
        ),
        ({"cases": {"a": {"los": "clip"}, "b": {}}}, "case 'a' of .*: unknown option 'los'; did you mean 'loss'"),
        (
            {"presets": {"quick": {"grid": {"sed": [1]}}}},
            "grid of preset 'quick' of .* 'sed'; did you mean 'seed'",
        ),
        (comparison(metric="RMG"), "unknown metric 'RMG' .* did you mean 'rmg'"),
    ],
)
def test_a_name_that_is_nearly_right_is_told_with_the_right_one(own, change, told):
    with pytest.raises(InputError, match=told) as error:
        own(**change)
    assert "\n" not in str(error.value)


def test_options_of_any_group_and_free_keys_may_be_swept(own):
    study = own(grid={"loss.bias": [-10, -5], "captions.probability.digit": [0.5, 1], "seed": [0, 1]})
    assert set(study.grid) == {"loss.bias", "captions.probability.digit", "seed"}


def test_a_claim_may_compare_what_one_metric_is_of(own):
    (claim,) = own(**comparison(metric="moad", over="of", levels=["text", "image"])).claims
    assert claim.variables() == [{"metric": "moad", "of": "text"}, {"metric": "moad", "of": "image"}]
    with pytest.raises(InputError, match="leave out 'of'"):
        own(**comparison(metric="moad", over="of", levels=["text", "image"], of="image"))
    with pytest.raises(InputError, match=r"'of' of a claim .* must be a name or a list of names"):
        own(**comparison(metric="rmg_at", over="of", levels=[0, 1]))


def explanation(**changes):
    """A claim of explanation."""
    known = {"claim": "c", "metric": "rmg", "of": "image-text", "explained_by": "seed", "direction": "falls"}
    return {"claims": [known | changes]}


def staying(**changes):
    """A claim that something stays as it is over two named cases."""
    known = {"claim": "c", "metric": "rmg", "over": "case", "levels": ["cold", "warm"], "direction": "stays"}
    return {"claims": [known | {"matters": 0.02} | changes]}


def test_a_claim_of_explanation_is_read_whole(own):
    gap = {"metric": "l2m", "of": ["image-text", "audio-text"]}
    (claim,) = own(**explanation(explained_by=gap, given=["seed", {"metric": "moad"}], matters=0.3)).claims
    assert (claim.explained_by, claim.given) == (gap, ("seed", {"metric": "moad"}))
    assert (claim.over, claim.levels, claim.matched) == ("", (), None)
    (claim,) = own(**explanation(matched=gap | {"within": 0})).claims
    assert claim.matched == gap | {"within": 0} and claim.given == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (explanation(direction="stays"), "a claim of .*: unknown direction 'stays' .allowed: falls, rises"),
        (explanation(direction="fals"), "did you mean 'falls'"),
        (explanation(over="seed"), "both levels and an explanation"),
        (explanation(given="seed"), "given of a claim of .* must be a list, not 'seed'"),
        (explanation(given=[3]), "given of a claim of .* must be a mapping"),
        (explanation(given=[{"of": "image"}]), "given of a claim of .* must name either a metric"),
        (explanation(explained_by={"metrik": "moad"}), "did you mean 'metric'"),
        (explanation(explained_by=["seed"]), "explained_by of a claim of .* must be a mapping"),
        (explanation(matched=3), "matched of a claim of .* must be a mapping"),
        (explanation(matched={"metric": "moad"}), "matched of a claim of .* has no 'within'"),
        (explanation(matched={"metric": "moad", "within": "near"}), "within of matched .* must be a number"),
        (explanation(matched={"metric": "moad", "within": 1}, given=["seed"]), "both 'given' and 'matched'"),
        (explanation(matters="much"), "matters of a claim of .* must be a number, not 'much'"),
        (staying(matters=0), "says that rmg stays: give matters, the largest change that does not matter"),
        (staying(matters=float("inf")), "matters of a claim of .* must be a finite number, not inf"),
        (staying(matters=-1), "must be greater than or equal to 0, not -1"),
        (staying(levels=["cold", "wram"]), "levels of a claim of .*: unknown case 'wram'; did you mean 'warm'"),
        (staying(levels=["cold", 3]), "levels of a claim of .*: unknown case '3'"),
        (staying(given=["seed"]), "both levels and an explanation"),
        ({"cases": {"cold": 3}}, "case 'cold' of .* must be a mapping"),
        ({"cases": {"cold": [{"temperature.init": 1}, 3]}}, "case 'cold' of .* must be a mapping"),
        ({"cases": "cold"}, "list of mappings, an arm of the comparison each, or name them: name: mapping"),
        ({"presets": {"quick": {"cases": {"cold": None}}}}, "case 'cold' of preset 'quick' of .* must be"),
    ],
)
def test_a_mistake_in_a_claim_or_a_case_is_told_in_one_line(own, change, told):
    with pytest.raises(InputError, match=told) as error:
        own(**({"cases": NAMED} | change))
    assert "\n" not in str(error.value)


THREE = {"levels": [0, 1, 2]}


@pytest.mark.parametrize(
    ("change", "test"),
    [
        (comparison(), "difference"),
        (comparison(**THREE), "trend"),
        (comparison(**THREE, direction="stays", matters=0.1), "equivalence"),
        (explanation(), "partial"),
        (explanation(given=["captions.attributes"]), "partial"),
        (explanation(matched={"metric": "moad", "within": 0.1}), "matched"),
        (explanation(test="kendall"), "kendall"),
        (explanation(held=["captions.attributes"]), "kendall"),
    ],
)
def test_the_test_follows_from_the_claim(own, change, test):
    (claim,) = own(**change).claims
    assert (claim.test, claim.seeds) == (test, 3)
    (spelt_out,) = own(claims=[change["claims"][0] | {"test": test, "seeds": 3}]).claims
    assert spelt_out == claim
    assert own(claims=[change["claims"][0] | {"seeds": 5}]).claims[0].seeds == 5


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (comparison(test="trend"), r"cannot be tested by trend .* but by difference \(of two levels\)"),
        (comparison(test="difference", **THREE), r"cannot be tested by difference .* but by trend"),
        (comparison(test="kendall"), "cannot be tested by kendall .* but by difference"),
        (comparison(test="trend", direction="stays", matters=0.1), "but by equivalence"),
        (comparison(held=["seed"]), "both levels and an explanation"),
        (comparison(test="diference"), "test of a claim of .*: unknown test 'diference'; did you mean 'difference'"),
        (comparison(test=["trend"]), "test of a claim of .*: unknown test"),
        (explanation(test="trend"), r"but by partial .* or kendall \(of an explanation"),
        (explanation(test="kendall", given=["seed"]), "but by partial"),
        (explanation(test="partial", held=["temperature.init"]), "but by kendall"),
        (explanation(held=["temperature.init"], given=["seed"]), "both 'given' and 'held'"),
        (explanation(held="temperature.init"), "held of a claim of .* must be a list, not"),
        (
            explanation(held=["temperature.int"]),
            "held of .*: unknown swept parameter .* did you mean 'temperature.init'",
        ),
        (explanation(held=["seed"]), "held of .*: unknown swept parameter 'seed'"),
        (
            explanation(explained_by={"over": "captions.attributes"}, held=["captions.attributes"]),
            "held of .*: unknown swept parameter 'captions.attributes'",
        ),
        (comparison(seeds=2), "seeds of a claim of .* must be greater than or equal to 3, not 2"),
        (comparison(seeds=4.5), "seeds of a claim of .* must be a whole number, not 4.5"),
        (comparison(seeds=True), "seeds of a claim of .* must be a whole number, not True"),
    ],
)
def test_evidence_that_does_not_fit_a_claim_is_told_in_one_line(own, change, told):
    with pytest.raises(InputError, match=told) as error:
        own(**change)
    assert "\n" not in str(error.value)


def hashes(own, change):
    return [studies.claim_hash(claim) for claim in own(**change).claims]


@pytest.mark.parametrize(
    ("change", "spelt_out"),
    [
        (comparison(), {"matters": 0, "where": {}, "of": "", "test": "difference", "seeds": 3}),
        (comparison(matters=1), {"matters": 1.0, "source": "elsewhere"}),
        (
            comparison(where={"captions.attributes": 1, "temperature.mode": "fixed"}),
            {"where": {"temperature.mode": "fixed", "captions.attributes": 1}},
        ),
        (explanation(), {"explained_by": {"over": "seed"}, "given": [], "test": "partial"}),
        (explanation(explained_by={"metric": "l2m"}), {"explained_by": {"of": "", "metric": "l2m"}}),
    ],
)
def test_a_claim_s_hash_forgets_how_it_is_written_down(own, change, spelt_out):
    (written,) = change["claims"]
    backwards = dict(reversed((written | spelt_out).items()))
    assert hashes(own, {"claims": [backwards]}) == hashes(own, change)
    assert all(len(name) == 8 and int(name, 16) >= 0 for name in hashes(own, change))


@pytest.mark.parametrize(
    ("change", "edits"),
    [
        (
            comparison(**THREE),
            [
                {"claim": "d"},
                {"metric": "l2m"},
                {"of": "image-text"},
                {"direction": "rises"},
                {"matters": 0.01},
                {"over": "seed", "levels": [0, 1]},
                {"levels": [0, 2, 1]},
                {"levels": [1, 2]},
                {"where": {"temperature.mode": "fixed"}},
                {"change": {"over": "temperature.mode", "levels": ["fixed", "learnable"]}},
                {"change": {"over": "temperature.mode", "levels": ["learnable", "fixed"]}},
                {"seeds": 4},
            ],
        ),
        (
            explanation(),
            [
                {"explained_by": "captions.attributes"},
                {"given": ["captions.attributes"]},
                {"matched": {"metric": "moad", "within": 0.1}},
                {"matched": {"metric": "moad", "within": 0.2}},
                {"test": "kendall"},
                {"held": ["captions.attributes"]},
            ],
        ),
    ],
)
def test_whatever_decides_what_is_tested_changes_a_claim_s_hash(own, change, edits):
    found = [hashes(own, {"claims": [change["claims"][0] | edit]})[0] for edit in ({}, *edits)]
    assert len(set(found)) == len(found)


GAP = {"metric": "l2m", "of": ["image-text", "audio-text"]}
CURVES = {"title": "p", "curves": [{"metric": "v_measure", "of": "digit"}]}
COURSE = [{"metric": "rmg_at", "label": "gap"}]
FOREST = {"kind": "forest", "over": "captions.attributes", "levels": [0, 2]}


def figure(**panel):
    """A figure of one panel."""
    return {"figure": {"x": {"metric": "imbalance_bits"}, "panels": [CURVES | panel]}}


@pytest.mark.parametrize(
    "change",
    [
        figure(),
        figure(ideal={"metric": "floor_loss"}, x={"over": "captions.attributes", "label": "k"}),
        figure(kind="path", x=GAP),
        figure(kind="scatter", x=GAP, colour="temperature.init", fits=True),
        figure(kind="course", curves=COURSE, colour="temperature.init", marks={0.5: "switch", 1: "end"}),
        {"figure": {"panels": [{"title": "p", "kind": "course", "curves": COURSE, "x": {"label": "t"}}]}},
        {"figure": {"panels": [CURVES | FOREST | {"matters": 0.05}]}},
        figure(kind="forest", over="case", levels=["cold", "warm"]),
        figure(kind="cases", x={"over": "case"}, curves=[{"metric": "knn", "published": {"warm": 0.7}}]),
        {"figure": {"panels": [CURVES | {"kind": "cases"}], "thresholds": [GAP | {"share": 0.9, "x": GAP}]}},
        {"figure": {"diagram": {"tiers": [[{"over": "seed"}, GAP], [{"metric": "v_measure", "label": "V"}]]}}},
        staying(metric=["v_measure_centred", "v_measure"], of=["digit", "digit"]),
    ],
)
def test_what_a_figure_or_a_claim_may_be(own, change):
    study = own(cases=NAMED, **change)
    assert study.figure == change.get("figure", {})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"figure": {"panel": []}}, "did you mean 'panels'"),
        ({"figure": {"panels": CURVES}}, "panels of figure of .* must be a list"),
        ({"figure": {"panels": [CURVES]}}, "panel 'p' of figure of .* has no x, nor has its figure"),
        ({"figure": {"panels": [CURVES | {"x": GAP}] * 2}}, "panels of figure of .*: 'p' is there twice"),
        ({"figure": {"over": "sed"}}, "did you mean 'seed'"),
        (figure(kind="path ways"), "panel 'p' of .*: unknown kind of panel 'path ways'; did you mean"),
        (figure(colour="seed"), "panel 'p' of figure of .*: unknown key 'colour'"),
        (figure(kind="scatter", colour="sed"), "colour of panel 'p' .* did you mean 'seed'"),
        (figure(kind="scatter", fits="yes"), "fits of panel 'p' .* must be true or false, not 'yes'"),
        (figure(fits=True), "panel 'p' of figure of .*: unknown key 'fits'"),
        (
            figure(kind="course", curves=[{"metric": "rmg"}]),
            "metric of a curve of panel 'p' .* rmg has no course; .* end in _at",
        ),
        (figure(kind="course", curves=[{"metric": "rmg_at", "of": "0.5"}]), "a curve of .*: unknown key 'of'"),
        (figure(kind="course", curves=[3]), "a curve of panel 'p' .* must be a mapping, not 3"),
        (figure(kind="course", curves=COURSE, x=GAP), "x of panel 'p' .*: unknown key 'metric'"),
        (figure(kind="course", curves=COURSE, marks=[0.5]), "marks of panel 'p' .* must be a mapping"),
        (
            figure(kind="course", curves=COURSE, marks={50: "half"}),
            "50 of marks .* must be less than or equal to 1, not 50",
        ),
        (figure(kind="course", curves=COURSE, marks={0.5: 3}), "0.5 of marks of panel 'p' .* must be a text"),
        (figure(kind="forest", levels=[0, 2]), "panel 'p' of figure of .* has no 'over'"),
        (figure(kind="forest", over="captions.attributes"), "panel 'p' of figure of .* has no 'levels'"),
        (figure(**FOREST | {"over": "captions.atributes"}), "did you mean 'captions.attributes'"),
        (
            figure(**FOREST | {"levels": [0, 7]}),
            "levels of panel 'p' .* captions.attributes '7' .allowed: 0, 1, 2",
        ),
        (figure(**FOREST | {"levels": [0]}), "levels of panel 'p' .* list of 2 or more values, not .0"),
        (figure(**FOREST | {"levels": [0, 0]}), "levels of panel 'p' .*: 0 is there twice"),
        (figure(**FOREST | {"matters": "5 %"}), "matters of panel 'p' .* must be a number"),
        (figure(**FOREST | {"over": "case", "levels": ["cold", "wram"]}), "did you mean 'warm'"),
        (figure(x={"over": "case"}), "x of panel 'p' .*: case has values that are no numbers"),
        (figure(x={"over": "temperature.int"}), "did you mean 'temperature.init'"),
        (figure(x={"label": "x"}), "must name either a metric"),
        (figure(curves=[{"metric": "v", "off": "digit"}]), "did you mean 'of'"),
        (figure(curves=[{"metric": "v"}, {"metric": "w"}]), "curves of panel 'p' .*: '' is there twice"),
        (figure(curves=[{"metric": "v", "published": {"warm": 1}}]), "a curve of .*: unknown key 'published'"),
        (
            figure(kind="cases", x={"over": "case"}, curves=[{"metric": "v", "published": {"wram": 1}}]),
            "did you mean 'warm'",
        ),
        (
            {"figure": {"thresholds": [GAP | {"share": 9, "x": GAP}]}},
            "share of a threshold .* must be less than 1, not 9",
        ),
        ({"figure": {"thresholds": [GAP | {"share": 0.9}]}}, "a threshold of .* has no x"),
        ({"figure": {"diagram": {"tiers": [[GAP]]}}}, "tiers of diagram .* a list of 2 or more"),
        ({"figure": {"diagram": {"tiers": [[GAP], [GAP]]}}}, "tiers of diagram .* is there twice"),
        ({"grid": {"temperature.init": [0.1]}}, "temperature.init is in its grid, and case 'cold' sets it too"),
        (explanation(explained_by="sed"), "explained_by of .*: unknown swept parameter 'sed'; did you mean 'seed'"),
        (explanation(explained_by="temperature.mode"), "temperature.mode has values that are no numbers"),
        (staying(levels=["cold"]), "list of 2 or more values, not"),
        (staying(metric=["v", "w", "x"]), "has 3 of 'metric' for 2 levels; give one, or one a level"),
        (staying(metric=["v", "w"], of=["digit"] * 3), "has 3 of 'of' for 2 levels"),
        (staying(metric=["v", "w"], of=0.5), "has 1 of 'of' for 2 levels"),
        (
            {"figure": {"thresholds": [GAP | {"share": 0.9, "kind": 3}]}},
            "a threshold of .* it has no x",
        ),
    ],
)
def test_a_mistake_in_a_figure_or_a_variable_is_told_in_one_line(own, change, told):
    with pytest.raises(InputError, match=told) as error:
        own(**({"cases": NAMED} | change))
    assert "\n" not in str(error.value)


TABLE = ROOT / "figures" / "imbalance" / "results.parquet"
MANY_BUT_ONE = {"quick": {"grid": {"seed": [0, 1, 2, 3]}}}
MANY = {"grid": {"seed": [0, 1, 2, 3, 4]}}
NAMED = {
    "warm": {"temperature.mode": "fixed", "temperature.init": 0.3},
    "cold": [
        {"temperature.mode": "fixed", "temperature.init": 0.01},
        {"temperature.mode": "fixed", "temperature.init": 0.02},
    ],
}


def test_named_cases_carry_their_names_and_several_may_share_one(own):
    study = own(cases=NAMED)
    swept, cells, _ = expand(study)
    assert study.of_cases == {"case", "temperature.mode", "temperature.init"}
    assert "case" in swept and len(cells) == 3 * 2 * 3
    by_name = {name: {c["temperature.init"] for c in cells if c["case"] == name} for name in NAMED}
    assert by_name == {"warm": {0.3}, "cold": {0.01, 0.02}}


def test_unnamed_cases_are_called_by_what_they_set(own):
    assert own().of_cases == set()
    assert "case" not in expand(own())[0]


def test_a_preset_s_cases_are_cases_too(own):
    study = own(cases=NAMED, presets={"quick": MANY, "one": {"cases": {"hard": {"loss": "modgap"}}}}, **staying())
    assert "loss" in study.of_cases
    assert {cell["case"] for cell in expand(study, "preset=one")[1]} == {"hard"}
    assert own(cases=[], presets={"quick": MANY | {"cases": NAMED}}, **staying()).claims[0].levels == ("cold", "warm")


def test_numbers_name_cases_too(own):
    study = own(cases={0.1: {"temperature.init": 0.1}, 1: {"temperature.init": 1}}, **staying(levels=[0.1, 1]))
    assert study.claims[0].levels == ("0.1", "1")
    assert {cell["case"] for cell in expand(study)[1]} == {"0.1", "1"}


def test_cases_lose_their_names_where_an_override_takes_the_place_of_what_they_set(own):
    swept, cells, _ = expand(own(cases=NAMED), "temperature.init=0.1", "seed=0")
    assert "case" not in swept and len(cells) == 3, "cases that became the same are one"
    swept, cells, _ = expand(own(cases=NAMED), "training.lr=0.1")
    assert "case" in swept and len(cells) == 3 * 2 * 3, "what no case sets takes no name away"


def test_a_case_s_name_is_no_option(own):
    with pytest.raises(InputError, match="unknown option 'case'"):
        expand(own(cases=NAMED), "case=cold")


def test_two_named_cases_that_are_the_same_run_are_refused(own, tmp_path):
    twins = {"default": {"temperature.init": 0.07}, "plain": {"temperature.init": "0.07"}}
    with pytest.raises(InputError, match="cases 'default' and 'plain' of own are the same run"):
        runs.plan(own(cases=twins), [f"out={tmp_path}"])
    tasks = runs.plan(own(cases=NAMED), [f"out={tmp_path}"]).tasks
    assert {task.swept["case"] for task in tasks} == {"warm", "cold"}
    assert not any("case" in task.config for task in tasks), "a name is no option of a run"


@pytest.mark.parametrize(
    ("content", "told"), [(b"question: [a\n", "is not YAML"), (b"\xff\xfe\x00", "is not YAML"), (b"- a\n", "mapping")]
)
def test_a_file_that_is_no_study_is_told(tmp_path, content, told):
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(InputError, match=told):
        studies.load(str(tmp_path / "bad.yaml"))


def test_a_study_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="did you mean 'imbalance'"):
        studies.load("imbalanc")
    with pytest.raises(InputError, match="No such file"):
        studies.load(str(tmp_path / "none.yaml"))


# --- a claim of one's own: names that are not there, seeds that are too few, a table that is read


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (comparison(metric="rgm"), "unknown metric 'rgm' in a claim of .*; did you mean 'rmg'. .`synthgap studies --metrics`"),
        (comparison(metric=3), "metric of a claim of .* must be a name or a list of names"),
        (comparison(metric=3, direction="stays"), "metric of a claim of .* must be a name or a list of names"),
        (comparison(metric="rmg_at", of="late"), "the `of` of rmg_at must be how much of training .* not 'late'"),
        (comparison(metric="rmg_at", of=0.5), "put numbers in quotes"),
        (explanation(explained_by={"metric": "l2n"}), "unknown metric 'l2n' in a claim"),
        (explanation(given=[{"metric": "l2n"}]), "unknown metric 'l2n' in a claim"),
        (explanation(matched={"metric": "l2n", "within": 1}), "unknown metric 'l2n' in a claim"),
        (figure(curves=[{"metric": "rgm"}]), "unknown metric 'rgm' in figure of .*; did you mean 'rmg'"),
        (figure(x={"metric": "imbalance"}), "unknown metric 'imbalance' in figure"),
        ({"figure": {"thresholds": [GAP | {"metric": "l2n", "share": 0.9, "x": GAP}]}}, "unknown metric 'l2n' in figure"),
        ({"figure": {"diagram": {"tiers": [[GAP], [{"metric": "l2n"}]]}}}, "unknown metric 'l2n' in figure"),
        (comparison(direction="increase"), "a claim of .*: unknown direction 'increase'; did you mean 'rises'"),
        (comparison(direction="down"), "a claim of .*: unknown direction 'down'; did you mean 'falls'"),
        (comparison(direction="fall"), "a claim of .*: unknown direction 'fall'; did you mean 'falls'"),
        (comparison(direction="same"), "a claim of .*: unknown direction 'same'; did you mean 'stays'"),
        (comparison(direction=None), "has no 'direction'"),
        (comparison(levels=[0, 3]), "levels of a claim of .*: unknown level of captions.attributes '3' .allowed: 0, 1, 2"),
        (comparison(levels=[0, 0]), "levels of a claim of .*: 0 is there twice"),
        (comparison(levels=2), "levels of a claim of .* must be a list, not 2"),
        (comparison(over="attributes"), "over of a claim of .*: unknown swept parameter 'attributes'"),
        (comparison(over=["seed"]), "over of a claim of .*: unknown swept parameter .* did you mean 'seed'"),
        (comparison(levls=[0, 1]), "did you mean 'levels'"),
        (comparison() | {"presets": {}}, r"compares two levels over 2 seeds: .* fewer than 3; sweep seed: \[0, 1, 2, 3, 4\]"),
        (
            comparison() | {"presets": {"quick": {"grid": {"seed": [0, 1, 2, 3]}}}},
            r"over 4 seeds: its p cannot fall under 0.0625; sweep seed: \[0, 1, 2, 3, 4\] or more",
        ),
        (comparison() | {"grid": {"captions.attributes": [0, 2]}, "presets": {}}, "over 1 seed: "),
        (comparison(where={"seed": [0, 1, 2, 3]}), "over 4 seeds: its p cannot fall under 0.0625"),
        (comparison(levels=[0, 1, 2]) | {"presets": {}}, r"compares 3 levels over 2 seeds: .* sweep seed: \[0, 1, 2\] or more"),
        (explanation() | {"presets": MANY_BUT_ONE}, "is an explanation over 4 seeds: its p cannot fall under 0.0625"),
        ({"claims": {"claim": "c"}}, "claims of .* must be a list"),
        ({"table": "imbalance"}, "reads a table, and trains nothing; leave out 'grid', or 'table'"),
    ],
)  # fmt: skip
def test_a_student_s_mistake_is_told_in_one_line(own, change, told):
    with pytest.raises(InputError, match=told) as error:
        own(**change)
    assert "\n" not in str(error.value)


def test_levels_may_be_written_in_quotes(own):
    assert own(**comparison(levels=["0", 2.0])).claims[0].levels == (0, 2.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty; it needs a question"),
        ("# nothing yet\n", "is empty; it needs a question"),
        ("- question\n- grid\n", "study .* must be a mapping, not"),
        ("question: q\ngrid:\n\tseed: [0]\n", "is not YAML: line 3: .*; indent by spaces, not tabs"),
        ("question: is it: so\n", "is not YAML: line 1: .*; put a text that holds a colon in quotes"),
        ("question: q\n", "has no 'grid' of what to train, nor a 'table' of what was trained"),
        ("question: q\ntable: 3\n", "table of .* must be a text .*, not 3"),
        ("question: q\ntable: none.parquet\n", "no table 'none.parquet'"),
    ],
)
def test_a_file_that_is_not_yet_a_study_says_what_it_needs(text, told, tmp_path):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(InputError, match=told) as error:
        studies.load(str(tmp_path / "own.yaml"), tmp_path / "runs")
    assert "\n" not in str(error.value)


def on_table(folder, **changes):
    """A study of the committed table, changed."""
    known = {"question": "?", "table": str(TABLE)} | comparison(levels=[0, 1, 2], of="image-text") | changes
    (folder / "own.yaml").write_text(yaml.safe_dump(known))
    return studies.load(str(folder / "own.yaml"))


def test_a_study_of_a_table_sweeps_nothing_and_knows_what_the_table_s_sweep_varied(tmp_path):
    study = on_table(tmp_path)
    assert study.table == TABLE and study.presets == {}
    assert study.grid["captions.attributes"] == [0, 1, 2, 3, 4, 5] and len(study.grid["seed"]) == 8


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (comparison(metric="rgm"), "unknown metric 'rgm' .*; did you mean 'rmg'. .*results.parquet has alignment, "),
        (comparison(metric="rmg_at"), "unknown metric 'rmg_at'"),
        (comparison(of="images"), "rmg is there of image-text, not of 'images'; did you mean 'image-text'"),
        (comparison(over="training.lr"), "over of .*: unknown swept parameter 'training.lr' .*captions.attributes"),
        (comparison(levels=[0, 9]), "level of captions.attributes '9' .allowed: 0, 1, 2, 3, 4, 5"),
        (comparison(of="image-text", where={"seed": [0, 1]}), "compares two levels over 2 seeds: .*results.parquet would need"),
        ({"presets": {}}, "reads a table, and trains nothing; leave out 'presets'"),
    ],
)  # fmt: skip
def test_a_mistake_about_a_table_is_told_with_what_the_table_holds(tmp_path, change, told):
    with pytest.raises(InputError, match=told) as error:
        on_table(tmp_path, **change)
    assert "\n" not in str(error.value)


def test_what_no_planned_run_is_of_is_told_before_any_of_them(own, tmp_path):
    study = own(cases=[], **comparison(of="images"))
    with pytest.raises(InputError, match=r"a claim of own\.yaml: rmg is there of image-text, not of 'images'"):
        runs.plan(study, ["images=symbolic", f"out={tmp_path}"])
    audio = own(cases=[], **comparison(of="image-audio"))
    with pytest.raises(InputError, match="rmg is there of image-text, not of 'image-audio'"):
        runs.plan(audio, [f"out={tmp_path}"])
    assert runs.plan(audio, ["world=avmnist", "images=symbolic", "captions.attributes=1", f"out={tmp_path}"]).tasks


def test_an_override_may_take_a_study_to_a_world_that_its_figure_is_not_about(own, tmp_path):
    (tmp_path / "coin.py").write_text(
        "from data_gen import Factor, FactorSpace, World\n"
        "world = World(FactorSpace([Factor('side', ['head', 'tail', 'edge']), Factor('metal', ['gold', 'tin'])]))\n"
    )
    study = own(cases=[], **figure(x={"over": "captions.attributes"}))  # of the digit
    asked = [f"world={tmp_path / 'coin.py'}", "images=symbolic", "captions.attributes=0,1", f"out={tmp_path}"]
    assert len(runs.plan(study, asked).tasks) == 4
    panel = CURVES | {"x": {"over": "captions.attributes"}, "curves": [{"metric": "probe", "of": "side"}]}
    wrong = own(cases=[], figure={"panels": [panel]})
    assert runs.plan(wrong, asked).tasks
    with pytest.raises(InputError, match=r"figure of own\.yaml: probe is there of digit, .* not of 'side'"):
        runs.plan(wrong, [f"out={tmp_path}"])


SHIPPED = [yaml.safe_load(studies.available()[name].read_text()) for name in ("imbalance", "what-moves-grouping")]
ODD = [
    None,
    3,
    -1.5,
    True,
    "",
    "x",
    "case",
    "metric",
    "seed",
    [],
    {},
    [1],
    [[1]],
    [None] * 2,
    {"a": 1},
    {"metric": "rmg"},
]


def places(node, at=()):
    """The way to every node under this one."""
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield (*at, key)
        yield from places(node[key], (*at, key))


@settings(max_examples=100, deadline=None)
@given(study=st.sampled_from(SHIPPED), odd=st.sampled_from(ODD), data=st.data())
def test_whatever_stands_anywhere_in_a_study_is_read_or_told_in_one_line(study, odd, data, tmp_path_factory):
    changed = copy.deepcopy(study)
    *way, last = data.draw(st.sampled_from(list(places(study))))
    node = changed
    for key in way:
        node = node[key]
    node[last] = odd
    path = tmp_path_factory.getbasetemp() / "odd.yaml"
    path.write_text(yaml.safe_dump(changed))
    told = ""
    try:
        studies.load(str(path))
    except InputError as error:
        told = str(error)
    assert "\n" not in told


# --- YAML as it is written


def written(folder, old, new, text=OWN):
    assert old in text
    (folder / "own.yaml").write_text(text.replace(old, new))
    return studies.load(str(folder / "own.yaml"))


def test_numbers_of_a_power_of_ten_are_numbers(tmp_path):
    grid = written(tmp_path, "seed: [0, 1]}\ncases", "training.lr: [1e-3, 8e-3, '1e-2']}\ncases").grid
    assert grid["training.lr"] == [0.001, 0.008, 0.01] and all(isinstance(x, float) for x in grid["training.lr"])


@pytest.mark.parametrize("name", ["on", "yes", "off", "010", "0x1F", "1:30", "2024-01-01", "1_000", "Größe"])
def test_a_case_has_the_name_that_is_written(tmp_path, name):
    study = written(
        tmp_path, "  - {temperature.mode: learnable}\n  -", f"  {name}: {{temperature.mode: learnable}}\n  b:"
    )
    assert [case["case"] for case in study.cases] == [name, "b"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("cases:", "grid: {seed: [0]}\ncases:", "line 3: the key 'grid' is there twice, first in line 2"),
        ("seed: [0, 1]", "seed: [0, 1], seed: [2]", "line 2: the key 'seed' is there twice, first in line 2"),
        ("presets:", "presets:\n  true: {}", "line 7: the key 'true' would be read as True; put"),
        ("presets:", "presets:\n  1.50: {}", "line 7: the key '1.50' would be read as 1.5; put"),
        ("presets:", "presets:\n  ~: {}", "line 7: the key '~' would be read as None; put"),
        ("[0, 1, 2]", "[yes]", "grid of .*, line 2: captions.attributes must be a whole number, not 'yes'"),
        ("[0, 1, 2]", "[INF]", "must be a whole number, not 'INF'"),
        ("[0, 1, 2]", "[.inf]", "must be a whole number, not inf"),
        ("[0, 1, 2]", "[010]", "must be a whole number, not '010'"),
        ("[0, 1, 2]", "[2024-01-01]", "must be a whole number, not '2024-01-01'"),
        ("[0, 1, 2]", "[!!timestamp 2024-01-01]", "line 2: tags are not understood here; leave out '!!timestamp'"),
        ("[0, 1, 2]", "[!!python/object:os.system x]", "line 2: tags are not understood here"),
        ("[0, 1, 2]", f"[{'9' * 400}]", "line 2: '9{37}…' is too large for a whole number"),
        ("[0, 1, 2]", f"[{'9' * 5000}]", "too large for a whole number"),
        ("[0, 1, 2]", "[1e400]", "line 2: '1e400' is too large for a number"),
        ("[0, 1, 2]", "[" * 200 + "]" * 200, "line 2: it is nested more than 40 levels deep"),
        ("[0, 1, 2]", "[*a]", "line 2: found undefined alias 'a'"),
        ("[0, 1, 2]", "&a [*a]", "more than 100,000 values"),
        ("[0, 1, 2]", "[0]}\nsource: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\nclaims: {"
         + ", ".join(f"k{i}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]" for i in range(9)) + ", s: [0]",
         "with its aliases .* written out it holds more than 100,000 values"),
    ],
)  # fmt: skip
def test_yaml_that_would_be_misread_is_refused_with_its_line(tmp_path, old, new, told):
    with pytest.raises(InputError, match=told) as error:
        written(tmp_path, old, new)
    assert "\n" not in str(error.value) and "own.yaml" in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("at", "change", "told"),
    [
        ("quick: {}", "quick: {gird: {}}", "preset 'quick' of .*own.yaml, line 7: unknown key 'gird'; did you mean 'grid'"),
        ("[0, 1, 2]", "3", "captions.attributes of grid of .*own.yaml, line 2: it must be a list, not 3"),
        ("init: 0.3}", "init: hot}", "a case of .*own.yaml, line 5: temperature.init must be a number, not 'hot'"),
        ("question:", "figure:\n  panels:\n  - title: p\n    x: {over: seed}\n    curves:\n    - metric: 3\nquestion:",
         "metric of a curve of panel 'p' of figure of .*own.yaml, line 6: it must be a text"),
        ("question:", "claims:\n- claim: c\n  metric: rmg\n  explained_by: sed\n  direction: falls\nquestion:",
         "explained_by of a claim of .*own.yaml, line 4: unknown swept parameter 'sed'; did you mean 'seed'"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_told_with_its_line(tmp_path, at, change, told):
    with pytest.raises(InputError, match=told):
        written(tmp_path, at, change)


@pytest.mark.parametrize(
    "name", ["imbalance", "datasets", "DataSets", "a+b", "own=1", ".own", "-own", "x" * 101, "a\tb"]
)
def test_a_study_s_name_is_checked_before_it_becomes_a_folder(tmp_path, name):
    (tmp_path / f"{name}.yaml").write_text(OWN)
    with pytest.raises(InputError, match=r"gets its name|of its own beside|comes with synthgap") as error:
        studies.load(str(tmp_path / f"{name}.yaml"))
    assert len(str(error.value).splitlines()) == 1
