"""A model's rows: one a metric and what it is about, for two modalities and for more."""

from functools import partial
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from conftest import LOSSES, POSTHOC, TRIO, bags, trio
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from data_gen import Factor, FactorSpace, World, captions
from data_gen.information import critic_on, information
from data_gen.seeds import generator
from synthgap import metric_names, metrics
from synthgap.encoders import Encoders, initialise
from synthgap.evaluation import check, evaluate, measured, within
from synthgap.losses import clip
from synthgap.metrics import neighbours
from synthgap.metrics.dimensions import effective_rank
from synthgap.metrics.embedded import Embedded
from synthgap.metrics.floors import floors
from synthgap.training import embed

OF_PAIR = {"rmg", "l2m", "l2i", "alignment", "spread", "effective_scale", "centroid_share", "frechet", "modality_auc"}
OF_DIRECTION = {"entropy", "recall@1", "recall@1_instance", "recall@1_class"}
OF_MODALITY = {"uniformity", "mean_within_cosine", "moad", "moad_pooled"}
OF_OBJECT = {"v_measure_centred", "nmi", "single_modality_clusters", "knn"}


SHOWS = {"image": ("digit", "look"), "audio": ("digit", "voice")}


def trained_on(*modalities: str) -> Encoders:
    return initialise(
        bags(*modalities, vocabulary=len(TRIO.words), width=16, embedding=8), torch.Generator().manual_seed(0)
    )


def test_weights_that_become_nan_between_samples_and_prompts_are_told(monkeypatch):
    calls = []

    def spoilt(model, inputs):
        calls.append(inputs)
        return {name: x if len(calls) == 1 else x * torch.nan for name, x in embed(model, inputs).items()}

    monkeypatch.setattr("synthgap.evaluation.embed", spoilt)
    with pytest.raises(FloatingPointError, match="16 of 16 one-word embeddings are nan"):
        evaluated("image", "text")


def evaluated(*modalities: str, loss=LOSSES["clip"], shows=SHOWS, **options):
    shown, codes = trio(300)
    inputs, model = {name: shown[name] for name in modalities}, trained_on(*modalities)
    rows = evaluate(
        model, inputs, codes, World(TRIO, shows=shows), object="digit", loss=loss, scale=5.0, batch=100, **options
    )
    return rows, embed(model, inputs), codes


def test_two_modalities_have_the_rows_they_always_had_and_then_their_groups():
    rows, z, _ = evaluated("image", "text", shows={})
    assert [row[:2] for row in rows] == [
        *((metric, "image-text") for metric in ("rmg", "l2m", "l2i", "alignment")),
        ("logit_scale", ""),
        ("loss", ""),
        *(
            row
            for name in z
            for row in (
                *((metric, name) for metric in ("uniformity", "mean_within_cosine", "moad", "moad_pooled")),
                *(("moad_towards", f"{name} {factor}") for factor in TRIO.names),
            )
        ),
        *(
            (metric, of)
            for of in ("image-text", "text-image")
            for metric in ("entropy", "recall@1", "recall@1_instance", "recall@1_class")
        ),
        *((metric, factor) for factor in TRIO.names for metric in ("zero_shot", "probe")),
        *((metric, "digit") for metric in ("v_measure", "v_measure_centred", "nmi", "single_modality_clusters", "knn")),
        *(("v_measure", factor) for factor in ("look", "voice")),
        *((f"neighbour_distance{how}", of) for of in ("digit", "words") for how in ("", "_random", "_published")),
        *((metric, "image-text") for metric in ("alignment_ideal", "recall@1_ideal")),
        *((f"zero_shot_ideal{how}", factor) for factor in TRIO.names for how in ("", "_published")),
        *(("effective_rank", name) for name in z),
        *((f"gap_share@{k}", "image-text") for k in (1, 4)),
        *((f"separability_{which}", "image-text") for which in ("means", "differences")),
        *((metric, "image-text") for metric in ("spread", "mean_cosine", "effective_scale", "centroid_share")),
        *((f"distribution_gap{how}", "image-text") for how in ("", "_normalised")),
        *((metric, f"{of}{f}") for of in ("", "text ") for metric in ("map", "ncm") for f in TRIO.names),
        *((metric, "image-text") for metric in ("modality_auc", "frechet", "principal_angle")),
        *(
            ("robustness", f"{of} {on}")
            for of in ("image-text", "text-image")
            for on in ("query", "candidates", "both")
        ),
    ]
    assert all(isinstance(value, int | float) for *_, value in rows)


def test_three_modalities_have_rows_for_every_pair_and_direction():
    rows, z, codes = evaluated("image", "audio", "text")
    table = {(metric, of): value for metric, of, value in rows}
    assert len(table) == len(rows) and np.isfinite(list(table.values())).all()
    of = {metric: {o for m, o in table if m == metric} for metric, _ in table}
    assert all(of[metric] == {"image-audio", "image-text", "audio-text"} for metric in OF_PAIR)
    assert all(of[metric] == {f"{a}-{b}" for a, b in permutations(z, 2)} for metric in OF_DIRECTION)
    assert all(of[metric] == set(z) for metric in OF_MODALITY)
    assert all(of[metric] == {"digit"} for metric in OF_OBJECT)

    for a, b in combinations(z, 2):
        assert table["rmg", f"{a}-{b}"] == metrics.rmg(z[a], z[b])
        assert table["l2m", f"{a}-{b}"] == metrics.l2m(z[a], z[b])
        assert table["frechet", f"{a}-{b}"] == metrics.frechet(z[a], z[b])
        assert table["principal_angle", f"{a}-{b}"] == float(metrics.principal_angles(z[a], z[b])[0])
        assert table["effective_scale", f"{a}-{b}"] == 5 * table["spread", f"{a}-{b}"] == 5 * metrics.spread(z[a], z[b])
    assert all(table["effective_rank", name] == effective_rank(x) for name, x in z.items())
    assert of["probe"] == of["zero_shot"] == {"digit", "look", "audio digit", "audio voice"}, "what each shows"
    assert of["v_measure"] == set(TRIO.names)
    about = FactorSpace(TRIO.factors[:2])
    assert table["moad", "image"] == metrics.moad(z["image"], codes[:, :2], about, "digit")
    assert table["probe", "audio voice"] == metrics.linear_probe(z["audio"], codes[:, 2], 150)
    digits = torch.from_numpy(codes[:, 0])
    assert table["recall@1_class", "audio-image"] == metrics.recall_at_k(z["audio"], z["image"], 1, digits)
    assert table["entropy", "text-audio"] == metrics.logit_entropy(z["text"], z["audio"], 5.0)
    assert table["v_measure", "digit"] == metrics.v_measure(metrics.clusters(z, 10), codes[:, 0])
    assert table["knn", "digit"] == metrics.knn(z, codes[:, 0])


def test_rows_of_meaning_are_what_its_functions_say_of_class_means_and_one_word_captions():
    rows, z, codes = evaluated("image", "audio", "text")
    value = {(metric, of): x for metric, of, x in rows}
    model = trained_on("image", "audio", "text")
    words = embed(model, {"text": torch.arange(1, len(TRIO.words) + 1)[:, None]})["text"]
    means = lambda f, n: torch.stack([z["image"][codes[:, f] == v].mean(0) for v in range(n)])  # noqa: E731
    digits, looks = (normalize(means(f, n), dim=1) for f, n in ((0, 10), (1, 3)))
    assert value["neighbour_distance", "digit"] == pytest.approx(neighbours.neighbour_distance(digits, words[:10]))
    both = torch.cat([digits, looks]), words[:13]
    assert value["neighbour_distance", "words"] == pytest.approx(neighbours.neighbour_distance(*both)), (
        "image shows two"
    )
    assert value["neighbour_distance_published", "words"] == neighbours.published_neighbour_distance(*both)

    centre = z["text"].mean(0)
    ideal = {
        f: torch.stack([z["text"][codes[:, f] == v].mean(0) for v in range(n)]) for f, n in ((0, 10), (1, 3), (2, 3))
    }
    right = (z["image"] @ normalize(ideal[0], dim=1).T).argmax(1).numpy() == codes[:, 0]
    assert value["zero_shot_ideal", "digit"] == pytest.approx(right.mean()), (
        "captions name all: means are centre + word"
    )
    gap = z["image"].mean(0) - centre
    right = (z["image"] @ (ideal[0] + gap).T).argmax(1).numpy() == codes[:, 0]
    assert value["zero_shot_ideal_published", "digit"] == pytest.approx(right.mean())
    composed = normalize(centre + sum(ideal[f][codes[:, f]] - centre for f in range(3)), dim=1)
    assert value["alignment_ideal", "image-text"] == pytest.approx(metrics.alignment(z["image"], composed), abs=1e-5)


def test_rows_of_search_are_those_of_the_modality_and_its_factors():
    rows, z, codes = evaluated("image", "audio", "text")
    value = {(metric, of): x for metric, of, x in rows}
    of = {metric: {o for m, o in value if m == metric} for metric in ("map", "ncm")}
    texts = {f"text {name}" for name in TRIO.names}
    assert of["map"] == of["ncm"] == {"digit", "look", "audio digit", "audio voice"} | texts
    assert value["map", "audio voice"] == metrics.mean_average_precision(z["audio"], codes[:, 2])
    assert value["ncm", "text look"] == metrics.nearest_class_mean(z["text"], codes[:, 1], 150)
    world = World(TRIO, shows=SHOWS)
    same = {(m, of): x for m, of, x in within(z, codes, world)}
    other = {(m, of): x for m, of, x in within(z, codes, world, {"image": -z["image"][:50]})}
    assert same["map", "look"] == value["map", "look"] != other["map", "look"], "others may ask"
    assert same["ncm", "look"] == other["ncm", "look"] and same["map", "text look"] == other["map", "text look"]


def test_a_value_that_no_image_shows_has_no_neighbours():
    shown, codes = trio(300)
    few = codes[:, 0] < 9
    z = {
        name: normalize(torch.randn(few.sum(), 8, generator=torch.Generator().manual_seed(1)), dim=1) for name in shown
    }
    prompts = normalize(torch.randn(len(TRIO.words), 8, generator=torch.Generator().manual_seed(2)), dim=1)
    world = World(TRIO, shows=SHOWS)
    rows = measured(Embedded(z, codes[few], world, "digit", prompts=prompts), neighbours.METRICS)
    value = {(metric, of): x for metric, of, x in rows}
    means = torch.stack([z["image"][codes[few, 0] == v].mean(0) for v in range(9)])
    expected = neighbours.neighbour_distance(normalize(means, dim=1), prompts[:9])
    assert value["neighbour_distance", "digit"] == pytest.approx(expected)


def test_the_held_out_loss_is_the_mean_over_batches_of_the_training_size():
    rows, z, _ = evaluated("image", "audio", "text", loss=partial(LOSSES["clip"], anchor="text"))
    part = [
        float(clip(z[m][i : i + 100], z["text"][i : i + 100], 5.0)) for m in ("image", "audio") for i in (0, 100, 200)
    ]
    assert {metric: value for metric, _, value in rows}["loss"] == pytest.approx(np.mean(part), rel=1e-6)


def test_what_is_done_afterwards_comes_before_every_measure():
    plain, moved = (
        {(metric, of): value for metric, of, value in evaluated("image", "audio", "text", posthoc=posthoc)[0]}
        for posthoc in (None, partial(POSTHOC["translation"], gap=0.0))
    )
    assert moved["l2m", "image-text"] < plain["l2m", "image-text"] / 2
    assert {key[0] for key in plain if plain[key] != moved[key]} > {"loss", "rmg", "zero_shot", "entropy", "v_measure"}


def test_floors_are_those_of_each_pair_and_the_loss_is_the_anchors():
    world, policy = World(TRIO, shows=SHOWS), captions.fixed(TRIO, ["digit", "voice"])
    codes = TRIO.sample(200, generator(3))
    tokens = captions.write(TRIO, policy, codes, generator(4))

    def table(anchor):
        return {(m, of): x for m, of, x in floors(world, world, policy, codes, tokens, 64, anchor)}

    found, bits = table("text"), np.log2([10, 3, 3])
    assert found["shared_bits", "image-audio"] == pytest.approx(bits[0])
    assert found["imbalance_bits", "image-audio"] == pytest.approx(bits[1])
    assert found["imbalance_bits", "audio-image"] == pytest.approx(bits[2])
    assert found["imbalance_bits", "image-text"] == pytest.approx(bits[1])
    assert found["text_only_bits", "image-text"] == pytest.approx(bits[2])
    assert found["imbalance_bits", "audio-text"] == pytest.approx(0) == found["text_only_bits", "audio-text"]
    assert found["shared_bits", "audio-text"] == pytest.approx(information(TRIO, policy, ["digit", "voice"]).shared)
    here = critic_on(TRIO, codes, tokens, world.shown_by("audio"))
    assert (found["floor_entropy", "audio-text"], found["floor_entropy", "text-audio"]) == (
        pytest.approx(here.entropy),
        pytest.approx(here.entropy_text),
    )
    pairs = {anchor: table(anchor)["floor_loss", ""] for anchor in ("image", "audio", "text")}
    assert table(None)["floor_loss", ""] == pytest.approx(sum(pairs.values()) / 3), "each pair is of two anchors"
    assert pairs["audio"] == pytest.approx(pairs["text"]) and pairs["text"] < pairs["image"], (
        "sound and caption share most"
    )


# --- what the samples leave undefined is nan, and all else is a number


@st.composite
def small_worlds(draw):
    """A world, codes that may hold few of its values, and a model whose embeddings may all be the same."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    space = FactorSpace([Factor(f"f{i}", [f"{i}{v}" for v in range(size)]) for i, size in enumerate(sizes)])
    n = draw(st.integers(2, 30))
    codes = space.sample(n, generator(draw(st.integers(0, 9)), "factors"))
    for f in draw(st.sets(st.integers(0, len(sizes) - 1))):
        codes[:, f] = draw(st.integers(0, sizes[f] - 1))  # as where a test shows one value only
    modalities = draw(st.sampled_from([("image", "text"), ("image", "audio", "text")]))
    hears = draw(st.sets(st.sampled_from(space.names), min_size=1))
    shows = {"image": space.names, "audio": tuple(n for n in space.names if n in hears)} if len(modalities) > 2 else {}
    hidden = tuple(draw(st.sets(st.sampled_from(space.names), max_size=len(sizes) - 1)))
    width, same = draw(st.sampled_from([1, 2, 3, 8])), draw(st.booleans())
    return World(space, shows=shows, hidden=hidden), codes, modalities, width, same


def model_of(world, modalities, width, same):
    model = bags(*modalities, vocabulary=len(world.space.words), width=8, embedding=width)
    model = initialise(model, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for encoder in model.by_modality.values():
            encoder.projection.bias += 0.1
            encoder.projection.weight *= not same
    return model


def undefined(world, codes, z):
    """What is nan, (metric, of), as the definitions say: found from codes and embeddings without the metrics' code."""
    space, n, found = world.space, len(codes), set()
    values = [set(column) for column in codes.T]
    shared = [len(column) > len(set(column)) for column in codes.T]
    known = generator(0, "knn").permutation(n)[: round(0.8 * n)]
    if len(set(codes[known, 0])) < 2 or len(known) * len(z) < 5 or len(known) == n:
        found.add(("knn", "f0"))
    found |= {("v_measure", name) for f, name in enumerate(space.names) if len(values[f]) < 2}
    if len(values[0]) < 2:
        found |= {("v_measure_centred", "f0"), ("nmi", "f0")}
    seen = [f for f, factor in enumerate(space.names) if factor in world.shows.get("image", space.names)]
    for of, about in (("f0", [0]), ("words", seen)):
        if sum(len(values[f]) for f in about) < 3 <= sum(len(space.factors[f]) for f in about):
            found |= {(f"neighbour_distance{how}", of) for how in ("", "_random", "_published")}
    for name, x in z.items():
        shown = [f for f, factor in enumerate(space.names) if factor in world.shows.get(name, space.names)]
        of = {f: ("" if name == "image" else f"{name} ") + space.names[f] for f in shown}
        if any(len(values[f]) < 2 or not shared[f] for f in shown) and len(shown) > 1:
            found |= {("moad", name)} if 0 in shown else set()
            found |= {("moad_towards", f"{name} {space.names[f]}") for f in shown}
        for f in shown:
            if len(set(codes[: n // 2, f])) < 2:
                found |= {("ncm", of[f])} | ({("probe", of[f])} if name != "text" else set())
            if not shared[f]:
                found.add(("map", of[f]))
        if (x == x[0]).all():
            found.add(("effective_rank", name))
    means = {name: x.double().mean(0) for name, x in z.items()}
    for a, b in combinations(z, 2):
        if min(means[a].norm(), means[b].norm()) < 1e-6:
            found.add(("mean_cosine", f"{a}-{b}"))
        if torch.equal(z[a], z[b]):
            found.add(("centroid_share", f"{a}-{b}"))
        if min((z[name] - means[name]).norm(dim=1).min() for name in (a, b)) < 1e-6:
            found.add(("distribution_gap_normalised", f"{a}-{b}"))
        if torch.equal(z[a].mean(0), z[b].mean(0)):
            found |= {("gap_share@1", f"{a}-{b}"), ("gap_share@4", f"{a}-{b}")}
        if z[a].shape[1] < 4:
            found.add(("gap_share@4", f"{a}-{b}"))
        if z[a].shape[1] < 2:
            found |= {(f"separability_{which}", f"{a}-{b}") for which in ("means", "differences")}
    return found


@settings(max_examples=30, deadline=None, derandomize=True)
@given(small_worlds(), st.sampled_from(["clip", "unicl", "modgap", "gram", "alignclip"]))
def test_what_the_samples_leave_undefined_is_nan_and_all_else_is_a_number(small, loss):
    world, codes, modalities, width, same = small
    tokens = 1 + world.space.offsets + codes
    inputs = {
        name: torch.from_numpy(tokens if name == "text" else tokens[:, world.shown_by(name)]) for name in modalities
    }
    inputs = {name: x if x.shape[1] else torch.zeros(len(x), 1, dtype=torch.int64) for name, x in inputs.items()}
    model = model_of(world, modalities, width, same)
    rows = evaluate(model, inputs, codes, world, object="f0", loss=LOSSES[loss], scale=5.0, batch=8)
    nans = {(metric, of) for metric, of, value in rows if not np.isfinite(value)}
    nans -= {
        ("moad_pooled", name) for name in modalities
    }  # as published: pairs of unlike factors count, so fewer are nan
    assert nans == undefined(world, codes, embed(model, inputs))
    assert check(rows) == rows, "and each of them is known to be undefined there"
    possible = {metric: set(of) for metric, of in metric_names.possible(world, "f0").items()}
    assert {metric: {of for m, of, _ in rows if m == metric} for metric, *_ in rows}.items() <= possible.items()
