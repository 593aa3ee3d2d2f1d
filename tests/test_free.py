"""images=free: runs whose embeddings are those of the ideal space; known optima, and the usual rows, table and figure."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import synthgap
from data_gen import InputError, files
from synthgap import free, ideal, observations, options, runs, studies, sweep
from synthgap.options.checks import IDEAL

FEW = (  # 70 images
    "images=free", "space.hidden=[thickness,swelling,fracture,size]", "mad.test_images=200", "encoder.embedding=4",
    "temperature.mode=fixed", "temperature.init=0.1", "training.batch=50",
)  # fmt: skip


def planned(out, *overrides):
    return runs.plan(studies.load("imbalance"), [*FEW, *overrides, f"out={out}"])


def rows_of(plan, task):
    return files.read_parquet(plan.folder / task.run_id / "metrics.parquet").set_index(["metric", "of"]).value


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """A run whose captions are the digits alone, and what centring makes of it; to be read."""
    out = tmp_path_factory.mktemp("settled")
    plan = planned(out, "captions.attributes=0", "seed=0", "posthoc=none,centring", "keep=tables")
    runs.prepare(plan)
    runs.work(plan)
    assert not runs.failures(plan)
    return plan


# --- embeddings ----------------------------------------------------------------------------------------------------


def test_words_find_their_vector_in_any_order_and_what_is_never_said_has_none():
    c = options.resolve([*FEW, "captions.attributes=1"])
    model, space = free.model_of(c), observations.world_of(c).space
    model.text.copy_(torch.arange(len(model.text))[:, None].expand_as(model.text))
    digit, colour, size = (space.words.index(space[name].words[0]) + 1 for name in ("digit", "colour", "size"))
    words = torch.tensor([[digit, colour, 0], [colour, digit, 0], [digit, size, 0], [digit, 0, 0], [colour, size, 0]])
    first, again, another, *never = model({"text": words})["text"][:, 0].tolist()
    assert first == again != another and np.isnan(never).all(), "every caption names the digit and one more"


def test_two_sides_of_a_coin_are_antipodes_on_their_captions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sides = "from data_gen import Factor, FactorSpace, World\nworld = World(FactorSpace([Factor('side', ['head', 'tail'])]))"
    (tmp_path / "coin.py").write_text(sides)
    coin = "world=coin.py", "space.hidden=[]", "captions.attributes=0", "seed=0", "temperature.init=0.5"
    plan = planned(tmp_path, *coin)
    runs.prepare(plan)
    runs.work(plan)
    rows = rows_of(plan, plan.tasks[0])
    for metric, of, known in (
        ("rmg", "image-text", 0),
        ("l2m", "image-text", 0),
        ("alignment", "image-text", 1),
        ("recall@1", "image-text", 1),
        ("zero_shot", "side", 1),
        ("logit_scale", "", 2),
    ):
        assert rows[metric, of] == pytest.approx(known, abs=0.01), metric
    batches = synthgap.open(plan.folder / plan.tasks[0].run_id).codes[:, 0].reshape(4, 50)
    logits = 2 * (1 - 2.0 * (batches[:, :, None] != batches[:, None]))
    assert rows["loss", ""] == pytest.approx(np.log(np.exp(logits).sum(2)).mean() - 2, abs=0.01)


def test_rows_agree_with_the_ideal_space_of_the_same_setting(settled):
    (task, _), rows = settled.tasks, rows_of(settled, settled.tasks[0])
    there = free.population_of(task.config)
    found, measures = ideal.ideal(there, **free.sought(task.config)), ideal.measures(there, "digit")
    del measures["mean_cosine"]  # of means of nearly no length: a sample's are what chance makes them
    for name, measure in measures.items():
        metric, _, of = name.partition("_") if name.startswith("moad") else (name, "", "image-text")
        assert rows[metric, of] == pytest.approx(float(measure(found.image, found.text)), abs=0.06), "200 are a sample"
    assert rows["logit_scale", ""] == pytest.approx(10)


def test_a_metric_of_captions_that_are_never_written_is_nan_and_of_others_a_number(settled):
    rows = rows_of(settled, settled.tasks[0])
    assert rows["zero_shot", "digit"] == 1 and np.isfinite(rows["neighbour_distance", "digit"])
    assert np.isnan([rows["zero_shot", "colour"], rows["neighbour_distance", "words"]]).all()
    assert not any(metric.endswith("_at") for metric, _ in rows.index), "nothing is trained, so there is no course"


def test_a_run_is_opened_with_its_vectors_which_are_found_again_to_the_same_bits(settled):
    (task, _), rows = settled.tasks, rows_of(settled, settled.tasks[0])
    run = synthgap.open(settled.folder / task.run_id)
    assert {name: len(x) for name, x in run.embeddings.items()} == {"image": 200, "text": 200}
    there = run.model.text_words.tolist()
    assert len(run.model.image) == 70 and sorted(map(max, there)) == list(range(1, 11)), "the ten digits' words"
    for x in run.embeddings.values():
        assert x.norm(dim=1).numpy() == pytest.approx(1)
    alignment = float((run.embeddings["image"] * run.embeddings["text"]).sum(1).mean())
    assert alignment == pytest.approx(rows["alignment", "image-text"])
    free.settle(again := free.model_of(task.config), task.config)
    assert torch.equal(again.image, run.model.image) and torch.equal(again.text, run.model.text)


def test_centring_takes_the_vectors_and_its_means_coincide(settled):
    before, after = (rows_of(settled, task) for task in settled.tasks)
    assert after["l2m", "image-text"] < 0.5 * before["l2m", "image-text"]
    assert np.isnan(after["zero_shot", "colour"])


def test_seeds_draw_other_samples_and_another_start():
    seeds = [options.resolve([*FEW, "captions.attributes=0", f"seed={seed}"]) for seed in (0, 1)]
    a, b = (ideal.ideal(free.population_of(c), **free.sought(c), steps=10) for c in seeds)
    assert not {*a.starts} & {*b.starts}
    codes = [observations.observe(None, c, "test")(0)[1] for c in seeds]
    assert (codes[0] != codes[1]).any()


# --- the sweep, and mistakes ---------------------------------------------------------------------------------------


def test_the_study_is_judged_and_drawn_as_usual(settled, capsys):
    figure = settled.study.figure | {"panels": settled.study.figure["panels"][:1]}
    assert sweep.conclude(replace(settled, study=replace(settled.study, figure=figure)), did=2) == 0
    assert (settled.folder / "imbalance.png").exists() and "images=free" in capsys.readouterr().out
    assert (settled.folder / "results.parquet").exists()


def test_the_losses_are_those_that_an_ideal_space_is_known_of():
    assert set(IDEAL) == set(ideal.DEFAULTS)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("encoder.start=same", "encoder.start=same is of encoders and their training, and images=free has neither"),
        ("encoder.share=trunk", "encoder.share=trunk is of encoders"),
        ("encoder.width=128", "encoder.width=128 is of encoders"),
        ("training.epochs=8", "training.epochs=8 is of encoders"),
        ("training.mismatched=0.2", "training.mismatched=0.2 is of encoders"),
        ("temperature.scale=softplus", "temperature.scale=softplus is of encoders"),
        ("finetune=attributes finetune.attributes=1", "finetune=attributes needs encoders, and images=free has none"),
        ("posthoc=isoclip", "posthoc=isoclip needs encoders, and images=free has none"),
        ("posthoc=inversion", "posthoc=inversion needs encoders, and images=free has none"),
        ("keep=course", "keep=course is of training, and images=free has none"),
        ("loss=gram", "unknown loss of images=free 'gram' (allowed: clip, siglip, modgap)"),
        ("loss.query=image", "loss.query=image: images=free is of both directions"),
        (
            "temperature.mode=fixed temperature.init=0.001",
            "temperature.init=0.001: that of images=free must be at least 0.01",
        ),
        ("space.held_out=0.2", "space.held_out=0.2: what is not seen has no vector; add space.test=seen"),
        ("shift=blur", "shift=blur changes what is seen, and images=free has nothing to see"),
        ("mad.strength=strong", "mad.strength=strong changes what is seen or heard, and images=free has neither"),
        ("world=avmnist captions.attributes=1", "an ideal space is of images and captions; here are image, audio too"),
        ("loss=modgap captions.attributes=3 mad.style=[slant]", "at most 32,768 pairs; here are"),
    ],
)
def test_what_cannot_apply_is_told_in_one_line_before_any_run(overrides, told, tmp_path):
    with pytest.raises(InputError) as error:
        runs.plan(studies.load("imbalance"), ["images=free", *overrides.split(), f"out={tmp_path}"])
    assert told in str(error.value) and "\n" not in str(error.value)


def test_where_combinations_are_held_out_those_that_are_seen_have_vectors(tmp_path):
    assert planned(tmp_path, "space.held_out=0.2", "space.test=seen", "captions.attributes=1", "seed=0").tasks
