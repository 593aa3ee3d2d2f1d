"""A model's rows: one a metric and what it is about, for two modalities and for more."""

from functools import partial
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from conftest import TRIO, trio

from data_gen import FactorSpace, World, captions
from data_gen.information import critic_on, information
from data_gen.seeds import generator
from synthgap import metrics
from synthgap.encoders import Bag, Encoders, initialise
from synthgap.evaluation import evaluate, floors
from synthgap.losses import LOSSES, clip
from synthgap.posthoc import POSTHOC
from synthgap.training import embed

OF_PAIR = {"rmg", "l2m", "l2i", "alignment"}
OF_DIRECTION = {"entropy", "recall@1", "recall@1_instance", "recall@1_class"}
OF_MODALITY = {"uniformity", "moad", "moad_pooled"}
OF_OBJECT = {"v_measure_centred", "nmi", "single_modality_clusters", "knn"}


SHOWS = {"image": ("digit", "look"), "audio": ("digit", "voice")}


def evaluated(*modalities: str, loss=LOSSES["clip"], shows=SHOWS, **options):
    shown, codes = trio(300)
    inputs = {name: shown[name] for name in modalities}
    encoders = {name: Bag(vocabulary=len(TRIO.words), width=16, embedding=8) for name in modalities}
    model = initialise(Encoders(encoders), torch.Generator().manual_seed(0))
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
        *((metric, name) for name in z for metric in ("uniformity", "moad", "moad_pooled")),
        *(
            (metric, of)
            for of in ("image-text", "text-image")
            for metric in ("entropy", "recall@1", "recall@1_instance", "recall@1_class")
        ),
        *((metric, factor) for factor in TRIO.names for metric in ("zero_shot", "probe")),
        *((metric, "digit") for metric in ("v_measure", "v_measure_centred", "nmi", "single_modality_clusters", "knn")),
        *(("v_measure", factor) for factor in ("look", "voice")),
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
