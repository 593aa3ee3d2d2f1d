"""From a table with known numbers to verdicts, levels and a figure: only the last test trains, a little."""

import re

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, TINY
from matplotlib.axes import Axes

from synthgap import judging, panels, progress, runs, studies, sweep, terminal
from synthgap.judging import overview
from synthgap.panels import drawing

STUDY = studies.load("imbalance")


def table(arms=("learnable",), seeds=4, slope=-0.1) -> pd.DataFrame:
    """A sweep whose RMG falls by `slope` a level on a seed's own offset, and whose every other metric is flat noise."""
    rng, rows = np.random.default_rng(0), []
    for arm in arms:
        for seed in range(seeds):
            offset = rng.normal()
            for k in range(6):
                known = {"run_id": f"{arm}{seed}{k}", "seed": seed, "captions.attributes": k, "temperature.mode": arm}
                values = {("rmg", "image-text"): offset + slope * k + rng.normal(0, 0.001)}
                values |= {("moad", of): rng.normal(0, 0.001) for of in ("image", "text")}
                values |= {("entropy", "image-text"): rng.normal(0, 9.0), ("floor_entropy", "image-text"): 1.0}
                values |= {("imbalance_bits", "image-text"): 7.39 - 1.48 * k}
                rows += [known | {"metric": m, "of": of, "value": v} for (m, of), v in values.items()]
    return pd.DataFrame(rows)


def test_verdicts_are_read_off_the_table():
    judged = judging.verdicts(table(), STUDY).set_index(["metric", "of"])
    gap = judged.loc["rmg", "image-text"]
    assert gap.verdict == "supported"
    assert gap.effect == pytest.approx(-0.4, abs=0.01)  # from k = 1 to k = 5, whatever the seeds' offsets
    assert gap.p == pytest.approx(gap.p_floor, rel=1e-6)
    assert judged.loc["moad", "image"].verdict == "contradicted"  # it does not move, surely
    assert judged.loc["entropy", "image-text"].verdict == "undecided"  # it may
    assert judged.loc["entropy", "image-text"].seeds_needed > 4
    assert set(judging.VERDICT_COLUMNS) <= set(judged.reset_index().columns)


def test_each_arm_has_its_own_verdict():
    judged = judging.verdicts(table(("learnable", "fixed")), STUDY)
    assert len(judged) == 2 * len(STUDY.claims)
    assert "the modality gap falls as captions tell more (mode fixed)" in set(judged.claim)


def test_each_claim_has_arms_of_what_it_does_not_range_over():
    """A claim over the variant is judged at each number of attributes; one over attributes, for each variant."""
    study = studies.load("published-mad")
    both = [table(seeds=8).assign(**{"mad.variant": "corrected"}).drop(columns="temperature.mode")]
    both.append(both[0].assign(**{"mad.variant": "published", "run_id": "p" + both[0].run_id}))
    gap = both[1].metric == "rmg"
    both[1].loc[gap, "value"] += 0.1 + 0.001 * np.arange(gap.sum())
    judged = judging.verdicts(pd.concat(both, ignore_index=True), study)
    over_variant = judged[judged.claim.str.startswith("the published code's faults raise the modality gap")]
    assert over_variant.claim.str.extract(r"\((.*)\)")[0].tolist() == [f"attributes {k}" for k in range(6)]
    assert (over_variant.verdict == "supported").all() and (over_variant.p == 1 / 256).all()
    over_attributes = judged[judged.claim.str.startswith("the modality gap falls")]
    assert over_attributes.claim.str.extract(r"\((.*)\)")[0].tolist() == ["corrected", "published"]


def test_one_seed_decides_nothing():
    assert set(judging.verdicts(table(seeds=1), STUDY).verdict) == {"undecided"}


def test_claims_about_what_is_not_varied_are_left_out():
    assert judging.verdicts(table().drop(columns="captions.attributes"), STUDY).empty


@pytest.mark.parametrize(("old", "new", "said"), [("rmg", "rgm", "did you mean 'rmg'"), ("moad", "moad", "of")])
def test_a_claim_about_no_metric_is_told(old, new, said):
    claim = next(claim for claim in STUDY.claims if claim.metric == old)
    wrong = claim.__class__(**{**claim.__dict__, "metric": new, "of": "imagetext" if old == new else claim.of})
    assert said in judging.unjudged(table(), STUDY, wrong)
    assert judging.verdicts(table(), studies.Study(**{**STUDY.__dict__, "claims": (wrong,)})).empty


def test_levels_hold_what_the_figure_shows():
    dots = panels.dots(table(), STUDY)
    points = panels.levels(dots)
    gap = points[points.panel == "modality gap (RMG)"]
    assert gap.x.tolist() == sorted(gap.x)
    assert len(gap) == 6
    assert gap["mean"].to_numpy()[:-1] == pytest.approx(gap["mean"].to_numpy()[1:] - 0.1, abs=0.01)
    assert (gap.high - gap.low).max() < 0.02  # within seeds: their offsets of about 1 are not in the way
    dot = dots[(dots.panel == "modality gap (RMG)") & (dots.seed == 2) & (dots.x == gap.x.min())]
    source = table().query("metric == 'rmg' and seed == 2 and `captions.attributes` == 5")
    assert dot.value.item() == source.value.item()


def test_a_figure_is_drawn_whole(tmp_path):
    dots = panels.dots(table(("learnable", "fixed")), STUDY)
    path = tmp_path / "figure.png"
    drawing.draw(panels.levels(dots), dots, STUDY.figure, path, "a footer")
    image = cv2.imread(str(path))
    assert image.shape[0] > 400
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


@pytest.mark.parametrize(
    ("kind", "metric", "mean", "low", "high", "drawn"),
    [
        ("levels", "probe", 0.99, 0.96, 1.02, (0.96, 1.0)),
        ("cases", "recall@1", 0.01, -0.02, 0.04, (0.0, 0.04)),
        ("scatter", "v_measure", 0.5, np.nan, np.nan, (np.nan, np.nan)),
        ("course", "rmg_at", 0.99, 0.9, 1.1, (0.9, 1.0)),
        ("cases", "alignment", -0.9, -1.3, -0.5, (-1.0, -0.5)),
        ("cases", "moad", 0.9, 0.5, 1.3, (0.5, 1.3)),  # it has no range
        ("cases", "zero_shot", 1.000001, 0.9, 1.1, (0.9, 1.000001)),
        ("forest", "knn", -0.9, -1.2, -0.6, (-1.0, -0.6)),
    ],
)
def test_an_interval_is_drawn_no_further_than_its_metric_goes(kind, metric, mean, low, high, drawn):
    panel = {"title": "it", "kind": kind, "curves": [{"metric": metric, "of": ""}]}
    points = pd.DataFrame({"panel": ["it"], "curve": "", "mean": mean, "low": low, "high": high})
    cut = drawing._within_range(points, [panel])
    assert cut[["low", "high"]].to_numpy()[0] == pytest.approx(drawn, nan_ok=True)
    assert points.low.equals(pd.Series([low], name="low")), "levels.csv keeps what was computed"


def test_a_share_s_intervals_are_drawn_within_its_range(tmp_path, monkeypatch):
    """One level in which all seeds have 1 and one in which they have not: the within-seed interval of the first leaves it."""
    part = table(seeds=3)
    part = part[part.metric.isin(["rmg", "imbalance_bits"])]
    gaps = np.where(part["captions.attributes"] > 2, 1.0, 0.5 + 0.2 * part.seed)
    part = part.assign(value=part.value.where(part.metric != "rmg", gaps))
    dots = panels.dots(part, STUDY)
    points = panels.levels(dots)
    assert points.high.max() > 1
    bands = []
    monkeypatch.setattr(Axes, "fill_between", lambda _, x, low, high, **look: bands.extend([low.min(), high.max()]))
    drawing.draw(points, dots, STUDY.figure, tmp_path / "figure.png")
    assert bands and max(bands) <= 1


OWN = """\
question: Is it the gap or the temperature?
grid: {seed: [0, 1, 2]}
cases:
  cold:
    - {temperature.mode: fixed, temperature.init: 0.02}
    - {temperature.mode: fixed, temperature.init: 0.05}
    - {temperature.mode: fixed, temperature.init: 0.1}
  warm: {temperature.mode: fixed, temperature.init: 0.5}
presets:
  quick: {}
  full: {grid: {seed: [0, 1, 2, 3, 4]}}
claims:
  - {claim: warmth leaves the gap, metric: l2m, of: image-text, over: case, levels: [cold, warm], direction: stays, matters: 9}
  - claim: warmth groups
    metric: v_measure
    of: digit
    explained_by: temperature.init
    given: [&gap {metric: l2m, of: [image-text]}]
    direction: rises
    matters: 0.3
  - claim: the gap groups
    metric: v_measure
    of: digit
    explained_by: *gap
    matched: {metric: moad, of: [image, text], within: 9}
    direction: falls
figure:
  thresholds: [{metric: v_measure, of: digit, share: 0.01, x: *gap}]
  diagram:
    tiers:
      - [{over: temperature.init, label: temperature}]
      - [{metric: l2m, of: image-text, label: gap}]
      - [{metric: v_measure, of: digit, label: grouping}]
  panels:
    - {title: gap, kind: cases, curves: [{metric: l2m, of: image-text, published: {warm: 0.2}}]}
    - {title: change, kind: forest, over: case, levels: [cold, warm], curves: [{metric: l2m, of: image-text}]}
    - {title: scale, kind: course, curves: [{metric: logit_scale_at}]}
    - {title: grouping, kind: scatter, x: *gap, curves: [{metric: v_measure, of: digit}]}
"""


def test_a_study_of_one_s_own_is_told_whole(tmp_path, capsys):
    """Named cases, a claim of each kind, a threshold and a diagram: trained, judged, drawn, and told on the terminal."""
    (tmp_path / "own.yaml").write_text(OWN)
    study = studies.load(str(tmp_path / "own.yaml"))
    plan = runs.plan(study, [*TINY, f"out={tmp_path}"])
    terminal.introduce(study, tmp_path)
    told = " ".join(capsys.readouterr().out.split())
    assert "l2m image-text stays over case = cold → warm" in told
    assert "v_measure digit rises with temperature.init, given l2m image-text" in told
    assert "v_measure digit falls with l2m image-text, among pairs alike in moad image, text" in told

    runs.prepare(plan)
    runs.work(plan)
    assert sweep.conclude(plan, did=12) == 0
    told = capsys.readouterr().out
    table = pd.read_parquet(plan.folder / "results.parquet")
    assert set(table.case) == {"cold", "warm"} and table.run_id.nunique() == 12
    for case in ("cold", "warm"):
        values = table[(table.case == case) & (table.metric == "l2m")].groupby("seed").value.mean()
        row = next(line for line in told.splitlines() if line.strip().startswith(case))
        assert row.split() == [case, f"{values.mean():.3f}"]
    judged = pd.read_parquet(plan.folder / "verdicts.parquet")
    assert judged.verdict[0] == "supported" and (judged.seeds == 3).all()
    for claim in study.claims:  # ranks of gap and temperature may be the same here, and tell nothing apart
        assert claim.claim in set(judged.claim) or f"runs enough that differ: {claim.claim}" in " ".join(told.split())
    assert all(f"v_measure digit ({case}): never under 1% of its best" in told for case in ("cold", "warm"))
    points = pd.read_csv(plan.folder / "levels.csv").groupby("panel")
    assert points.get_group("change")["mean"].item() == pytest.approx(judged.effect[0])
    assert set(points.get_group("scale").x) == set(table[table.metric == "logit_scale_at"]["of"].astype(float))
    assert pd.read_csv(plan.folder / "thresholds.csv").seeds_falling.tolist() == [0, 0]
    assert pd.read_csv(plan.folder / "paths.csv").iloc[0, :2].tolist() == ["temperature", "gap"]
    for name in ("own.png", "own-paths.png", "thresholds.csv", "results.parquet"):
        assert str(plan.folder / name) in told
    for name in ("own.png", "own-paths.png"):
        assert (cv2.imread(str(plan.folder / name)) < 128).any(axis=2).mean() > 0.002

    assert sweep.conclude(runs.plan(study, [*TINY, f"out={tmp_path}", "temperature.init=0.02,0.05"]), did=0) == 0
    assert (
        "this sweep does not vary case: overrides set what cases do: warmth leaves the gap" in capsys.readouterr().out
    )


@pytest.fixture
def verdicts_of(tmp_path, capsys):
    """What `synthgap verdicts` tells, on one line, of these rows of a study `own`, and of others that are given."""

    def tell(rows, names=(), **others):
        for name, some in ({"own": rows} | others).items():
            (tmp_path / name).mkdir(exist_ok=True)
            pd.DataFrame(some).to_parquet(tmp_path / name / "verdicts.parquet")
        terminal.all_verdicts(names, tmp_path)
        return " ".join(capsys.readouterr().out.split())

    return tell


def row(verdict="supported", p=1 / 256, test="difference", **more):
    known = {"claim": "it [does]", "verdict": verdict, "effect": 0.5, "low": 0.4, "high": 0.6, "p": p, "test": test}
    return known | {"p_floor": 1 / 256, "seeds": 8, "seeds_needed": np.nan, "hash": "0123abcd"} | more


def test_support_that_does_not_stand_says_how_many_seeds_would_let_it(verdicts_of):
    """Thirteen times 1/256 is over 0.05, and no p of eight seeds is smaller; nine seeds can have one."""
    many = [row() for _ in range(13)]
    told = verdicts_of(many)
    assert told.count("5.1e-02") == 26 and told.count("(9") == 26, "within the study and over all, which are the same"
    assert "13 claims: 13 supported, 0 contradicted, 0 undecided. Of the 13 supported, 0 stand after Holm" in told
    told = verdicts_of(many[:12])
    assert "(9" not in told and "Of the 12 supported, 12 stand after Holm" in told
    told = verdicts_of([row(p_floor=1e-6)] * 13)
    assert told.count("(9") == 26, "above its floor, p is a matter of luck, and falls as seeds like these are added"
    told = verdicts_of([row(test="kendall")] * 13)
    assert told.count("(more") == told.count("cells)") == 26 and "(9" not in told, "more seeds make no more cells"


def test_what_was_not_tested_does_not_count_among_the_claims(verdicts_of):
    untested = row("undecided", p=np.nan, p_floor=np.nan, seeds=2, seeds_needed=3.0)
    told = verdicts_of([row()] * 12 + [untested] * 5)
    assert "12 stand after Holm" in told and "(about 3 " in told and "nan" not in told
    assert "(over 1000 " in verdicts_of([row("undecided", seeds_needed=np.inf)])


def test_p_is_corrected_for_the_claims_of_its_study_and_beside_it_for_all_that_are_shown(verdicts_of):
    """A claim about two levels at eight seeds can stand in its study, however many other studies there are."""
    others = {"other": [row()] * 12}
    told = verdicts_of([row()], **others)
    assert (
        "Of the 13 supported, 13 stand after Holm's correction for all claims of their study, 0 after that for all"
        in told
    )
    assert "own it [does] 0123abcd" in told and "3.9e-03 5.1e-02 8" in told.replace("(4e-03) (9 seeds)", "")
    for names in (["other"], ["other", "other"]):
        told = verdicts_of([row()], names, **others)
        assert "12 stand after Holm's correction for all claims of their study, 12 after that for all" in told


def test_verdicts_from_before_they_named_a_test_are_told_as_well(verdicts_of):
    new = {"test", "hash"}
    told = verdicts_of([{key: value for key, value in row().items() if key not in new}], other=[row(stated_after=24)])
    assert "2 claims" in told and "difference" in told and "(stated after 24 runs)" in told and "nan" not in told


def test_the_table_fits_a_log_and_cuts_no_word(verdicts_of, tmp_path, capsys):
    verdicts_of([row("undecided", seeds_needed=375.0, effect=-0.5, low=-0.6, test="equivalence")], ["own"])
    terminal.all_verdicts(["own"], tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= progress.WIDTH and not any("…" in line for line in lines)
    assert lines[0].count("p (Holm,") == 2 and all(
        word in lines[1] for word in ("study)", "all)", "claim", "test", "verdict", "effect [95 %]", "seeds")
    )


def test_one_seed_has_no_interval_and_one_of_a_thing_is_not_called_many(tmp_path, capsys, verdicts_of):
    alone = judging.verdicts(table(seeds=1), STUDY)
    assert alone.low.isna().all()
    told = verdicts_of(alone)
    assert "nan" not in told and f"{alone.effect[0]:+.3f}" in told
    marked = overview.markdown(overview.of_all([], tmp_path), tmp_path)
    assert "nan" not in marked
    assert "(stated after 1 run)" in verdicts_of([row(stated_after=1.0)])

    plan = runs.plan(STUDY, [*TINY, f"out={tmp_path}", "captions.attributes=1", "seed=0"])
    runs.prepare(plan)
    runs.work(plan)
    capsys.readouterr()
    assert sweep.conclude(plan, did=1) == sweep.conclude(plan, did=0) == sweep.conclude(plan, 0, redraw=True) == 0
    told = capsys.readouterr().out
    assert "finished 1 new run; 1 in all" in told and "1 run finished before" in told and "1 run, redrawn" in told
    assert not re.search(r"\b1 (runs|seeds|claims)\b|nan", told)


def test_fidelity_has_percent_on_an_axis_of_percent(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "experiments")
    import fidelity

    drawn = {}
    monkeypatch.setattr(fidelity.style, "save", lambda figure, path: drawn.setdefault(path.name, figure))
    accuracy = pd.read_csv(ROOT / "figures" / "fidelity" / "accuracy.csv")
    fidelity.draw_accuracy(accuracy, tmp_path / "accuracy.png")
    (axis,) = drawn["accuracy.png"].axes
    assert "%" in axis.get_ylabel() and axis.get_ylim()[1] > 100 and max(axis.get_yticks()) == 100
    heights = [bar.get_height() for bar in axis.patches]
    assert [f"{height:.1f}" for height in heights] == [text.get_text() for text in axis.texts]
    assert sorted(heights) == pytest.approx(sorted(100 * accuracy.accuracy))
    assert {line.get_ydata()[0] for line in axis.lines} == set(100 * accuracy.chance[:6])
