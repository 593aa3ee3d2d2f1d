"""images=free: runs whose embeddings are those of the ideal space; known optima, and the usual rows, table and figure."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import synthgap
from data_gen import InputError, files
from synthgap import cli, free, ideal, observations, options, panels, runs, studies, sweep, tables
from synthgap.commands.ideal import by_settings
from synthgap.options.checks import IDEAL
from synthgap.panels import drawing, left_open

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


def test_captions_of_more_than_one_word_leave_only_what_asks_one_word_undefined(tmp_path):
    plan = planned(tmp_path, "captions.attributes=2", "seed=0", "keep=tables")
    runs.prepare(plan)
    runs.work(plan)
    assert not runs.failures(plan)
    found = rows_of(plan, plan.tasks[0])
    assert np.isnan(found["zero_shot", "digit"]) and found["rmg", "image-text"] > 0


def test_seeds_draw_other_samples_and_another_start():
    seeds = [options.resolve([*FEW, "captions.attributes=0", f"seed={seed}"]) for seed in (0, 1)]
    a, b = (ideal.ideal(free.population_of(c), **free.sought(c), steps=10) for c in seeds)
    assert not {*a.starts} & {*b.starts}
    codes = [observations.observe(None, c, "test")(0)[1] for c in seeds]
    assert (codes[0] != codes[1]).any()


# --- the sweep, and mistakes ---------------------------------------------------------------------------------------


def one_panel(plan):
    """The same of a study whose figure is its first panel alone."""
    figure = plan.study.figure | {"panels": plan.study.figure["panels"][:1]}
    return replace(plan, study=replace(plan.study, figure=figure))


def test_the_study_is_judged_and_drawn_as_usual(settled, capsys):
    assert sweep.conclude(one_panel(settled), did=2) == 0
    assert (settled.folder / "imbalance.png").exists() and "images=free" in capsys.readouterr().out


def test_what_is_drawn_beside_runs_is_found_once_and_only_where_their_loss_is_known(settled, capsys):
    asked = ["ideal", "--figure", "imbalance", *settled.overrides, "--starts", "1", "--steps", "5"]
    sweep.conclude(one_panel(settled))
    assert cli.main(asked) == 0
    assert "centring, 2.80735: posthoc=centring: no ideal space is known of that" in capsys.readouterr().out
    kept = settled.folder / left_open.FILE
    found, written = pd.read_csv(kept), kept.read_bytes()
    assert found.arm.tolist() == ["posthoc none"] * 3 and found.metric.tolist() == ["rmg", "moad", "moad"]
    assert found.temperature.tolist() == pytest.approx([0.1] * 3)
    there, object, sought = free.beside(settled.tasks[0].config, 0.1)
    at = ideal.ideal(there, starts=1, steps=5, **sought)
    assert found.value[0] == pytest.approx(float(ideal.measures(there, object)["rmg"](at.image, at.text)))
    assert ((found.low <= found.value) & (found.value <= found.high)).all() and (found.low < found.high).any()
    kept.write_bytes(written.replace(b"0.001", b"0.0010"))
    assert cli.main(asked) == 0 and kept.read_bytes() != written, "nothing was left to find, so nothing was written"


def test_runs_of_an_older_table_are_known_by_seed_and_what_was_swept(settled):
    """Their ids are others than today's; numbers may have become floats in the table."""
    rows = [{"run_id": f"old-{i}", "seed": float(t.config["seed"])} | t.swept for i, t in enumerate(settled.tasks)]
    table = pd.DataFrame([*rows, rows[0] | {"run_id": "other", "seed": 9.0}])
    found = by_settings(table, settled.tasks)
    assert found == {f"old-{i}": task.config for i, task in enumerate(settled.tasks)}
    assert by_settings(table[:0], settled.tasks) == {}


def test_a_figure_has_line_and_band_where_they_were_found_at_the_temperature_that_its_runs_end_with(tmp_path):
    """Of two levels and two seeds a level, which end at other temperatures; drawn is what was found at their mean."""
    ended = {(5, 0): 10.0, (5, 1): 20.0, (3, 0): 20.0, (3, 1): 25.0}
    rows = [
        {"run_id": f"{k}-{seed}", "seed": seed, "captions.attributes": k, "metric": metric, "of": of, "value": value}
        for (k, seed), scale in ended.items()
        for metric, of, value in (
            ("rmg", "image-text", 0.4 - 0.05 * k + 0.01 * seed),
            ("logit_scale", "", scale),
            ("imbalance_bits", "image-text", 5.0 - k),
        )
    ]
    table, study = pd.DataFrame(rows), studies.load("imbalance")
    study = replace(study, figure=study.figure | {"panels": study.figure["panels"][:1]})
    points, dots = left_open.points(table, study), panels.dots(table, study)
    assert points.x.tolist() == [0, 2] and points.temperature.tolist() == pytest.approx([0.075, 0.045])

    def picture(found):
        tables.write(found[left_open.COLUMNS], tmp_path / left_open.FILE)
        read = left_open.read(tmp_path, table, study)
        drawing.draw(panels.levels(dots), dots, study.figure, tmp_path / "figure.png", ideal=read)
        return len(read), (tmp_path / "figure.png").read_bytes()

    drawing.draw(panels.levels(dots), dots, study.figure, tmp_path / "without.png")
    without = (tmp_path / "without.png").read_bytes()
    found = points.assign(regret=0.0, value=0.2, low=0.1, high=0.3, within=0.001)
    assert picture(found.assign(temperature=0.07)) == (0, without)
    number, drawn = picture(found)
    assert number == 2 and drawn != without


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
