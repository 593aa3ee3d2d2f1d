"""The ideal space: the population's loss against loops, batches and finite differences; its optimum where it is known."""

from dataclasses import replace
from itertools import product
from math import cos, cosh, exp, log, pi, sinh

import numpy as np
import pytest
import torch

from data_gen import MAD, Factor, FactorSpace, InputError, captions
from data_gen.information import information
from synthgap import cli, ideal, losses, metrics
from synthgap.losses.modgap import centroid_uniformity

TINY = FactorSpace([Factor("digit", "0123"), Factor("look", "abc"), Factor("size", "sl")])
SKEWED = FactorSpace([Factor("digit", "01", probabilities=(0.7, 0.3)), Factor("look", "ab", probabilities=(0.2, 0.8))])
POLICIES = [
    (TINY, captions.attributes(TINY, "digit", 1), None),
    (TINY.correlated("digit", "look", 0.6), captions.independent(TINY, {"digit": 1, "look": 0.5}), ["digit", "size"]),
    (SKEWED, captions.fixed(SKEWED, ["look"]), None),
]


def at(population, dimensions=5, scale=7.0, bias=-3.0):
    """Random vectors of a population, as what descends."""
    chance = torch.Generator().manual_seed(0)
    n = len(population.image) + len(population.caption)
    points = torch.randn(n, dimensions, generator=chance, dtype=torch.float64)
    return ideal._Free(points, torch.tensor(scale).double().log(), torch.tensor(bias).double())


def double(population):
    """The same population, whose losses are computed in float64."""
    population.__dict__["single"] = population.joint, population.image, population.caption
    return population


def of_one(values: int, probabilities=None) -> ideal.Population:
    """Images and captions that show and say one thing."""
    space = FactorSpace([Factor("thing", "abcdefgh"[:values], probabilities=probabilities)])
    return ideal.population(space, captions.fixed(space, ["thing"]))


# --- the population ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("space", "policy", "visible"), POLICIES)
def test_a_population_is_the_enumeration_of_images_and_captions(space, policy, visible):
    there = ideal.population(space, policy, visible)
    seen = space.mask(visible or space.names)
    expected = {}
    for code, p in zip(space.enumerate(), space.distribution.ravel(), strict=True):
        for named, chance in zip(policy.sets, policy.probabilities, strict=True):
            key = tuple(np.where(seen, code, 0)), tuple(np.where(named, code + 1, 0))
            expected[key] = expected.get(key, 0) + p * chance
    joint = there.joint.to_dense().numpy()
    for (shown, said), p in expected.items():
        (z,), (c,) = ((rows == one).all(1).nonzero()[0] for rows, one in ((there.shown, shown), (there.said, said)))
        assert joint[z, c] == pytest.approx(p)
    assert joint.sum() == pytest.approx(1) and (joint > 0).sum() == sum(p > 0 for p in expected.values())
    assert there.image.numpy() == pytest.approx(joint.sum(1)) and there.caption.numpy() == pytest.approx(joint.sum(0))
    for f, name in enumerate(space.names):
        for of, marginal in zip(there.values[name], (there.image, there.caption), strict=True):
            assert of.sum(0).numpy() == pytest.approx(marginal.numpy(), abs=1e-6)
            assert of.sum(1).numpy() == pytest.approx(space.factors[f].probabilities, abs=1e-6)


@pytest.mark.parametrize(("space", "policy", "visible"), POLICIES)
def test_the_best_critic_of_clip_has_the_information_that_captions_share(space, policy, visible):
    there = ideal.population(space, policy, visible)
    assert ideal._clip_floor(there, 5) == pytest.approx(-log(2) * information(space, policy, visible).shared)


# --- losses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("space", "policy", "visible"), POLICIES)
def test_losses_are_loops_over_all_pairs(space, policy, visible):
    there = double(ideal.population(space, policy, visible))
    free, joint = at(there), there.joint.to_dense().numpy()
    u, w = (x.numpy() for x in free.vectors(there))
    p, q = there.image.numpy(), there.caption.numpy()
    rows, columns = range(len(p)), range(len(q))
    clip = siglip = 0.0
    for z, c in product(rows, columns):
        logit = 7 * u[z] @ w[c]
        among = log(sum(q[k] * exp(7 * u[z] @ w[k]) for k in columns)) + log(
            sum(p[k] * exp(7 * u[k] @ w[c]) for k in rows)
        )
        clip += joint[z, c] * (among / 2 - logit)
        siglip += joint[z, c] * log(1 + exp(3 - logit)) + 15 * p[z] * q[c] * log(1 + exp(logit - 3))
    assert float(ideal._clip(there, free)) == pytest.approx(clip)
    assert float(ideal._siglip(there, free, batch=16)) == pytest.approx(siglip)


WEIGHTS = {"contrast": 0.5, "align": 2.0, "uniform": 3.0}


@pytest.mark.parametrize("normalised", [False, True])
def test_a_population_s_loss_is_that_of_a_batch_that_holds_every_pair_less_its_logarithm(normalised):
    there = ideal.population(TINY, captions.attributes(TINY, "digit", 1))
    free, (z, c) = at(there), there.joint.indices()
    assert there.joint.values().unique().numel() == 1, "all pairs are as probable"
    u, w = free.vectors(there)
    batch = float(losses.clip(u[z], w[c], 7.0))
    assert float(ideal._clip(double(there), free)) == pytest.approx(batch - log(len(z)))
    settings = WEIGHTS | {"normalised": normalised}
    without = losses.modgap({"image": u[z], "text": w[c]}, 7.0, **settings | {"uniform": 0.0})
    # a batch leaves out each row's pair with itself, of which the kernel is 1
    spread = centroid_uniformity({"image": u[z], "text": w[c]}, normalised).exp() + 1
    expected = float(without) - 0.5 * log(len(z)) + 3 * float(spread.log() - log(len(z)))
    assert float(ideal._modgap(there, free, **settings)) == pytest.approx(expected)


@pytest.mark.parametrize(("space", "policy", "visible"), POLICIES)
def test_a_batch_s_uniformity_is_in_the_mean_that_of_the_population(space, policy, visible):
    """Of rows drawn independently; its exponential, which is a mean over pairs of rows."""
    there = double(ideal.population(space, policy, visible))
    (u, w), (z, c) = at(there).vectors(there), there.joint.indices()
    value = ideal._modgap(there, at(there), contrast=0.0, align=0.0, uniform=1.0, normalised=False).exp()
    chance = torch.Generator().manual_seed(0)
    drawn = there.joint.values().multinomial(400 * 64, replacement=True, generator=chance).view(400, 64)
    batches = torch.stack([centroid_uniformity({"image": u[z[rows]], "text": w[c[rows]]}).exp() / 63 for rows in drawn])
    assert abs(float(batches.mean() - value)) < 4 * float(batches.std()) / 20


@pytest.mark.parametrize("scale", [7.0, 95.0], ids=["warm", "cold, where exponentials are shifted"])
@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("clip", {}),
        ("siglip", {"batch": 16}),
        ("modgap", WEIGHTS | {"normalised": False}),
        ("modgap", WEIGHTS | {"normalised": True}),
    ],
)
def test_gradients_are_finite_differences(loss, settings, scale):
    there = double(ideal.population(*POLICIES[1]))
    free = at(there, dimensions=3, scale=scale)

    def value(points, log_scale, bias):
        return ideal._LOSSES[loss](there, replace(free, points=points, log_scale=log_scale, bias=bias), **settings)

    given = [x.clone().requires_grad_() for x in (free.points, free.log_scale, free.bias)]
    assert torch.autograd.gradcheck(value, given, fast_mode=True)


def test_measures_are_those_of_the_population_laid_out_as_a_sample():
    there = double(ideal.population(TINY, captions.attributes(TINY, "digit", 1)))
    there.values.update({name: tuple(of.double() for of in both) for name, both in there.values.items()})
    (u, w), (z, c) = at(there).vectors(there), there.joint.indices()
    many = z.repeat(60), c.repeat(60)  # distinct rows of a sample are then nearly independent
    x, y = u[many[0]], w[many[1]]
    found = {name: float(measure(u, w)) for name, measure in ideal.measures(there, "digit").items()}
    assert found["l2m"] == pytest.approx(metrics.l2m(x, y))
    assert found["spread"] == pytest.approx(metrics.spread(x, y))
    assert found["mean_cosine"] == pytest.approx(metrics.mean_cosine(x, y))
    assert found["rmg"] == pytest.approx(metrics.rmg(x, y), rel=1e-3)
    codes = there.shown[many[0].numpy()]
    assert found["moad_image"] == pytest.approx(metrics.moad(x, codes, TINY, "digit"), abs=2e-3)
    assert found["moad_text"] == pytest.approx(metrics.moad(y, codes, TINY, "digit"), abs=2e-3)
    assert set(ideal.measures(of_one(3), "thing")) == {"l2m", "rmg", "spread", "mean_cosine"}, "one factor: no bias"


# --- the optimum ---------------------------------------------------------------------------------------------------


def test_two_things_are_antipodes_and_lie_on_their_captions():
    there = of_one(2)
    found = ideal.ideal(there, temperature=0.5, dimensions=3, starts=2, steps=60)
    assert found.value == pytest.approx(-2 + log(cosh(2)), abs=1e-5)
    assert found.regret == pytest.approx(found.value + log(2), abs=1e-6)
    assert (found.image * found.text).sum(1).tolist() == pytest.approx([1, 1], abs=1e-3)
    assert found.image[0].tolist() == pytest.approx((-found.image[1]).tolist(), abs=1e-2)


def test_things_on_a_circle_stand_evenly():
    found = ideal.ideal(of_one(5), temperature=1.0, dimensions=2, starts=4, steps=100)
    even = log(np.mean([exp(cos(2 * pi * k / 5)) for k in range(5)])) - 1
    assert found.value == pytest.approx(even, abs=1e-5)
    assert len(found.starts) == 4 and min(found.starts) >= found.regret


def on_a_grid(n=48):
    """Loss and l2m of all placements of two images and two captions on a circle, the first image at 0; p = 0.7 and 0.3."""
    angles = 2 * pi * np.arange(n) / n
    p, points = np.array([0.7, 0.3]), np.stack([np.cos(angles), np.sin(angles)], axis=1)
    second, first_text, second_text = (a.ravel() for a in np.meshgrid(*[np.arange(n)] * 3))
    u, w = np.stack([points[0 * second], points[second]]), np.stack([points[first_text], points[second_text]])
    logits = 2 * np.einsum("znd,cnd->zcn", u, w)
    among = p @ np.log(np.einsum("zcn,c->zn", np.exp(logits), p)) + p @ np.log(
        np.einsum("zcn,z->cn", np.exp(logits), p)
    )
    loss = among / 2 - p @ np.stack([logits[0, 0], logits[1, 1]])
    return loss, np.linalg.norm(np.einsum("z,znd->nd", p, u) - np.einsum("c,cnd->nd", p, w), axis=1)


def test_a_tiny_space_and_its_range_are_those_of_brute_force():
    there, (loss, gaps) = of_one(2, (0.7, 0.3)), on_a_grid()
    found = ideal.ideal(there, temperature=0.5, dimensions=2, starts=3, steps=80)
    assert found.value == pytest.approx(loss.min(), abs=1e-5), "the grid holds the optimum: antipodes"
    l2m = ideal.measures(there)["l2m"]
    for within in (0.05, 0.3):
        low, high = ideal.left_open(there, found, l2m, within, steps=100)
        assert low == pytest.approx(0, abs=1e-2)
        grid = gaps[loss <= loss.min() + within].max()
        assert grid - 0.01 <= high <= grid + 0.15, "no less than the grid has, and its points are 7.5 degrees apart"


def test_the_loss_leaves_the_gap_open_where_the_temperature_is_cold():
    there, ranges = ideal.population(*POLICIES[0]), {}
    for temperature in (0.05, 0.5):
        found = ideal.ideal(there, temperature=temperature, dimensions=12, starts=1, steps=80)
        ranges[temperature] = ideal.left_open(there, found, ideal.measures(there)["l2m"], 0.002, steps=60)
        assert -1e-6 < ranges[temperature][0] < 0.01
    assert ranges[0.05][1] > 0.5 > 0.2 > ranges[0.5][1]


def test_a_temperature_that_is_learnt_loses_less_and_siglip_reaches_its_best_critic():
    there = ideal.population(*POLICIES[0])
    fixed, learnt = (ideal.ideal(there, temperature=t, dimensions=24, starts=1) for t in (0.5, None))
    assert 0 <= learnt.regret < 0.01 < fixed.regret and learnt.scale > 1 / 0.5
    assert (
        abs(ideal.ideal(there, loss="siglip", temperature=None, dimensions=24, batch=32, starts=1, steps=150).regret)
        < 0.02
    )


def test_modgap_s_two_things_are_antipodes_on_their_captions():
    there, spread = of_one(2), log((1 + exp(-8)) / 2)
    found = ideal.ideal(there, loss="modgap", temperature=0.5, dimensions=3, starts=1)
    assert found.value == pytest.approx(-2 + log(cosh(2)) + spread, abs=1e-5)
    evenly = log(sinh(4) / 4) - 4  # of a sphere in three dimensions; two points cannot be spread as well
    assert found.regret == pytest.approx(-2 + log(cosh(2)) + log(2) + spread - evenly, abs=1e-5)
    aligned = ideal.ideal(there, loss="modgap", temperature=None, dimensions=2, starts=1, contrast=0.0, uniform=0.0)
    assert aligned.value == pytest.approx(0, abs=1e-5) and aligned.scale == pytest.approx(1 / 0.07), "it is not used"


def test_alignment_is_bought_where_captions_leave_things_open():
    there = ideal.population(*POLICIES[0])
    found = {a: ideal.ideal(there, loss="modgap", dimensions=8, starts=1, steps=60, align=a) for a in (0.0, 2.0)}
    rmg = ideal.measures(there)["rmg"]
    low, high = (float(rmg(found[a].image, found[a].text)) for a in (2.0, 0.0))
    assert low < high - 0.02 and all(x.regret > 0 for x in found.values())
    ends = ideal.left_open(there, found[2.0], ideal.measures(there)["l2m"], 0.01, steps=10)
    assert ends[0] <= float(ideal.measures(there)["l2m"](found[2.0].image, found[2.0].text)) <= ends[1]


def test_in_mad_rmg_stands_for_what_captions_leave_open_and_means_coincide():
    there = ideal.population(MAD, captions.attributes(MAD, "digit", 1))
    found = ideal.ideal(there, starts=1, steps=30)
    value = {name: float(measure(found.image, found.text)) for name, measure in ideal.measures(there).items()}
    assert 0 < found.regret < 0.02 and value["l2m"] < 0.02 and 0.2 < value["rmg"] < 0.3


# --- mistakes, and the command -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"loss": "clop"},
            "unknown loss of an ideal space 'clop'; did you mean 'clip'? (allowed: clip, siglip, modgap)",
        ),
        ({"temperature": 0.001}, "temperature=0.001: that of an ideal space must be at least 0.01"),
        ({"temperature": float("nan")}, "temperature=nan: that of an ideal space must be at least 0.01"),
        ({"dimensions": 0}, "dimensions=0: an ideal space needs at least 1"),
        ({"loss": "siglip", "batch": 1}, "batch=1: an ideal space needs at least 2"),
        ({"loss": "modgap", "align": -1}, "align=-1: an ideal space needs at least 0"),
        (
            {"loss": "modgap", "alig": 1},
            "unknown setting of the ideal space's loss modgap 'alig'; did you mean 'align'?",
        ),
        (
            {"loss": "modgap", "contrast": 0, "align": 0, "uniform": 0},
            "loss=modgap with all its weights 0: there is nothing to descend",
        ),
    ],
)
def test_a_mistake_is_one_line(given, told):
    with pytest.raises(InputError) as error:
        ideal.ideal(of_one(2), **given)
    assert str(error.value).startswith(told)


def test_what_is_too_large_is_told_before_it_is_computed(monkeypatch):
    space = FactorSpace([Factor(f"f{i}", [f"{i}{v}" for v in range(9)]) for i in range(4)])
    with pytest.raises(InputError, match="at most 16,777,216; here are 6,561 combinations × 6,561 captions"):
        ideal.population(space, captions.fixed(space, space.names))
    there = ideal.population(*POLICIES[0])
    monkeypatch.setattr(ideal, "MOST_CENTROIDS", 47)
    with pytest.raises(InputError, match="at most 47 pairs; here are 48"):
        ideal.ideal(there, loss="modgap")


def test_the_command_tells_the_space_and_its_ranges(capsys):
    few = "space.hidden=[thickness,swelling,fracture,size]"
    asked = ["captions.attributes=0", few, "encoder.embedding=4", "--starts", "1", "--steps", "5"]
    assert cli.main(["ideal", *asked, "temperature.mode=fixed", "--within", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "70 images and 10 captions in 4 dimensions, 1/τ = 14.29"
    assert lines[1].startswith("shared 3.32 bits, regret ") and lines[3].endswith("to, within 0.01 nats")
    names = [line.split()[0] for line in lines[4:]]
    assert names == ["l2m", "rmg", "spread", "mean_cosine", "moad_image", "moad_text"]
    assert cli.main(["ideal", *asked, "loss=modgap", "loss.align=[[0,1],[1,2]]"]) == 0
    assert "contrast 1, align 2, uniform 1, normalised 0, regret " in capsys.readouterr().out
    for mistake, told in (
        ("loss=gram", "unknown loss of an ideal space 'gram'"),
        ("captions.attributes=1,2", "Ambiguous value for argument 'captions.attributes=1,2'"),
        ("loss.query=image", "loss.query=image: an ideal space is of both directions"),
        ("--within=0", "within=0.0: it must be above 0 nats"),
    ):
        assert cli.main(["ideal", *asked, mistake]) == 2
        error = capsys.readouterr().err
        assert told in error.splitlines()[-1]
