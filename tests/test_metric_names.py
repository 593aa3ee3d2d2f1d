"""The registry of metrics: exactly what runs write, of exactly what they write it; and what is told of any other name."""

import pandas as pd
import pytest
from conftest import ROOT, TINY
from hypothesis import given
from hypothesis import strategies as st

from data_gen import MAD, InputError, World
from synthgap import observations, runs, studies
from synthgap.metric_names import KINDS, METRICS, SHARE, check, possible

#: in the course of training, which a run that takes another's model has not
COURSES = {name for name, metric in METRICS.items() if metric.of == SHARE}
#: of a loss with a learnt bias, of a run that takes another's model, and of captions as written
OF_SOME = {"logit_bias", "map_gain", "bits_error"}
#: of three modalities: sounds, of which a factor is known beside the digit, as of images
AVMNIST = ("world=avmnist", "avmnist.images=1024", "avmnist.test_images=200", "captions.attributes=1")


def written(out, *overrides) -> dict[str, set[str]]:
    """metric → what a tiny run of the first cell has it of, and what its world could have it of."""
    study = studies.Study("own", "?", "", {"seed": [0]}, [{}], {"quick": {}}, (), {})
    tiny = [o for o in TINY if not o.startswith("mad.") or "world=avmnist" not in overrides]
    plan = runs.plan(study, [*tiny, *overrides, f"out={out}"])
    runs.prepare(plan)
    runs.work(plan)
    assert not runs.failures(plan)
    table = runs.collect(plan)
    config = plan.tasks[0].config
    world = observations.world_of(config)
    known = possible(world, config["captions"]["object"])
    return {metric: set(of) for metric, of in table.groupby("metric").of}, {m: set(of) for m, of in known.items()}


@pytest.mark.parametrize(
    "overrides",
    [(), ("captions.object=colour", "loss=siglip"), ("posthoc=centring",), AVMNIST],
    ids=["mad", "siglip", "posthoc", "avmnist"],
)
def test_runs_write_the_metrics_that_are_registered_and_no_others(overrides, tmp_path):
    found, known = written(tmp_path, *overrides)
    extra = {"logit_bias"} if "loss=siglip" in overrides else {"map_gain"} if "posthoc=centring" in overrides else set()
    lacking = COURSES if "posthoc=centring" in overrides else set()
    assert set(found) == set(METRICS) - OF_SOME - lacking | extra
    for metric, of in found.items():
        if METRICS[metric].of == SHARE:
            assert {float(share) for share in of} == {i / 20 for i in range(21)}
        else:
            assert of == known[metric], metric


def test_every_metric_is_of_a_kind_that_is_explained():
    assert {metric.of for metric in METRICS.values()} == set(KINDS)
    assert set(possible(World(MAD), "digit")) == {name for name, metric in METRICS.items() if metric.of != SHARE}


KNOWN = {"rmg": ["image-text"], "probe": ["digit", "colour"], "loss": [""], "seconds": ["", "data"]}


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ({"metric": "rgm"}, "unknown metric 'rgm' in a claim; did you mean 'rmg'? (see there)"),
        ({"metric": "rmg", "of": "images"}, "a claim: rmg is there of image-text, not of 'images'; did you mean 'image-text'?"),
        ({"metric": "probe", "of": ["digit", "voice"]}, "a claim: probe is there of digit, colour, not of 'voice'"),
        ({"metric": "rmg"}, "a claim: rmg is there of image-text, so it needs an 'of'"),
        ({"metric": "loss", "of": "image-text"}, "a claim: loss is one number a run; leave out of: image-text"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_known_is_told_with_those_that_are(variable, told):
    with pytest.raises(InputError) as error:
        check(variable, "a claim", KNOWN, "see there")
    assert str(error.value) == told


@given(st.sampled_from([(metric, of) for metric, names in KNOWN.items() for of in names]))
def test_what_is_known_is_let_through(known):
    metric, of = known
    check({"metric": metric, "of": of}, "", KNOWN, "")
    check({"metric": metric, "of": [of, of]}, "", KNOWN, "")
    check({"metric": metric, "of": "0"}, "", {metric: None}, "")


def test_a_course_is_of_shares_of_training():
    for of in ("0", "0.125", "1"):
        check({"metric": "rmg_at", "of": of}, "", {"rmg_at": None}, "")
    check({"metric": "rmg_at"}, "", {"rmg_at": ["0", "1"]}, "")  # a figure may show all of it
    for of in ("", "half", "1.5", "nan"):
        with pytest.raises(InputError, match='"0" to "1"'):
            check({"metric": "rmg_at", "of": of}, "", {"rmg_at": None}, "")


def test_no_value_that_was_ever_published_is_beyond_the_range_of_its_metric():
    tables = [
        pd.read_parquet(path, columns=["metric", "value"]) for path in (ROOT / "figures").glob("*/results.parquet")
    ]
    seen = pd.concat(tables).groupby("metric").value.agg(["min", "max"])
    assert len(tables) > 20 and len(seen) > 40
    for name, values in seen.iterrows():
        assert METRICS[name].low - 1e-6 <= values["min"] <= values["max"] <= METRICS[name].high + 1e-6, name
