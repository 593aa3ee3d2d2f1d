"""Losses on vectors at known angles, against explicit loops, an independent implementation, and finite differences."""

from itertools import combinations, permutations
from math import exp, log

import numpy as np
import pytest
import torch
from conftest import LOSSES
from scipy.special import log_softmax, logsumexp
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.losses import (
    align_true_pairs,
    alignclip,
    centroid_uniformity,
    clip,
    cua,
    gram,
    modgap,
    one_way,
    siglip,
    swap,
)
from synthgap.losses.alignclip import distances, separation
from synthgap.losses.cua import uniformity
from synthgap.losses.gram import volumes
from synthgap.losses.swap import swapped
from synthgap.losses.unicl import labelled
from synthgap.metrics import uniformity as measured_uniformity

#: of seven samples: two factors, the first of which is the object, and which captions are equal
KNOWN = {
    "factors": torch.tensor([[0, 0], [0, 1], [1, 1], [1, 1], [2, 0], [0, 0], [2, 1]]),
    "object": torch.tensor([0, 0, 1, 1, 2, 0, 2]),
    "caption": torch.tensor([0, 1, 2, 2, 3, 0, 4]),
}
LEARNT = ("bias",)
#: settings that have no default
GIVEN = {"siglip": {"bias": -1.5}, "unicl": {"known": KNOWN}, "alignclip": {"known": KNOWN}}


def tuples(*modalities: str, n: int = 7, d: int = 5) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return {name: normalize(torch.randn(n, d, generator=g, dtype=torch.float64), dim=1) for name in modalities}


def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(tuples("x", "y").values())


def at(*degrees: float) -> torch.Tensor:
    radians = torch.tensor(degrees, dtype=torch.float64) * torch.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


# --- CLIP --------------------------------------------------------------------------------------------------------


def test_clip_at_known_angles():
    x = torch.eye(2)
    assert float(clip(x, x, 1.0)) == pytest.approx(log(1 + exp(-1)))
    assert float(clip(x, -x, 1.0)) == pytest.approx(log(1 + exp(1)))
    same = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    assert float(clip(same, same, 100.0)) == pytest.approx(log(8))  # nothing to tell them apart by: chance


def test_clip_is_its_double_sum():
    x, y = pairs()
    logits = 3 * (x @ y.T).numpy()
    rows = [logsumexp(logits[i]) - logits[i, i] for i in range(7)]
    columns = [logsumexp(logits[:, i]) - logits[i, i] for i in range(7)]
    assert float(clip(x, y, 3.0)) == pytest.approx((np.mean(rows) + np.mean(columns)) / 2)
    assert float(clip(x, y, 3.0)) == pytest.approx(float(clip(y, x, 3.0)))


def test_one_way_at_known_angles():
    """Two images at 0° and 90°; the texts of both at 0°: images cannot be told by their texts, but one text can."""
    images, texts = at(0, 90), at(0, 0)
    assert float(one_way(images, texts, 2.0)) == pytest.approx(log(2))
    assert float(one_way(texts, images, 2.0)) == pytest.approx((log(1 + exp(-2)) + log(1 + exp(2))) / 2)


def test_one_query_asks_all_others_and_both_directions_are_clip():
    z = tuples("image", "audio", "text")
    expected = {}
    for a, b in permutations(z, 2):
        logits = 3 * (z[a] @ z[b].T).numpy()
        expected[a, b] = np.mean([logsumexp(logits[i]) - logits[i, i] for i in range(7)])
        assert float(one_way(z[a], z[b], 3.0)) == pytest.approx(expected[a, b])
    for name in z:
        asked = np.mean([value for (a, _), value in expected.items() if a == name])
        for anchor in (None, "text"):
            assert float(LOSSES["clip"](z, 3.0, anchor=anchor, query=name)) == pytest.approx(asked)
    both = (expected["image", "text"] + expected["text", "image"]) / 2
    assert float(clip(z["image"], z["text"], 3.0)) == pytest.approx(both)


# --- CUA ---------------------------------------------------------------------------------------------------------


def test_uniformity_at_known_angles():
    assert float(uniformity(at(0, 180), at(0, 180))) == pytest.approx(-8)
    assert float(uniformity(at(0, 90), at(0, 90))) == pytest.approx(-4)
    assert float(uniformity(at(0, 90), at(180, 0))) == pytest.approx(log((1 + exp(-4)) / 2)), "true pairs do not count"
    x, _ = pairs()
    assert float(uniformity(x, x)) == pytest.approx(measured_uniformity(x))


@pytest.mark.parametrize("anchor", [None, "c"])
def test_cua_is_its_double_sums(anchor):
    z = tuples(*"abc")
    counted = [pair for pair in combinations("abc", 2) if anchor is None or anchor in pair]

    def u(a, b):
        apart = [float((z[a][i] - z[b][j]).square().sum()) for i, j in permutations(range(7), 2)]
        return log(np.mean([exp(-2 * squared) for squared in apart]))

    contrast = np.mean([float(clip(z[a], z[b], 3.0)) for a, b in counted])
    align = np.mean([float((z[a][i] - z[b][i]).square().sum()) for a, b in counted for i in range(7)])
    uniform = np.mean([(u(a, a) + u(b, b)) / 2 for a, b in counted])
    cross = np.mean([u(a, b) for a, b in counted])
    assert float(cua(z, 3.0, anchor=anchor)) == pytest.approx(contrast + align + uniform)
    assert float(cua(z, 3.0, anchor=anchor, cross=1)) == pytest.approx(contrast + align + uniform + cross)
    weighted = cua(z, 3.0, anchor=anchor, contrast=0.2, align=0.3, uniform=0.4, cross=0.5)
    assert float(weighted) == pytest.approx(0.2 * contrast + 0.3 * align + 0.4 * uniform + 0.5 * cross)


# --- swapping ----------------------------------------------------------------------------------------------------


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_swapped_entries_at_known_angles():
    """x = (1, 0) and y = (0, 1): of each entry one has 1 and the other 0, so exchanging one of two gives (1, 1) and (0, 0)."""
    x, y = torch.eye(2, dtype=torch.float64)[:, None]
    seen = set()
    for seed in range(20):
        a, b = swapped(x, y, chance(seed), soft=False)
        seen.add((*a[0].round(decimals=9).tolist(), *b[0].round(decimals=9).tolist()))
    half = round(0.5**0.5, 9)
    assert seen == {(1, 0, 0, 1), (0, 1, 1, 0), (half, half, 0, 0), (0, 0, half, half)}


@pytest.mark.parametrize("soft", [False, True])
def test_swapping_is_an_entry_by_entry_loop(soft):
    (x, y), drawn = pairs(), torch.rand(7, 5, generator=chance())
    a, b = swapped(x, y, chance(), soft)
    for i in range(7):
        mixed = []
        for d in range(5):
            keep = float(drawn[i, d]) if soft else float(drawn[i, d] < 0.5)
            one, other = float(x[i, d]), float(y[i, d])
            mixed.append((keep * one + (1 - keep) * other, keep * other + (1 - keep) * one))
        for found, row in ((a[i], [m[0] for m in mixed]), (b[i], [m[1] for m in mixed])):
            assert found.tolist() == pytest.approx((np.array(row) / np.linalg.norm(row)).tolist())
    if not soft:  # half of the entries stay
        kept = torch.rand(200, 50, generator=chance()) < 0.5
        assert float(kept.double().mean()) == pytest.approx(0.5, abs=0.02)


def test_swapping_is_clip_of_what_is_swapped_in_a_share_of_the_steps_and_never_in_the_test():
    z = tuples("image", "audio", "text")
    plain = float(LOSSES["clip"](z, 3.0, anchor="text"))
    assert float(swap(z, 3.0, anchor="text", share=1.0)) == plain, "no chance, as in the test"
    assert float(swap(z, 3.0, anchor="text", share=0.0, chance=chance())) == plain
    drawing = chance()
    torch.rand((), generator=drawing)  # whether to swap
    expected = [float(clip(*swapped(z[a], z["text"], drawing, True), 3.0)) for a in ("image", "audio")]
    value = float(swap(z, 3.0, anchor="text", share=1.0, soft=True, chance=chance()))
    assert value == pytest.approx(np.mean(expected)) and value != pytest.approx(plain)
    drawing = chance()
    steps = [float(swap(z, 3.0, anchor="text", share=0.3, chance=drawing)) != plain for _ in range(400)]
    assert np.mean(steps) == pytest.approx(0.3, abs=0.07)


@pytest.mark.parametrize("soft", [False, True])
def test_swapping_has_the_gradient_of_finite_differences(soft):
    x, y = (z.requires_grad_() for z in pairs())

    def value(x, y):
        return swap({"image": x, "text": y}, 3.0, share=1.0, soft=soft, chance=chance())

    assert torch.autograd.gradcheck(value, (x, y))


# --- SigLIP ------------------------------------------------------------------------------------------------------


def test_siglip_at_known_angles():
    x = torch.eye(2)
    assert float(siglip(x, x, 1.0, 0.0)) == pytest.approx(log(1 + exp(-1)) + log(2))
    assert float(siglip(x, -x, 2.0, -1.0)) == pytest.approx(log(1 + exp(3)) + log(1 + exp(-1)))
    assert float(siglip(x, x, 0.0, -10.0)) == pytest.approx(10, abs=1e-3)  # all are called wrong, and half of them are


def test_siglip_is_its_double_sum():
    x, y = pairs()
    total = 0.0
    for i in range(7):
        for j in range(7):
            sign = 1 if i == j else -1
            total += log(1 + exp(-sign * (3 * float(x[i] @ y[j]) - 1.5)))
    assert float(siglip(x, y, 3.0, -1.5)) == pytest.approx(total / 7)


# --- modality gap ------------------------------------------------------------------------------------------------


def test_align_true_pairs_at_known_angles():
    for degrees, expected in ((0, 0), (60, 1), (90, 2), (180, 4)):
        z = {"image": at(0, 45), "text": at(degrees, 45 + degrees)}
        assert float(align_true_pairs(z)) == pytest.approx(expected)
    z = {"image": at(60), "audio": at(90), "text": at(0)}
    assert float(align_true_pairs(z, "text")) == pytest.approx((1 + 2) / 2)
    assert float(align_true_pairs(z)) == pytest.approx((1 + 2 + (2 - 3**0.5)) / 3)


def test_centroid_uniformity_at_known_angles():
    apart = {"image": at(0, 180), "text": at(0, 180)}  # centroids (±1, 0)
    assert float(centroid_uniformity(apart)) == pytest.approx(-8)
    assert float(centroid_uniformity(apart, normalised=True)) == pytest.approx(-8)
    unaligned = {"image": at(0, 180), "text": at(90, 270)}  # centroids ±(½, ½): of length √½
    assert float(centroid_uniformity(unaligned)) == pytest.approx(-4)  # so alignment is rewarded,
    assert float(centroid_uniformity(unaligned, normalised=True)) == pytest.approx(-8)  # unless it is normalised away
    same = {"image": at(0, 0, 0), "text": at(50, 50, 50)}
    assert float(centroid_uniformity(same)) == pytest.approx(log(2))


@pytest.mark.parametrize("normalised", [False, True])
def test_centroid_uniformity_is_its_double_sum(normalised):
    z = tuples("image", "audio", "text")
    centroids = [sum(x[i] for x in z.values()) / 3 for i in range(7)]
    if normalised:
        centroids = [c / c.norm() for c in centroids]
    total = sum(exp(-2 * float((a - b).square().sum())) for a, b in combinations(centroids, 2))
    assert float(centroid_uniformity(z, normalised)) == pytest.approx(log(2 * total / 7))


def test_modgap_is_the_weighted_sum_of_its_parts():
    z = tuples("image", "audio", "text")
    contrast = (float(clip(z["image"], z["text"], 3.0)) + float(clip(z["audio"], z["text"], 3.0))) / 2
    align, uniform = float(align_true_pairs(z, "text")), float(centroid_uniformity(z))
    assert float(modgap(z, 3.0, anchor="text")) == pytest.approx(contrast + align + uniform)
    weighted = modgap(z, 3.0, anchor="text", align=0.5, uniform=2.0)
    assert float(weighted) == pytest.approx(contrast + 0.5 * align + 2 * uniform)
    assert float(modgap(z, 3.0, align=0, uniform=0)) == pytest.approx(float(LOSSES["clip"](z, 3.0)))
    for weight in (0.0, 0.25):
        assert float(modgap(z, 3.0, anchor="text", contrast=weight)) == pytest.approx(
            weight * contrast + align + uniform
        )


@pytest.mark.parametrize("align", [0.0, 1.0])
def test_without_contrast_modgap_does_not_see_the_temperature(align):
    z, scale = tuples("image", "text"), torch.tensor(3.0, requires_grad=True)
    value = modgap(z, scale, contrast=0, align=align)
    assert float(value.detach()) == pytest.approx(align * float(align_true_pairs(z)) + float(centroid_uniformity(z)))
    value.backward()
    assert scale.grad == 0


# --- GRAM --------------------------------------------------------------------------------------------------------


def test_volumes_at_known_angles():
    assert float(volumes(at(0), [at(30)])) == pytest.approx(0.5)
    assert float(volumes(at(0), [at(150)])) == pytest.approx(0.5)  # a volume has no sign
    x, y, z = torch.eye(3, dtype=torch.float64)[:, None]
    assert float(volumes(x, [y, z])) == pytest.approx(1)
    assert float(volumes(x, [y, normalize(x + y, dim=1)])) == pytest.approx(0, abs=1e-3)
    assert float(volumes(x, [y, normalize(y + z, dim=1)])) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("modalities", ["it", "iat", "iatx"])
def test_gram_is_the_determinants_of_its_gram_matrices(modalities, smoothing):
    z = tuples(*modalities)
    logits = np.zeros((7, 7))
    for i in range(7):
        for j in range(7):
            vectors = torch.stack([z["t"][i]] + [x[j] for name, x in z.items() if name != "t"])
            logits[i, j] = -3 * float(torch.linalg.det(vectors @ vectors.T)) ** 0.5
    target = (1 - smoothing) * np.eye(7) + smoothing / 7
    both = [-(target * log_softmax(direction, axis=1)).sum(1).mean() for direction in (logits, logits.T)]
    assert float(gram(z, 3.0, anchor="t", smoothing=smoothing)) == pytest.approx(np.mean(both))
    each = [float(gram(z, 3.0, anchor=name, smoothing=smoothing)) for name in modalities]
    assert float(gram(z, 3.0, smoothing=smoothing)) == pytest.approx(np.mean(each))


def test_gram_of_perfect_tuples_has_a_gradient():
    """√det has no slope at 0, which is where training wants to go."""
    x = torch.eye(4, requires_grad=True)
    gram({"image": x, "audio": x.clone(), "text": x.clone()}, 10.0).backward()
    assert x.grad.isfinite().all()


# --- AlignCLIP ---------------------------------------------------------------------------------------------------


def test_distances_are_what_is_known():
    for i, j in ((0, 0), (0, 5), (0, 1), (0, 2), (3, 4)):
        a, b = KNOWN["factors"][i], KNOWN["factors"][j]
        assert float(distances(KNOWN, "factors")[i, j]) == sum(float(p != q) for p, q in zip(a, b, strict=True)) / 2
        assert float(distances(KNOWN, "object")[i, j]) == float(a[0] != b[0])
        assert float(distances(KNOWN, "ones")[i, j]) == 1


def test_shuffled_distances_are_the_same_numbers_between_other_samples():
    true, shuffled = distances(KNOWN, "factors"), distances(KNOWN, "shuffled")
    assert sorted(true.flatten().tolist()) == sorted(shuffled.flatten().tolist()) and not torch.equal(true, shuffled)
    assert torch.equal(shuffled, shuffled.T) and not shuffled.diagonal().any()
    assert float(shuffled[1, 3]) == float(true[0, 2]), "each has its neighbour's factors"


def test_separation_at_known_angles():
    x, y, far = at(0, 60), at(0, 60), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert float(separation(x, y, far, 2.0)) == pytest.approx(log(1 + exp(2 * 0.5 - 2)))
    assert float(separation(x, y, far, 2.0, positive=False)) == pytest.approx(2 * 0.5 - 2)
    alike = torch.zeros(2, 2)  # whatever the angle, a negative of weight e⁰
    assert float(separation(x, y, alike, 2.0)) == float(separation(at(0, 90), at(0, 90), alike, 2.0))
    assert float(separation(at(0, 90), y, far, 2.0)) != float(separation(x, y, far, 2.0))


@pytest.mark.parametrize("distance", ["factors", "object", "ones", "shuffled"])
@pytest.mark.parametrize("positive", [True, False])
def test_alignclip_is_its_double_sums(positive, distance):
    z, d, sides = tuples("image", "text"), distances(KNOWN, distance), {}
    for side, other in (("image", "text"), ("text", "image")):
        sides[side] = 0.0
        for i in range(7):
            own = 3 * float(z[side][i] @ z[other][i])
            terms = [3 * float(d[i, j]) * float(z[side][i] @ z[side][j]) for j in range(7) if j != i]
            sides[side] += (logsumexp([own, *terms] if positive else terms) - own) / 7
    contrast, options = float(clip(*z.values(), 3.0)), dict(known=KNOWN, distance=distance, positive=positive)
    assert float(alignclip(z, 3.0, **options)) == pytest.approx(contrast + 0.5 * sum(sides.values()) / 2)
    for side, value in sides.items():
        one = float(alignclip(z, 3.0, side=side, weight=2.0, **options))
        assert one == pytest.approx(contrast + 2 * value / 2), "one side counts as it does among both"
    assert float(alignclip(z, 3.0, weight=0.0, **options)) == pytest.approx(contrast)
    alone = float(alignclip(z, 3.0, contrast=0.0, **options))
    assert alone == pytest.approx(0.5 * sum(sides.values()) / 2), "IMSep without CLIP's loss"


def test_without_rescaling_separation_is_cross_entropy_within_a_modality():
    """D = 1 is InfoNCE of a modality against itself, with the other modality's partner as the positive."""
    x, y = pairs()
    logits = 3 * (x @ x.T)
    logits[range(7), range(7)] = 3 * (x * y).sum(1)
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(7))
    assert float(separation(x, y, torch.ones(7, 7), 3.0)) == pytest.approx(float(expected))


# --- UniCL -------------------------------------------------------------------------------------------------------


def test_rows_that_are_alike_at_known_angles():
    x, same = at(0, 0, 90), torch.tensor([0, 0, 1])
    value = float(
        labelled(x, x, scale=1.0, labels=same)
    )  # two of three rows: either of two, against one at right angles
    assert value == pytest.approx((2 * log(2 + exp(-1)) + log(1 + 2 * exp(-1))) / 3)
    value = float(labelled(x, x, scale=1.0, labels=same, alike="ignored"))
    assert value == pytest.approx((2 * log(1 + exp(-1)) + log(1 + 2 * exp(-1))) / 3)


@pytest.mark.parametrize("labels", ["caption", "object"])
@pytest.mark.parametrize("alike", ["positive", "ignored"])
def test_unicl_is_its_double_sum(alike, labels):
    (x, y), same, total = pairs(), KNOWN[labels].tolist(), 0.0
    for a, b in ((x, y), (y, x)):
        for i in range(7):
            logits = [3 * float(a[i] @ b[j]) for j in range(7)]
            like = [j for j in range(7) if same[j] == same[i]]
            others = [logits[j] for j in range(7) if alike == "positive" or j == i or j not in like]
            right = like if alike == "positive" else [i]
            total += sum(logsumexp(others) - logits[j] for j in right) / len(right) / 14
    z = {"image": x, "text": y}
    assert float(LOSSES["unicl"](z, 3.0, known=KNOWN, labels=labels, alike=alike)) == pytest.approx(total)


def test_where_equal_captions_are_embedded_alike_counting_them_as_positives_changes_nothing():
    (x, y), same = pairs(), KNOWN["caption"]
    y = y[torch.tensor([int((same == c).nonzero()[0]) for c in same])]  # each caption as its first
    assert float(labelled(x, y, scale=3.0, labels=same)) == pytest.approx(float(clip(x, y, 3.0)), rel=1e-12)
    assert float(labelled(x, y, scale=3.0, labels=same, alike="ignored")) < float(clip(x, y, 3.0)) - 0.05


@pytest.mark.parametrize("alike", ["positive", "ignored"])
def test_where_nothing_is_alike_unicl_is_clip(alike):
    x, y = pairs()
    expected = float(clip(x, y, 3.0))
    assert float(labelled(x, y, scale=3.0, labels=torch.arange(7), alike=alike)) == pytest.approx(expected)


# --- all ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_a_loss_of_pairs_is_the_mean_over_all_or_over_the_anchors(name):
    z, settings, of_pair = tuples(*"abc"), GIVEN.get(name, {}), {"clip": clip, "siglip": siglip}[name]
    pair = {(a, b): float(of_pair(z[a], z[b], 2.0, **settings)) for a, b in combinations("abc", 2)}
    assert float(LOSSES[name](z, 2.0, **settings)) == pytest.approx(np.mean(list(pair.values())))
    with_b = np.mean([pair["a", "b"], pair["b", "c"]])
    assert float(LOSSES[name](z, 2.0, anchor="b", **settings)) == pytest.approx(with_b)


@pytest.mark.parametrize("name", LOSSES)
def test_two_modalities_need_no_anchor(name):
    z, settings = tuples("image", "text"), GIVEN.get(name, {})
    values = {float(LOSSES[name](z, 3.0, anchor=anchor, **settings)) for anchor in (None, "image", "text")}
    assert max(values) == pytest.approx(min(values), rel=1e-12)
    if name == "clip":
        assert values == {float(clip(z["image"], z["text"], 3.0))}  # to the bit


@pytest.mark.parametrize("name", ["modgap", "alignclip", "cua"])
def test_contrast_is_the_weight_of_clip_in_every_loss_that_adds_to_it(name):
    z, contrast = tuples("image", "audio", "text"), lambda x: LOSSES[name](z, 3.0, contrast=x, **GIVEN.get(name, {}))
    assert float(contrast(2.0) - contrast(0.0)) == pytest.approx(2 * float(LOSSES["clip"](z, 3.0)))


@pytest.mark.parametrize("name", LOSSES)
def test_an_unknown_anchor_is_told(name):
    with pytest.raises(InputError, match=r"modality in loss.anchor 'txt'; did you mean 'text'"):
        LOSSES[name](tuples("image", "text"), 3.0, anchor="txt", **GIVEN.get(name, {}))


SETTINGS = {
    "clip": [{}, {"query": "b"}],
    "cua": [{"contrast": 0.5, "align": 0.5, "uniform": 2.0, "cross": 1.5}],
    "swap": [{}],
    "siglip": [{}],
    "modgap": [{"align": 0.5, "uniform": 2.0}, {"normalised": True}],
    "gram": [{}, {"smoothing": 0.1}],
    "unicl": [{}, {"labels": "object"}, {"alike": "ignored"}],
    "alignclip": [{}, {"positive": False}, {"side": "b"}],
}


@pytest.mark.parametrize("anchor", [None, "b"])
@pytest.mark.parametrize("modalities", ["ab", "abc"])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_differences(name, modalities, anchor):
    z = [x.requires_grad_() for x in tuples(*modalities).values()]
    number = lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True)  # noqa: E731
    learnt = {key: number(x) for key, x in GIVEN.get(name, {}).items() if key in LEARNT}
    rest = {key: x for key, x in GIVEN.get(name, {}).items() if key not in LEARNT}
    for settings in (rest | settings for settings in SETTINGS[name]):

        def value(scale, *tensors, settings=settings):
            numbers = dict(zip(learnt, tensors[len(z) :], strict=True))
            embeddings = dict(zip(modalities, tensors[: len(z)], strict=True))
            return LOSSES[name](embeddings, scale, anchor=anchor, **settings, **numbers)

        assert torch.autograd.gradcheck(value, (number(3.0), *z, *learnt.values()))
