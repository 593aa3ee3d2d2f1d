"""What a study asks of its table, on tables with known answers: arms, dots, levels, thresholds, paths, and their pictures."""

import cv2
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy.stats import kendalltau, linregress, spearmanr, ttest_1samp
from sklearn.linear_model import LinearRegression

from data_gen import InputError
from synthgap import judging, panels, variables
from synthgap.panels import diagram, drawing
from synthgap.panels.style import COLOURS, FALLS, RISES, scale
from synthgap.studies import Claim, Study

SEEDS = range(4)


def study(claims=(), cases=(), grid=("k",), **figure) -> Study:
    return Study("own", "?", "", {key: [0] for key in grid}, cases or [{}], {"quick": {}}, tuple(claims), figure)


def table(cells, value, seeds=SEEDS) -> pd.DataFrame:
    """A run a cell (its swept values) and seed; `value` gives {(metric, of): value} of each."""
    rows = []
    for seed in seeds:
        for i, cell in enumerate(cells):
            known = {"run_id": f"{i}-{seed}", "seed": seed} | cell
            rows += [known | {"metric": m, "of": of, "value": v} for (m, of), v in value(seed, **cell).items()]
    return pd.DataFrame(rows)


NAMED = [{"case": "CLIP", "loss": "clip", "t": 0.1}, {"case": "ATP", "loss": "modgap", "t": 0.5}]


def closing(shift=0.0, noise=0.01):
    """Under ATP the gap is smaller by 0.5 on each seed's own offset, grouping larger by 0.2, retrieval moves by `shift`."""
    rng = np.random.default_rng(0)

    def value(seed, case, **_):
        atp = case == "ATP"
        gaps = {("l2m", f"{name}-text"): seed + 1 - 0.5 * atp + rng.normal(0, noise) for name in ("image", "audio")}
        grouping = {("v_measure", "digit"): seed + 0.2 * atp + rng.normal(0, noise)}
        return gaps | grouping | {("recall@1", "image-text"): seed + shift * atp + rng.normal(0, noise)}

    return table(NAMED, value, seeds=range(8))


def claim(metric, of, direction, matters=0.05, **more) -> Claim:
    return Claim("it does", metric, of, direction, matters, "", **more)


BOTH = {"over": "case", "levels": ("CLIP", "ATP")}


def test_a_named_case_stands_for_all_that_it_sets():
    runs = closing()
    assert set(variables.arms(runs, study(cases=NAMED), "seed")) == {"CLIP", "ATP"}
    assert set(variables.arms(runs, study(cases=NAMED), "case")) == {""}
    unnamed = [{key: case[key] for key in ("loss", "t")} for case in NAMED]
    assert set(variables.arms(runs.drop(columns="case"), study(cases=unnamed), "seed")) == {
        "loss clip, t 0.1",
        "loss modgap, t 0.5",
    }


@pytest.mark.parametrize(("shift", "verdict"), [(0, "supported"), (0.2, "contradicted"), (0.05, "undecided")])
def test_a_claim_over_cases_may_be_that_something_stays(shift, verdict):
    stays = claim("recall@1", "image-text", "stays", **BOTH)
    (row,) = judging.verdicts(closing(shift), study([stays], NAMED)).itertuples()
    assert (row.verdict, row.claim, row.seeds) == (verdict, "it does", 8)
    assert row.effect == pytest.approx(shift, abs=0.02)


def test_a_claim_may_be_about_a_mean(tmp_path):
    falls = claim("l2m", ["image-text", "audio-text"], "falls", **BOTH)
    rises = claim("v_measure", "digit", "rises", **BOTH)
    runs = closing()
    judged = judging.verdicts(runs, study([falls, rises], NAMED))
    values = runs[runs.metric == "l2m"].groupby(["seed", "case"]).value.mean().unstack()
    assert judged.effect[0] == pytest.approx((values.ATP - values.CLIP).mean())
    assert judged.verdict.tolist() == ["supported"] * 2
    judged.to_parquet(tmp_path / "judged.parquet")
    assert pd.read_parquet(tmp_path / "judged.parquet")["of"].tolist() == ["image-text, audio-text", "digit"]


def test_a_claim_is_judged_in_arms_that_have_two_of_its_levels():
    cells = [{"case": "swept", "t": t} for t in (1, 2, 3)] + [{"case": "fixed", "t": 1}]
    runs = table(cells, lambda seed, case, t: {("rmg", ""): seed - t + 0.01 * seed * t})
    falls = claim("rmg", "", "falls", over="t", levels=(1, 2, 3))
    judged = judging.verdicts(runs, study([falls], cells))
    assert judged.claim.tolist() == ["it does (swept)"]
    assert judged.verdict.tolist() == ["supported"]


def test_a_claim_may_be_about_what_a_metric_changes_by():
    """Both cases have other values, and the same fall from t = 1 to 3, but for an extra of the second."""
    cells = [{"case": case, "t": t, "u": u} for case in ("CLIP", "ATP") for t in (1, 2, 3) for u in (0, 1)]
    rng = np.random.default_rng(1)

    def value(extra):
        noise = rng.normal(0, 0.001, 1000)
        return lambda seed, case, t, u: {
            ("rmg", ""): seed - t + (case == "ATP") * (5 + extra * t) + u + noise[(8 * seed + 3 * u + t) % 1000]
        }

    change = {"over": "t", "levels": (1, 2, 3)}
    stays = claim("rmg", "", "stays", **BOTH, change=change)
    for extra, verdict in ((0, "supported"), (0.2, "contradicted")):
        runs = table(cells, value(extra), seeds=range(8))
        judged = judging.verdicts(runs, study([stays]))
        assert judged.arm.tolist() == ["u 0", "u 1"] and judged.verdict.tolist() == [verdict] * 2
        for u, effect in enumerate(judged.effect):  # a loop over what is asked
            of = {(row.seed, row.case, row.t): row.value for row in runs[runs.u == u].itertuples()}
            by = {case: [of[s, case, 3] - of[s, case, 1] for s in range(8)] for case in ("CLIP", "ATP")}
            assert effect == pytest.approx(np.mean(by["ATP"]) - np.mean(by["CLIP"]))
    assert judging.unjudged(runs[runs.t > 2], study([stays]), stays) == "this sweep has fewer than two of t = 1, 2, 3"
    assert judging.unjudged(runs.drop(columns="t"), study([stays]), stays) == "this sweep does not vary t"
    (row,) = judging.verdicts(runs[(runs.u == 0) & (runs.seed < 7) | (runs.t < 3)], study([stays])).itertuples()
    assert (row.arm, row.seeds) == ("u 0", 7), "an arm, or a seed, without both ends has no change"


def test_each_level_may_have_its_own_metric():
    """Does the gap of CLIP compare with the grouping of ATP? Each is looked up where it is asked for."""
    own = claim(["l2m", "v_measure"], ["image-text", "digit"], "falls", **BOTH)
    runs = closing()
    (row,) = judging.verdicts(runs, study([own], NAMED)).itertuples()
    values = runs.set_index(["seed", "case", "metric", "of"]).value
    expected = [values[s, "ATP", "v_measure", "digit"] - values[s, "CLIP", "l2m", "image-text"] for s in range(8)]
    assert row.effect == pytest.approx(np.mean(expected))
    assert (row.metric, row.of) == ("l2m, v_measure", "image-text, digit")


def test_metrics_of_the_same_runs_may_be_compared_where_it_is_asked():
    """Of CLIP alone: is grouping more than the mean gap?"""
    runs = closing()
    rises = claim(["l2m", "l2m"], ["image-text", "audio-text"], "rises", over="metric", levels=("l2m", "l2m"))
    assert judging.unjudged(runs, study([rises]), rises) == "", "one metric twice is no mistake: of may be a list"
    more = claim(["l2m", "v_measure"], "", "rises", over="metric", levels=("l2m", "v_measure"), where={"case": "CLIP"})
    assert "unknown `of` of l2m" in judging.unjudged(runs, study([more]), more)
    runs["of"] = "all"
    more = claim(
        ["l2m", "v_measure"], "all", "falls", over="metric", levels=("l2m", "v_measure"), where={"case": "CLIP"}
    )
    (row,) = judging.verdicts(runs, study([more], NAMED)).itertuples()
    values = runs[runs.case == "CLIP"].groupby(["seed", "metric"]).value.mean().unstack()
    assert row.effect == pytest.approx((values.v_measure - values.l2m).mean()) and row.claim == "it does"


def test_a_claim_about_some_of_the_runs_needs_them():
    few = claim("v_measure", "digit", "rises", over="seed", levels=(0, 1), where={"case": "SigLIP"})
    assert judging.unjudged(closing(), study([few]), few) == "this sweep has no runs of case=SigLIP"
    assert judging.compared(closing(), study([few], NAMED), few) == {}
    gone = claim("v_measure", "digit", "rises", over="seed", levels=(0, 1), where={"rho": 1})
    assert judging.unjudged(closing(), study([gone]), gone) == "this sweep has no runs of rho=1"


def test_a_panel_may_show_some_of_the_runs():
    cells = [{"case": name, "t": t} for name in ("a", "b", "c") for t in (1, 2)]
    runs = table(cells, lambda seed, case, t: {("rmg", ""): seed + t})
    panel = {"title": "p", "kind": "cases", "x": {"over": "case"}, "curves": [{"metric": "rmg"}]}
    shown = panels.dots(runs, study(cases=cells, panels=[panel | {"where": {"case": ["a", "c"], "t": 2}}]))
    assert set(shown.label) == {"a", "c"} and sorted(shown.value) == sorted(2 * [seed + 2 for seed in SEEDS])
    assert set(panels.dots(runs, study(cases=cells, panels=[panel])).label) == {"a", "b", "c"}
    gone = panels.dots(runs, study(cases=cells, panels=[panel | {"where": {"case": "d"}}]))
    assert gone.empty


def test_an_option_that_a_run_s_loss_does_not_have_is_not_said_of_it():
    cells = [{"loss": "clip", "loss.bias": None}, *({"loss": "siglip", "loss.bias": b} for b in (-5.5, 0.5))]
    runs = table(cells, lambda seed, **_: {("rmg", ""): 0.0})
    assert set(variables.arms(runs, study(cases=cells), "seed")) == {
        "loss clip",
        "loss siglip, bias -5.5",
        "loss siglip, bias 0.5",
    }


def explained(noise=0.1, seeds=SEEDS) -> pd.DataFrame:
    """48 runs a seed: bias moves grouping; gap goes with grouping only as it goes with bias."""
    rng = np.random.default_rng(0)
    cells = [{"k": k, "t": t, "w": w} for k in range(4) for t in (0.1, 0.2, 0.4) for w in range(4)]

    def value(seed, k, t, w):
        bias = k + 0.3 * w + rng.normal(0, noise)
        gap = -bias + rng.normal(0, 3 * noise)
        grouping = 2 * bias + rng.normal(0, noise)
        return {("moad", "image"): bias + 0.5, ("moad", "audio"): bias - 0.5, ("l2m", ""): gap, ("v", ""): grouping}

    return table(cells, value, seeds)


BIAS = {"metric": "moad", "of": ["image", "audio"]}
GAP = {"metric": "l2m"}


def test_an_explanation_counts_beyond_what_is_given():
    """The gap goes with grouping, surely, as long as nobody asks for the bias."""
    claims = [
        claim("v", "", "falls", 0.3, explained_by=GAP),
        claim("v", "", "falls", 0.3, explained_by=GAP, given=(BIAS, "t")),
        claim("v", "", "rises", 0.3, explained_by=BIAS, given=(GAP, "t")),
        claim("v", "", "rises", 0.3, explained_by="t"),
    ]
    judged = judging.verdicts(explained(seeds=range(5)), study(claims))
    assert judged.verdict.tolist() == ["supported", "contradicted", "supported", "contradicted"]
    assert judged.effect[0] < -0.9 and abs(judged.effect[1]) < 0.2 and judged.effect[2] > 0.8
    assert (judged.seeds == 5).all() and judged.p[0] == 1 / 32


def test_an_explanation_is_what_spearman_says_of_each_seed():
    runs = explained()
    wide = runs.pivot_table(index=["seed", "run_id"], columns="metric", values="value")
    expected = np.mean([spearmanr(part.v, part.l2m).statistic for _, part in wide.groupby("seed")])
    judged = judging.verdicts(runs, study([claim("v", "", "falls", explained_by=GAP)]))
    assert judged.effect[0] == pytest.approx(expected)


@pytest.mark.parametrize("within", [0, 0.5])
def test_pairs_of_runs_may_be_matched_as_closely_as_not_to_differ(within):
    """Of two runs of equal grouping by design, that with more bias has the smaller gap; `within: 0` is no absence of it."""
    runs = table(
        [{"k": k, "t": t} for k in range(3) for t in range(3)],
        lambda seed, k, t: {("v", ""): 10.0 * k - t, ("l2m", ""): float(k), ("moad", ""): 10.0 * k + t},
    )
    matched = GAP | {"within": within}
    (row,) = judging.verdicts(
        runs, study([claim("v", "", "falls", explained_by={"metric": "moad"}, matched=matched)])
    ).itertuples()
    assert row.effect == -1


def test_what_does_not_vary_explains_nothing_and_that_is_told():
    runs, asked = explained().assign(t=0.1), claim("v", "", "rises", explained_by="t")
    assert judging.verdicts(runs, study([asked])).empty
    assert judging.unjudged(runs, study([asked]), asked) == "no seed has, for t, runs enough that differ"


def test_an_explanation_by_what_this_sweep_dropped_is_left_out():
    asked = claim("v", "", "rises", explained_by=BIAS, given=("t",))
    assert judging.verdicts(explained().drop(columns="t"), study([asked])).empty
    assert "unknown swept parameter 't'" in judging.unjudged(explained().drop(columns="t"), study([asked]), asked)
    assert judging.unjudged(explained(), study([asked]), asked) == ""


def test_a_variable_is_one_value_a_run_and_told_if_there_is_none():
    runs = explained()
    both = runs[runs.metric == "moad"].set_index(["run_id", "of"]).value.unstack()
    assert variables.of_runs(runs, BIAS)[both.index].to_numpy() == pytest.approx((both.image + both.audio) / 2)
    assert variables.of_runs(runs, "w")["1-0"] == 1
    for wrong, told in [
        ("wt", "unknown swept parameter 'wt'"),
        ({"metric": "moat"}, "did you mean 'moad'"),
        ({"metric": "moad", "of": ["image", "audoi"]}, "did you mean 'audio'"),
    ]:
        with pytest.raises(InputError, match=told):
            variables.of_runs(runs, wrong)


CASES = {"title": "a", "kind": "cases", "curves": [{"metric": "v_measure", "of": "digit", "published": {"ATP": 3.0}}]}
CLOUD = {"kind": "scatter", "x": GAP, "curves": [{"metric": "v", "of": "", "label": "grouping"}]}


def test_cases_stand_side_by_side_with_their_names_and_bars_within_seeds():
    dots = panels.dots(closing(), study(cases=NAMED, panels=[CASES]))
    assert dict(zip(dots.label, dots.x, strict=True)) == {"CLIP": 0, "ATP": 1}
    points = panels.levels(dots).set_index("label")
    assert points["mean"].diff().dropna().to_list() == pytest.approx([0.2], abs=0.02)
    assert (points.high - points.low).max() < 0.1  # the seeds' offsets of 0 to 7 are not in the way
    assert (points.seeds == 8).all()


def test_cases_that_share_no_seed_are_shown_each_by_its_own():
    runs = closing()
    runs = runs[(runs.seed < 4) == (runs.case == "CLIP")]
    points = panels.levels(panels.dots(runs, study(cases=NAMED, panels=[CASES])))
    assert points.label.tolist() == ["CLIP", "ATP"] and points.seeds.tolist() == [4, 4]


def test_without_names_there_is_no_panel_of_cases():
    assert panels.dots(closing().drop(columns="case"), study(cases=NAMED, panels=[CASES])).empty


def test_a_path_goes_through_the_mean_of_each_cell():
    """x is a metric that every seed has its own of: the mean of both, and the interval of the value."""
    runs = explained()
    points = panels.levels(panels.dots(runs, study(grid=["k"], panels=[CLOUD | {"title": "p", "kind": "path"}])))
    assert len(points) == 48 and set(points.arm) == {f"t {t}, w {w}" for t in (0.1, 0.2, 0.4) for w in range(4)}
    cell = runs[(runs.k == 2) & (runs.t == 0.2) & (runs.w == 3)]
    gap, v = (cell[cell.metric == metric].value for metric in ("l2m", "v"))
    at = points[(points.x - gap.mean()).abs() < 1e-9].squeeze()
    half = 3.182446 * v.std() / 2  # t of 3 degrees of freedom
    assert (at["mean"], at.low, at.high) == pytest.approx((v.mean(), v.mean() - half, v.mean() + half))
    assert (at.arm, at.curve, at.seeds) == ("t 0.2, w 3", "grouping", 4)


def test_a_path_is_joined_in_the_order_of_the_plan_and_within_whole_seeds():
    """Cells come as 3, 0, 4, 1, 2, each of its own gap; a seed that lacks a cell would shift that cell's mean."""
    runs = falling()
    runs = runs[~((runs.seed == 3) & (runs.k == 4))]
    panel = CLOUD | {"title": "p", "kind": "path"}
    points = panels.levels(panels.dots(runs, study(panels=[panel])))
    assert points.label.tolist() == ["k 3", "k 0", "k 4", "k 1", "k 2"]
    assert points.x.to_numpy() == pytest.approx(np.array(GAPS)[[3, 0, 4, 1, 2]] + 0.01)
    assert (points.seeds == 3).all()


@pytest.mark.parametrize("x", [{"over": "t"}, "t"])
def test_x_may_be_a_swept_parameter_which_then_makes_no_arm(x):
    panel = {"title": "p", "x": x, "curves": CLOUD["curves"]}
    points = panels.levels(panels.dots(explained(), study(grid=["k"], panels=[panel])))
    assert set(points.x) == {0.1, 0.2, 0.4} and set(points.arm) == {f"k {k}, w {w}" for k in range(4) for w in range(4)}


def test_a_panel_of_what_a_world_does_not_have_is_left_out():
    shown = [CLOUD | {"title": "p"}, CLOUD | {"title": "q", "x": {"metric": "none"}}]
    shown.append(CLOUD | {"title": "r", "curves": [{"metric": "v", "of": "voice"}]})
    assert set(panels.dots(explained(), study(panels=shown)).panel) == {"p"}


def test_a_cloud_is_coloured_by_what_it_is_asked_to():
    dots = panels.dots(explained(), study(panels=[CLOUD | {"title": "s", "colour": "t"}]))
    assert list(dict.fromkeys(dots.arm)) == ["t 0.1", "t 0.2", "t 0.4"] and len(dots) == 4 * 48
    dropped = panels.dots(explained().drop(columns="t"), study(panels=[CLOUD | {"title": "s", "colour": "t"}]))
    assert set(dropped.arm) == {f"w {w}" for w in range(4)}


def test_an_arm_of_a_single_cell_is_a_point():
    runs = explained()
    runs = runs[(runs.t == 0.1) & (runs.w == 0)]
    points = panels.levels(panels.dots(runs, study(panels=[CLOUD | {"title": "s", "colour": "k"}])))
    assert points.arm.tolist() == [f"k {k}" for k in range(4)] and (points.seeds == 4).all()


SHARES = ("0", "0.5", "1")
COURSE = {"title": "course", "kind": "course", "curves": [{"metric": "gap_at", "label": "gap"}]}


def trained(seeds=SEEDS) -> pd.DataFrame:
    """Gaps that open from 1 by 2 (of k = 1: by 4) through training, on each seed's own offset; learning rates differ."""
    rng = np.random.default_rng(0)
    cells = [{"k": k, "lr": lr} for k in (1, 0) for lr in (0.1, 0.2)]

    def value(seed, k, lr):
        opened = {share: 1 + 2 * (1 + k) * float(share) + 10 * lr + rng.normal(0, 0.01) for share in SHARES}
        return {("gap_at", share): seed + gap for share, gap in opened.items()} | {("gap", ""): 0.0}

    return table(cells, value, seeds)


def test_a_course_is_a_line_an_arm_over_the_share_of_training():
    runs = trained()
    points = panels.levels(panels.dots(runs, study(panels=[COURSE])))
    assert list(dict.fromkeys(points.arm)) == [f"k {k}, lr {lr}" for k in (1, 0) for lr in (0.1, 0.2)], (
        "nothing left out"
    )
    for arm, line in points.groupby("arm"):
        part = runs[(runs.k == int(arm[2])) & (runs.lr == float(arm[-3:])) & (runs.metric == "gap_at")]
        assert line.x.tolist() == [0, 0.5, 1] and (line.seeds == 4).all()
        means = part.groupby("of").value.mean()[list(SHARES)]
        assert line["mean"].to_numpy() == pytest.approx(means.to_numpy())
        assert (line.high - line.low).max() < 0.1, "the seeds' offsets of 0 to 3 are not in the way"


def test_a_coloured_course_is_still_a_line_a_cell():
    points = panels.levels(panels.dots(trained(), study(panels=[COURSE | {"colour": "k"}])))
    assert set(points.arm) == {"k 0", "k 1"} and len(points) == 4 * 3
    slow, fast = (points[points.label == f"k 0, lr {lr}"]["mean"].to_numpy() for lr in (0.1, 0.2))
    assert fast - slow == pytest.approx(np.ones(3), abs=0.05), "the mean of both would hide it"


def test_a_run_that_lacks_a_share_of_its_course_is_left_out_with_no_other():
    runs = trained()
    gone = (runs.seed == 2) & (runs.k == 0) & (runs.lr == 0.1) & (runs["of"] == "0.5")
    dots = panels.dots(runs[~gone], study(panels=[COURSE | {"colour": "k"}]))
    assert len(dots) == 4 * 4 * 3 - 3
    assert 2 not in set(dots[dots.label == "k 0, lr 0.1"].seed) and 2 in set(dots[dots.label == "k 0, lr 0.2"].seed)
    never = panels.dots(runs, study(panels=[COURSE | {"curves": [{"metric": "loss_at"}]}]))
    assert never.empty


FOREST = {"title": "forest", "kind": "forest", "over": "k", "levels": [0, 1, 2], "curves": [{"metric": "gap"}]}


def forest(arms=("c", "a", "b"), seeds=SEEDS) -> pd.DataFrame:
    """A gap that falls by about 2 from k = 0 to 2 in each case, on each seed's own offset, and a bias that rises."""
    rng = np.random.default_rng(1)
    cells = [{"case": case, "k": k} for k in (2, 0, 1) for case in arms]
    return table(
        cells,
        lambda seed, case, k: {("gap", ""): 9 * seed - k + rng.normal(0, 0.1), ("bias", "image"): float(k)},
        seeds,
    )


def test_a_forest_shows_the_paired_change_of_each_arm_in_the_order_of_the_plan():
    runs, own = forest(), study(cases=[{"case": "c"}], panels=[FOREST])
    points = panels.levels(panels.dots(runs, own))
    assert points.label.tolist() == ["c", "a", "b"] and points.x.tolist() == [0, 1, 2] and set(points.arm) == {""}
    for row in points.itertuples():
        gap = runs[(runs.case == row.label) & (runs.metric == "gap")].pivot(index="seed", columns="k", values="value")
        change = gap[2] - gap[0]
        interval = ttest_1samp(change, 0).confidence_interval(0.95)
        assert (row.mean, row.low, row.high) == pytest.approx((change.mean(), interval.low, interval.high))
        assert row.seeds == 4 and row.high - row.low < 1, "the seeds' offsets of 0 to 27 are not in the way"
    judged = judging.verdicts(runs, study([claim("gap", "", "falls", over="k", levels=(0, 1, 2))], own.cases))
    assert judged.effect.tolist() == pytest.approx(points["mean"].tolist())


def test_a_forest_has_no_arm_without_its_levels_and_no_seed_without_them():
    runs = forest()
    runs = runs[~((runs.case == "c") & (runs.k == 1)) & ~((runs.case == "b") & (runs.seed == 3) & (runs.k == 0))]
    dots = panels.dots(runs, study(panels=[FOREST]))
    assert dots.groupby("label", sort=False).seed.apply(list).to_dict() == {"a": [0, 1, 2, 3], "b": [0, 1, 2]}
    assert set(dots.x) == {0, 1}, "no place is kept for c"
    assert panels.dots(runs, study(panels=[FOREST | {"levels": [0, 7]}])).empty
    assert panels.dots(runs, study(panels=[FOREST | {"over": "rho"}])).empty


def test_an_arm_stands_in_one_place_for_all_curves_of_a_forest():
    runs = forest()
    runs = runs[~((runs.case == "c") & (runs.metric == "gap"))]
    curves = [{"metric": "gap", "label": "gap"}, {"metric": "bias", "of": "image", "label": "bias"}]
    points = panels.levels(panels.dots(runs, study(panels=[FOREST | {"curves": curves}])))
    places = points.groupby("curve").apply(lambda part: dict(zip(part.label, part.x, strict=True)))
    assert places["bias"] == {"c": 0, "a": 1, "b": 2} and places["gap"] == {"a": 1, "b": 2}
    assert points[points.curve == "bias"]["mean"].tolist() == [2, 2, 2]


def test_a_forest_may_be_of_the_change_from_case_to_case():
    panel = FOREST | {"over": "case", "levels": [1, 2]}
    runs = forest(arms=("1", "2"))
    points = panels.levels(panels.dots(runs, study(cases=[{"case": "1"}, {"case": "2"}], panels=[panel])))
    assert points.label.tolist() == ["k 2", "k 0", "k 1"], "cases are called by text, numbers too"


def simpson() -> pd.DataFrame:
    """Within each k the value rises by 1 with the gap; a step of k moves the gap by 5 and the value by −5."""
    rng = np.random.default_rng(2)
    return table(
        [{"k": k, "size": size} for k in range(3) for size in range(4)],
        lambda seed, k, size: {("l2m", ""): 5 * k + size + rng.normal(0, 0.1), ("v", ""): 20.0 - 5 * k + size},
    )


LINES = CLOUD | {"title": "s", "colour": "k", "fits": True}


def test_fits_are_least_squares_through_the_cells_of_each_arm_and_of_all():
    """Simpson's paradox: up within each k, down over all."""
    found = panels.levels(panels.dots(simpson(), study(panels=[LINES])))
    fitted = found.label.isin((panels.FIT, panels.FIT_ALL))
    lines, cells = found[fitted], found[~fitted]
    assert len(cells) == 12 and len(lines) == 2 * 4
    for (label, arm), line in lines.groupby(["label", "arm"]):
        part = cells if label == panels.FIT_ALL else cells[cells.arm == arm]
        expected = linregress(part.x, part["mean"])
        assert line.x.tolist() == [part.x.min(), part.x.max()], "no further than the cells go"
        assert line["mean"].to_numpy() == pytest.approx(expected.intercept + expected.slope * line.x.to_numpy())
        assert expected.slope < -0.5 if label == panels.FIT_ALL else expected.slope > 0.9
        assert line.low.isna().all() and line.high.isna().all()
    plain = panels.levels(panels.dots(simpson(), study(panels=[LINES | {"fits": False}])))
    pd.testing.assert_frame_equal(plain, cells.reset_index(drop=True))


def test_there_is_no_line_through_cells_of_one_gap_and_one_is_enough_for_one_arm():
    panel = LINES | {"x": {"over": "k"}}
    labels = panels.levels(panels.dots(simpson(), study(panels=[panel]))).label
    assert (labels == panels.FIT).sum() == 0 and (labels == panels.FIT_ALL).sum() == 2
    labels = panels.levels(panels.dots(simpson(), study(panels=[LINES | {"where": {"k": 1}}]))).label
    assert (labels == panels.FIT).sum() == 2 and (labels == panels.FIT_ALL).sum() == 0


#: where grouping falls over the gap, by hand
GAPS, GROUPING = [0.0, 0.5, 1.0, 1.5, 2.0], [0.8, 1.0, 0.96, 0.7, 0.2]
ASKED = {"metric": "v", "of": "", "share": 0.9, "x": GAP}


def falling(grouping=GROUPING, seeds=SEEDS) -> pd.DataFrame:
    """Gaps that each seed shifts by a hundredth, in an order that is not theirs."""
    return table(
        [{"k": k} for k in (3, 0, 4, 1, 2)],
        lambda seed, k: {("l2m", ""): GAPS[k] + seed / 100, ("v", ""): grouping[k]},
        seeds,
    )


def test_a_threshold_is_where_the_share_is_first_undercut_after_the_best():
    """0.9 of the best lies between the gaps 1 and 1.5, where grouping falls from 0.96 to 0.7; that 0.8 came before."""
    (row,) = panels.thresholds(falling(), study(thresholds=[ASKED])).itertuples()
    expected = 1 + 0.5 * (0.96 - 0.9) / (0.96 - 0.7)
    assert row.x == pytest.approx(expected + np.mean(SEEDS) / 100)
    assert row.low < row.x < row.high
    assert (row.seeds, row.seeds_falling, row.share) == (4, 4, 0.9)


def test_what_never_falls_has_no_threshold():
    (row,) = panels.thresholds(falling(sorted(GROUPING)), study(thresholds=[ASKED])).itertuples()
    assert (row.seeds, row.seeds_falling) == (4, 0) and np.isnan([row.x, row.low, row.high]).all()
    assert panels.thresholds(falling(), study()).empty


def test_seeds_that_never_fall_are_counted_and_left_out():
    mixed = pd.concat([falling(seeds=[0, 1]), falling(sorted(GROUPING), seeds=[2])])
    (row,) = panels.thresholds(mixed, study(thresholds=[ASKED])).itertuples()
    assert (row.seeds, row.seeds_falling) == (3, 2)


def test_each_arm_has_its_own_threshold():
    cells = [{"case": case, "k": k} for case in ("a", "b") for k in range(5)]
    runs = table(cells, lambda seed, case, k: {("l2m", ""): GAPS[k] + (case == "b"), ("v", ""): GROUPING[k]})
    found = panels.thresholds(runs, study(cases=cells, grid=["seed"], thresholds=[ASKED]))
    assert found.arm.tolist() == ["a", "b"] and found.x.diff()[1] == pytest.approx(1)


TIERS = [
    [{"over": "k", "label": "captions"}, {"over": "t", "label": "temperature"}, {"over": "w", "label": "weight"}],
    [GAP | {"label": "gap"}, BIAS | {"label": "object bias"}],
    [{"metric": "v", "of": "", "label": "grouping"}],
]


def test_path_coefficients_are_those_of_a_regression_on_standardised_ranks():
    runs = explained()
    found = panels.paths(runs, study(diagram={"tiers": TIERS})).set_index(["target", "source"])
    assert len(found) == 2 * 3 + 5 and (found.seeds == 4).all()
    values = runs.pivot_table(index=["seed", "k", "t", "w"], columns="metric", values="value").reset_index()
    names = {"k": "captions", "t": "temperature", "w": "weight", "l2m": "gap", "moad": "object bias"}
    seen = []
    for _, part in values.groupby("seed"):
        z = part[[*names, "v"]].rank().apply(lambda rank: (rank - rank.mean()) / rank.std())
        seen.append(LinearRegression().fit(z[list(names)].to_numpy(), z.v.to_numpy()).coef_)
    for name, expected in zip(names.values(), np.mean(seen, axis=0), strict=True):
        assert found["mean"]["grouping", name] == pytest.approx(expected)
    assert found["mean"]["grouping", "object bias"] > 0.5 and abs(found["mean"]["grouping", "gap"]) < 0.1
    assert found.low["object bias", "captions"] > 0 > found.high["gap", "captions"]


def test_what_was_not_swept_or_does_not_vary_has_no_paths():
    dropped = panels.paths(explained().drop(columns="t"), study(diagram={"tiers": TIERS}))
    assert "temperature" not in set(dropped.source)
    constant = panels.paths(explained().assign(t=0.1), study(diagram={"tiers": TIERS}))
    assert constant.equals(dropped), "a coefficient of 0 would say that it was tried"


def picture(path):
    """The drawn image, which must hold more than white."""
    image = cv2.imread(str(path))
    assert image.shape[0] > 300 and (image < 128).any(axis=2).mean() > 0.002
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing is left beside it"
    return image


def inked(image, colour: str) -> int:
    """How many pixels have a colour, nearly."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(image[..., ::-1].astype(int) - rgb).max(axis=2) < 12).sum())


@pytest.mark.parametrize("kind", ["cases", "levels", "path", "scatter", "coloured"])
def test_each_kind_of_panel_is_drawn(kind, tmp_path):
    runs, figure = explained(), {"panels": [CLOUD | {"title": kind, "kind": kind}]}
    if kind == "cases":
        runs, figure = closing(), {"panels": [CASES], "x": {"over": "case", "label": ""}}
    elif kind == "levels":
        runs = falling().assign(value=lambda t: t.value.round(1))  # all seeds at the same gaps
        figure = {"panels": [{"title": kind, "curves": CLOUD["curves"]}], "x": GAP | {"of": "", "label": "the gap"}}
    elif kind == "coloured":
        figure = {"panels": [CLOUD | {"title": kind, "colour": "t", "x": GAP | {"label": "the gap"}}]}
    else:
        runs = runs[runs.w == 0]
    own = study(cases=NAMED if kind == "cases" else (), **figure)
    dots = panels.dots(runs, own)
    assert len(dots)
    (tmp_path / kind).mkdir()
    drawing.draw(panels.levels(dots), dots, figure, tmp_path / kind / "figure.png", "a footer")
    picture(tmp_path / kind / "figure.png")


def drawn(folder, runs, *shown):
    """The picture of panels."""
    folder.mkdir()
    dots = panels.dots(runs, study(panels=shown))
    drawing.draw(panels.levels(dots), dots, {"panels": shown}, folder / "figure.png", "a footer")
    return picture(folder / "figure.png")


def test_a_course_is_drawn_with_its_marks(tmp_path):
    plain = drawn(tmp_path / "plain", trained(), COURSE | {"where": {"k": 1, "lr": 0.1}})
    marked = COURSE | {"where": {"k": 1, "lr": 0.1}, "marks": {0.5: "the temperature is set to one"}}
    image = drawn(tmp_path / "marked", trained(), marked)
    assert inked(plain, COLOURS[0]) > 100 and inked(image, COLOURS[0]) > 100
    assert inked(image, "#595959") > inked(plain, "#595959") + 50, "dots and a text"


def test_a_forest_grows_with_its_arms_and_its_names(tmp_path):
    few = drawn(tmp_path / "few", forest(), FOREST | {"matters": 1})
    many = drawn(tmp_path / "many", forest(arms=[f"a case called {i}" for i in range(20)]), FOREST)
    assert many.shape[0] >= 120 * 0.28 * 20 and few.shape[0] < many.shape[0] and few.shape[1] < many.shape[1]
    assert inked(few, COLOURS[0]) > 100 and inked(few, "#ebebeb") > inked(many, "#ebebeb"), "the band"


def test_forests_of_the_same_arms_share_their_names(tmp_path):
    alone = drawn(tmp_path / "alone", forest(), FOREST)
    both = drawn(tmp_path / "both", forest(), FOREST, FOREST | {"title": "again"})
    other = drawn(tmp_path / "other", forest(), FOREST, FOREST | {"title": "again", "where": {"case": ["a", "b"]}})
    assert both.shape[1] < 2 * alone.shape[1] <= other.shape[1] + 1


def test_lines_of_a_scatter_are_drawn_of_each_arm_and_of_all(tmp_path):
    whole = drawn(tmp_path / "whole", simpson(), LINES)
    dots = panels.dots(simpson(), study(panels=[LINES]))
    points = panels.levels(dots)
    last = to_hex(scale(["k 0", "k 1", "k 2"])["k 2"])
    for label, colour in {panels.FIT: last, panels.FIT_ALL: "#000000"}.items():  # of the last arm; of all
        (tmp_path / label).mkdir()
        path = tmp_path / label / "figure.png"
        drawing.draw(points[points.label != label], dots, {"panels": [LINES]}, path, "a footer")
        assert inked(whole, colour) > inked(picture(path), colour) + 100


def test_what_was_published_is_marked_beside_what_was_measured(tmp_path):
    """The same figure with the published value and without: a diamond and its legend more."""
    ink = []
    for name, panel in {"with": CASES, "without": CASES | {"curves": [{"metric": "v_measure", "of": "digit"}]}}.items():
        dots = panels.dots(closing(), study(cases=NAMED, panels=[panel]))
        (tmp_path / name).mkdir()
        drawing.draw(panels.levels(dots), dots, {"panels": [panel]}, tmp_path / name / "figure.png")
        ink.append(inked(picture(tmp_path / name / "figure.png"), COLOURS[0]))
    assert ink[0] > ink[1]


def test_a_diagram_has_its_arrows_in_the_colour_of_their_sign(tmp_path):
    found = panels.paths(explained(), study(diagram={"tiers": TIERS}))
    diagram.draw(found, TIERS, tmp_path / "paths.png", "What moves grouping?", "a footer")
    image = picture(tmp_path / "paths.png")
    assert inked(image, RISES) > 100 and inked(image, FALLS) > 100
    unsure = found.assign(low=-1.0, high=1.0)
    diagram.draw(unsure, TIERS, tmp_path / "paths.png", "What moves grouping?", "a footer")
    assert inked(picture(tmp_path / "paths.png"), RISES) == 0


MODELS = [{"size": size, "data": data, "k": k} for size in (1, 2, 3) for data in (1, 2) for k in range(3)]


def models(noise=0.01, cells=MODELS, seeds=SEEDS):
    """Larger models have larger gaps and perform better; among those of a size and data, a larger gap performs worse."""
    rng = np.random.default_rng(0)

    def value(seed, size, data, k, **_):
        gap = size + data + 0.2 * k + rng.normal(0, noise)
        return {("l2m", ""): gap, ("v", ""): size + data - 0.2 * k + rng.normal(0, noise)}

    return table(cells, value, seeds)


def explained_by_gap(direction, **more):
    return claim("v", "", direction, 0.1, explained_by=GAP, test="kendall", **more)


def test_kendall_goes_over_all_cells_or_over_those_in_which_the_same_is_held():
    claims = [explained_by_gap("rises"), explained_by_gap("falls", held=("size", "data"))]
    runs = models()
    judged = judging.verdicts(runs, study(claims))
    wide = runs.pivot_table(index=["seed", "run_id"], columns="metric", values="value")
    taus = [kendalltau(part.v, part.l2m).statistic for _, part in wide.groupby("seed")]
    assert judged.effect[0] == pytest.approx(np.mean(taus)) and judged.effect[0] > 0.3
    assert judged.effect[1] == pytest.approx(-1)
    assert judged.verdict.tolist() == ["supported", "supported"] and judged.test.tolist() == ["kendall"] * 2
    assert judged.p_floor.tolist() == [1 / 10_000, 1 / 10_000], "6 strata of 3 cells: 46,656 orders"
    assert judged.hash.nunique() == 2


def test_a_seed_that_lacks_a_cell_does_not_count_and_a_cell_that_all_lack_is_none():
    runs, asked = models(), explained_by_gap("rises")
    partial = runs[runs.run_id != "4-0"]
    assert judging.verdicts(partial, study([asked])).seeds.tolist() == [3]
    without = runs[~runs.run_id.str.startswith("4-")]
    assert judging.verdicts(without, study([asked])).seeds.tolist() == [4]
    scattered = runs[~runs.run_id.isin([f"{seed}-{seed}" for seed in SEEDS])]
    assert judging.verdicts(scattered, study([asked])).empty


def test_a_named_case_is_one_cell_whatever_it_sets():
    """Two models of one name are one cell, of their mean; what is held tells even them apart."""
    cells = [{"case": f"c{k}", "size": size, "data": 0, "k": k} for k in range(4) for size in (1, 2)]
    runs, named = models(cells=cells), study([explained_by_gap("falls")], cells)
    (row,) = judging.verdicts(runs, named).itertuples()
    assert row.effect == pytest.approx(-1) and row.p_floor == 1 / 24
    by_size = study([explained_by_gap("falls", held=("size",))], cells)
    assert judging.verdicts(runs, by_size).p_floor[0] == 1 / 24**2
    assert judging.verdicts(runs, study([explained_by_gap("falls")], [])).effect[0] > -0.5, "unnamed, all are cells"


def test_what_a_sweep_does_not_vary_is_held_anyway():
    runs = models(cells=[cell for cell in MODELS if cell["size"] == 2]).drop(columns="size")
    judged = judging.verdicts(runs, study([explained_by_gap("falls", held=("size", "data"))]))
    assert judged.effect[0] == pytest.approx(-1)


def test_kendall_of_no_more_than_a_cell_is_not_judged():
    runs, asked = models(cells=MODELS[:1]).drop(columns=["size", "data", "k"]), explained_by_gap("rises")
    assert judging.verdicts(runs, study([asked])).empty
    assert "unknown metric 'l2m'" in judging.unjudged(runs[runs.metric == "v"], study([asked]), asked)


def test_a_claim_that_asks_for_more_seeds_than_there_are_says_so():
    rises = claim("v_measure", "digit", "rises", **BOTH, seeds=12)
    (row,) = judging.verdicts(closing(), study([rises], NAMED)).itertuples()
    assert (row.verdict, row.seeds, row.fewest_seeds, row.seeds_needed) == ("undecided", 8, 12, 12)
    assert row.test == "difference"
