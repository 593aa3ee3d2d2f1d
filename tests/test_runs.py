"""A run is a folder and rows of a table: complete, repeatable to the bit, recorded if it fails, told if it is damaged."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import CELLS, TINY, bags, planned
from filelock import FileLock
from safetensors.torch import load_file

from data_gen import InputError
from synthgap import cli, runs, studies, sweep
from synthgap.runs import execution, pool

FACTORS = {"digit", "thickness", "swelling", "fracture", "size", "colour"}
#: metrics → what each is about
METRICS = {
    ("rmg", "l2m", "l2i", "alignment", "imbalance_bits"): {"image-text"},
    ("uniformity", "moad", "moad_pooled"): {"image", "text"},
    ("entropy", "floor_entropy", "recall@1", "recall@1_instance", "recall@1_class"): {"image-text", "text-image"},
    ("loss", "logit_scale", "floor_loss"): {""},
    ("probe", "zero_shot"): FACTORS,
    ("v_measure_centred", "nmi", "knn", "single_modality_clusters"): {"digit"},
    ("v_measure",): FACTORS,
    ("map", "ncm"): FACTORS | {f"text {name}" for name in FACTORS},
    ("zero_shot_ideal", "zero_shot_ideal_published"): FACTORS,
    ("neighbour_distance", "neighbour_distance_random", "neighbour_distance_published"): {"digit", "words"},
    ("alignment_ideal", "recall@1_ideal", "gap_share@1", "gap_share@4"): {"image-text"},
    ("separability_means", "separability_differences"): {"image-text"},
    ("effective_rank",): {"image", "text"},
    ("moad_towards",): {f"{modality} {name}" for modality in ("image", "text") for name in FACTORS},
    ("shared_bits", "unshared_bits", "text_only_bits"): {"image-text"},
    ("logit_scale_at", "loss_at", "rmg_at", "l2m_at", "entropy_at"): {"0", "0.05", "0.5", "0.95", "1"},
    ("seconds",): {"", "data", "training", "evaluation"},
}


def finish(plan):
    """Do a plan here, without worker processes."""
    runs.prepare(plan)
    runs.work(plan)
    return plan


def numbers(table):
    """All that must be the same in every repetition: everything but the clock."""
    return table[table.metric != "seconds"].reset_index(drop=True)


def test_the_table_is_tidy(finished):
    table = pd.read_parquet(finished.folder / "results.parquet")
    swept = ["captions.attributes", "temperature.mode", "temperature.init"]
    assert list(table.columns) == ["run_id", "seed", *swept, "metric", "of", "value"]
    assert not table.duplicated(["run_id", "metric", "of"]).any()
    assert table.groupby("run_id")[["seed", *swept]].nunique().eq(1).all(axis=None)
    cells = table.drop_duplicates("run_id")[["captions.attributes", "seed"]]
    assert set(cells.itertuples(index=False, name=None)) == {(1, 0), (1, 1), (5, 0), (5, 1)}
    for metrics, of in METRICS.items():
        for metric in metrics:
            assert set(table[table.metric == metric]["of"]) >= of, metric
    assert np.isfinite(table.value).all()


def test_every_run_folder_says_all_about_its_run(finished):
    for task in finished.tasks:
        folder = finished.folder / task.run_id
        files = {"config.yaml", "model.safetensors", "trajectory.parquet", "metrics.parquet", "done.json"}
        assert {path.name for path in folder.iterdir()} == files
        config = yaml.safe_load((folder / "config.yaml").read_text())
        assert config["captions"]["attributes"] == task.swept["captions.attributes"] and config["study"] == "imbalance"
        assert config["captions"]["object"] == "digit", "a default that depends on the world is written out"
        assert {"step", "loss", "logit_scale", "rmg", "l2m"} <= set(
            pd.read_parquet(folder / "trajectory.parquet").columns
        )
        about = json.loads((folder / "done.json").read_text())
        assert set(about["checksums"]) == files - {"done.json"} and about["versions"]["torch"] == torch.__version__


def test_the_weights_that_are_kept_give_the_numbers_in_the_table(finished):
    from data_gen import MAD
    from data_gen.seeds import generator
    from synthgap.metrics import rmg
    from synthgap.observations import observe
    from synthgap.training import embed

    task = finished.tasks[0]
    model = bags("image", "text", width=64, embedding=64)
    model.load_state_dict(load_file(finished.folder / task.run_id / "model.safetensors"))
    shown, codes = observe(finished.datasets, task.config, "test")(0)
    assert (codes == MAD.sample(200, generator(0, "factors", "test"))).all()
    z = embed(model, {name: torch.from_numpy(x) for name, x in shown.items()})
    table = runs.collect(finished)
    kept = table[(table.run_id == task.run_id) & (table.metric == "rmg")].value.item()
    assert rmg(z["image"], z["text"]) == pytest.approx(kept, abs=1e-6)


def test_a_repetition_gives_the_same_numbers_to_the_bit(finished, tmp_path):
    again = finish(planned(tmp_path, "captions.attributes=5,1", "seed=1"))  # other runs in another order
    names = ["captions.attributes", "seed", "metric", "of"]
    first, second = (numbers(runs.collect(plan)).set_index(names).value for plan in (finished, again))
    assert second.index.unique("captions.attributes").tolist() == [5, 1] and len(first) == 2 * len(second)
    assert second.equals(first[second.index])


def test_losses_and_temperatures_can_be_swept(tmp_path):
    """One direction of CLIP's, CUA without CLIP's, swapping; a course of the temperature, and another scale of it."""
    asked = (
        ("loss.query=image,text", "temperature.mode=fixed", "temperature.schedule=[[0,0.01],[1,0.05]]"),
        ("loss=cua", "loss.contrast=0", "loss.cross=1", "temperature.scale=softplus"),
        ("loss=swap", "loss.share=1", "loss.soft=true", "temperature.schedule=null", "temperature.mode=learnable"),
    )
    found = {}
    for overrides in asked:
        plan = finish(planned(tmp_path, "captions.attributes=1", "seed=0", *overrides))
        assert not runs.failures(plan)
        table = runs.collect(plan).set_index(["run_id", "metric", "of"]).value
        found |= {task.run_id: table[task.run_id] for task in plan.tasks}
    scales = [table["logit_scale", ""] for table in found.values()]
    assert scales[:2] == pytest.approx([20, 20]), "the course's end"
    assert scales[2] == pytest.approx(1 / 0.07), "nothing of this loss sees the temperature"
    assert scales[3] != pytest.approx(1 / 0.07, rel=1e-4)
    assert len({table["rmg", "image-text"] for table in found.values()}) == 4
    assert all(np.isfinite(table.loc["loss", ""]) for table in found.values())


def test_a_finished_sweep_is_left_alone(copied, capsys, monkeypatch):
    """Neither trained nor redrawn nor touched: it only says so."""
    monkeypatch.setattr(pool, "_work", None)
    before = {path: path.stat().st_mtime_ns for path in copied.folder.rglob("*")}
    assert cli.main(["run", "imbalance", *TINY, *CELLS, f"out={copied.folder.parent}"]) == 0
    assert "4 runs finished before; nothing new to run" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in copied.folder.rglob("*")} == before


def test_a_wider_sweep_does_only_what_is_new(copied):
    wider = planned(copied.folder.parent, "captions.attributes=1,3,5", "seed=0,1")
    before = {task.run_id for task in wider.tasks if wider.done(task)}
    assert before == {task.run_id for task in copied.tasks}
    kept = copied.folder / copied.tasks[0].run_id / "done.json"
    made = kept.stat().st_mtime_ns
    finish(wider)
    assert all(wider.done(task) for task in wider.tasks) and kept.stat().st_mtime_ns == made


def test_only_what_was_asked_for_is_in_the_table(copied):
    narrow = planned(copied.folder.parent, "captions.attributes=1", "seed=0,1")
    assert runs.collect(narrow)["captions.attributes"].unique().tolist() == [1]


def test_a_swept_list_is_one_value_in_the_table(tmp_path):
    asked = ["~captions.attributes", "captions=fixed", "captions.factors=[digit],[digit,colour]", "seed=0"]
    plan = finish(planned(tmp_path, *asked))
    assert set(runs.collect(plan)["captions.factors"]) == {"['digit']", "['digit', 'colour']"}
    assert sweep.conclude(plan, did=2) == 0


def test_every_loss_is_an_option_and_what_it_learns_is_in_the_table(tmp_path):
    asked = ["captions.attributes=5", "seed=0", "loss=clip,siglip,modgap,gram"]
    plan = finish(planned(tmp_path, *asked))
    assert not runs.failures(plan)
    table = runs.collect(plan)
    assert set(table.loss) == {"clip", "siglip", "modgap", "gram"}
    bias = table[table.metric == "logit_bias"]
    assert set(bias.loss) == {"siglip"} and (bias.value != -10).all()


def test_a_learnable_temperature_learns_and_its_course_is_in_the_table(tmp_path):
    plan = finish(planned(tmp_path, "seed=0", "captions.attributes=5", "temperature.init=0.3", "temperature.lr=0.1"))
    of_run = runs.collect(plan).pivot(index=["metric", "of"], columns="run_id", values="value").iloc[:, 0]
    course = [of_run["logit_scale_at", share] for share in ("0", "0.25", "0.5", "0.75")] + [of_run["logit_scale", ""]]
    assert course[0] == pytest.approx(1 / 0.3) and len(set(course)) > 3, "it moves, and not once only"
    fixed = finish(planned(tmp_path, "seed=0", "captions.attributes=5", "temperature.mode=fixed"))
    table = runs.collect(fixed)
    assert set(table[table.metric.str.startswith("logit_scale")].value.round(4)) == {round(1 / 0.07, 4)}


def test_a_finetuned_model_is_tested_on_the_captions_that_come_last(tmp_path):
    asked = ["seed=0", "captions.attributes=5", "finetune=contiguous", "finetune.fraction=0.34", "finetune.epochs=2"]
    plan = finish(planned(tmp_path, *asked, "finetune.temperature=learnable,frozen"))
    assert not runs.failures(plan)
    table = runs.collect(plan).set_index(["finetune.temperature", "metric", "of"]).value
    free, frozen = table["learnable"], table["frozen"]
    straight = planned(tmp_path, "seed=0", "captions=contiguous", "captions.fraction=0.34", "~captions.attributes")
    there = runs.collect(finish(straight)).set_index(["metric", "of"]).value
    for metric in ("shared_bits", "floor_recall@1", "unshared_bits"):
        assert free[metric, "image-text"] == frozen[metric, "image-text"] == there[metric, "image-text"], metric
    shares = [f"{i / 20:g}" for i in range(21)]
    scale = np.array([[arm["logit_scale_at", share] for share in shares] for arm in (free, frozen)])
    third = 7  # of the steps are training, so is a third of the shares; then one is free
    assert (scale[0, :third] == scale[1, :third]).all() and scale[0, -1] != scale[1, -1]
    assert len(set(scale[1, third:])) == 1 and scale[1, -1] == pytest.approx(frozen["logit_scale", ""])


def test_a_world_that_looks_anew_in_each_epoch_cannot_be_finetuned_on(tmp_path):
    published = ["seed=0", "images=pixels", "mad.variant=published", "captions.attributes=5", f"out={tmp_path}"]
    assert len(runs.plan(studies.load("imbalance"), published).tasks) == 1
    with pytest.raises(
        InputError, match=r"finetune=attributes keeps the images and captions, and training shows others in each epoch"
    ):
        runs.plan(studies.load("imbalance"), [*published, "finetune=attributes"])


def test_encoders_set_apart_begin_with_a_larger_gap(tmp_path):
    plan = finish(planned(tmp_path, "seed=0", "captions.attributes=5", "encoder.apart=0,3"))
    table = runs.collect(plan)
    drawn, apart = table[(table.metric == "rmg_at") & (table["of"] == "0")].sort_values("encoder.apart").value
    assert apart > 0.95 > drawn


def test_weights_of_a_loss_are_swept_and_may_have_a_course(tmp_path):
    asked = ["captions.attributes=5", "seed=0", "loss=modgap", "loss.align=0,[[0.5,1],[1,2]]", "loss.uniform=0"]
    plan = finish(planned(tmp_path, *asked))
    table = runs.collect(plan)
    aligned = table[table.metric == "alignment"].set_index("loss.align").value
    assert list(map(str, aligned.index)) == ["0", "[[0.5, 1], [1, 2]]"] and aligned.is_monotonic_increasing


def test_what_is_done_afterwards_takes_the_model_of_another_run(tmp_path):
    plan = finish(planned(tmp_path, "seed=0", "captions.attributes=1", "loss=siglip", "posthoc=centring,none"))
    changed, plain = plan.tasks
    assert changed.start.run_id == plain.run_id
    assert not (plan.folder / changed.run_id / "model.safetensors").exists(), "one copy is enough"
    assert json.loads((plan.folder / changed.run_id / "done.json").read_text())["model"] == plain.run_id
    table = runs.collect(plan).pivot_table(index=["metric", "of"], columns="posthoc", values="value")
    assert table.centring["l2m", "image-text"] < 0.1 < table.none["l2m", "image-text"]
    for kept in (("logit_scale", ""), ("logit_bias", ""), ("floor_loss", "")):
        assert table.centring[kept] == table.none[kept]


def test_remedies_of_other_papers_in_one_sweep(tmp_path):
    cells = ("seed=0", "captions.attributes=1", "posthoc=none,ssp,gap_projection,realign,spectral,standardise")
    plan = finish(planned(tmp_path, *cells))
    assert not runs.failures(plan)
    gap = runs.collect(plan).query("metric == 'l2m'").set_index("posthoc").value
    assert len(gap) == 6 and gap.drop("none").max() < gap["none"]


def test_a_model_that_no_run_of_the_plan_trains_is_trained_all_the_same(tmp_path):
    cells = ("seed=0", "captions.attributes=1")
    plan = finish(planned(tmp_path / "a", *cells, "posthoc=translation", "posthoc.gap=0.5,1"))
    (start,) = {task.start.run_id for task in plan.tasks}
    assert all(plan.done(task) for task in plan.tasks) and (plan.folder / start / "done.json").exists()
    assert set(runs.collect(plan).run_id) == {task.run_id for task in plan.tasks}, "only what was asked for"
    alone = finish(planned(tmp_path / "b", *cells, "posthoc=none"))
    weights = [load_file(p.folder / start / "model.safetensors") for p in (plan, alone)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


SEARCHED = {"map", "ncm", "map_gain", "seconds"}


def test_what_only_searches_has_no_other_numbers(tmp_path):
    cells = ("seed=0", "captions.attributes=1", "posthoc=none,features,isoclip_mlp,inversion,isoclip,rotation")
    plan = finish(planned(tmp_path, *cells))
    assert not runs.failures(plan)
    table = runs.collect(plan)
    for method in ("features", "isoclip_mlp", "inversion"):
        found = set(table[table.posthoc == method].metric)
        assert {m for m in found if "floor" not in m and "bits" not in m} == SEARCHED
    value = table.set_index(["posthoc", "metric", "of"]).value
    for method in ("features", "isoclip", "inversion"):
        gain = value[method, "map", "digit"] - value["none", "map", "digit"]
        assert value[method, "map_gain", "digit"] == pytest.approx(gain, abs=1e-12) and gain != 0
    assert abs(value["rotation", "map_gain", "digit"]) < 1e-3
    assert value["rotation", "rmg", "image-text"] == pytest.approx(value["none", "rmg", "image-text"], abs=1e-5)


def test_another_test_takes_the_model_too(tmp_path):
    cells = ("seed=0", "captions.attributes=1", "space.held_out=0.3", "shift=unseen,none")
    plan = finish(planned(tmp_path, *cells))
    other, plain = plan.tasks
    assert other.start.run_id == plain.run_id and not (plan.folder / other.run_id / "model.safetensors").exists()
    table = runs.collect(plan).pivot_table(index=["metric", "of"], columns="shift", values="value")
    assert table.unseen["zero_shot", "digit"] != table.none["zero_shot", "digit"]
    assert table.unseen["logit_scale", ""] == table.none["logit_scale", ""]


@pytest.mark.parametrize("loss", ["alignclip", "unicl"])
def test_a_shared_trunk_and_a_loss_that_is_told_more_are_runs_as_any_other(tmp_path, loss):
    cells = ("seed=0", "captions.attributes=1", f"loss={loss}", "encoder.share=trunk", "posthoc=none,centring")
    plan = finish(planned(tmp_path, *cells))
    assert not runs.failures(plan)
    again = finish(planned(tmp_path / "again", *cells))
    assert numbers(runs.collect(plan)).equals(numbers(runs.collect(again))), "centring has loaded what is shared"


def test_a_run_whose_model_cannot_be_had_says_so(tmp_path):
    plan = planned(tmp_path, "seed=0", "captions.attributes=1", "posthoc=centring", "training.lr=1e30")
    finish(plan)
    (failure,) = runs.failures(plan).values()
    assert "the run whose model it takes failed" in failure["reason"] and "training.lr" in failure["reason"]


def test_an_arm_may_have_options_that_another_has_not(tmp_path):
    study = tmp_path / "arms.yaml"
    study.write_text(
        "{question: q, grid: {seed: [0]}, cases: [{loss: clip}, {loss: modgap, loss.align: [[0, 1], [1, 2]]}]}"
    )
    plan = runs.plan(studies.load(str(study)), [*TINY, f"out={tmp_path}"])
    assert [task.swept["loss.align"] for task in plan.tasks] == [None, "[[0, 1], [1, 2]]"]


def test_a_column_of_numbers_and_courses_is_text(tmp_path):
    cells = ("seed=0", "captions.attributes=1", "loss=modgap", "loss.align=0.5,[[0,1],[1,2]]")
    plan = finish(planned(tmp_path, *cells))
    assert sweep.conclude(plan, did=2) == 0
    assert set(pd.read_parquet(plan.folder / "results.parquet")["loss.align"]) == {"0.5", "[[0, 1], [1, 2]]"}


def test_a_failing_run_is_recorded_with_its_reason_and_the_others_go_on(tmp_path, capsys):
    plan = finish(planned(tmp_path, "captions.attributes=1", "seed=0", "training.lr=1e30,0.002"))
    bad, good = sorted(plan.tasks, key=lambda task: -task.config["training"]["lr"])
    assert plan.done(good) and not plan.done(bad)
    record = json.loads((plan.folder / f"{bad.run_id}.failed.json").read_text())
    assert "loss is nan" in record["reason"] and record["swept"]["training.lr"] == 1e30
    assert "Traceback" in record["traceback"] and record["config"]["training"]["lr"] == 1e30
    assert not list(plan.folder.glob(".*.partial*"))

    assert sweep.conclude(plan, did=2) == 1
    told = capsys.readouterr().out
    assert "1 of 2 runs are missing" in told and "training.lr=1e+30" in told and record["reason"] in told
    assert runs.collect(plan).run_id.unique().tolist() == [good.run_id]

    runs.prepare(plan)  # the same command again: what failed is forgotten, and tried again
    assert runs.failures(plan) == {}
    runs.work(plan)
    assert set(runs.failures(plan)) == {bad.run_id}


def test_a_full_disk_in_the_middle_of_a_run_is_a_failure_with_a_reason(tmp_path, monkeypatch):
    def full(plan, task, folder):
        (folder / "config.yaml").write_text("half")
        raise OSError(28, "No space left on device")

    plan = planned(tmp_path, "captions.attributes=1", "seed=0")
    monkeypatch.setattr(execution, "execute", full)
    finish(plan)
    assert [failure["reason"] for failure in runs.failures(plan).values()] == [
        "OSError: [Errno 28] No space left on device"
    ]
    assert not list(plan.folder.glob(".*.partial*"))


def test_a_record_of_failure_that_cannot_be_read_is_no_reason_to_fail(copied, capsys):
    shutil.rmtree(copied.folder / copied.tasks[0].run_id)
    copied.failure(copied.tasks[0]).write_text('{"reason": "the lo')
    assert cli.main(["show", "imbalance", *TINY, *CELLS, f"out={copied.folder.parent}"]) == 1
    assert "cannot be read" in capsys.readouterr().out


def test_what_a_killed_worker_left_is_cleared_away(copied):
    task = copied.tasks[0]
    place = copied.folder / task.run_id
    whole = pd.read_parquet(place / "metrics.parquet")
    left = place.rename(copied.folder / f".{task.run_id}.0123abcd.partial")
    (left / "junk").touch()
    finish(copied)
    assert not list(copied.folder.glob(".*.partial")) and not (place / "junk").exists()
    assert numbers(pd.read_parquet(place / "metrics.parquet")).equals(numbers(whole))


def test_a_folder_without_its_done_mark_is_run_again(copied):
    place = copied.folder / copied.tasks[0].run_id
    (place / "done.json").unlink()  # as a deletion that was interrupted leaves it
    finish(copied)
    assert copied.done(copied.tasks[0]) and not runs.failures(copied)


def test_a_run_that_another_worker_holds_is_left_to_it(tmp_path, monkeypatch):
    plan = planned(tmp_path, "captions.attributes=1", "seed=0,1")
    runs.prepare(plan)
    held, free = plan.tasks
    done = []

    def run(p, task, folder):
        done.append(task)
        if task == free:
            lock.release()  # the other worker was killed meanwhile
        (folder / "done.json").touch()

    monkeypatch.setattr(execution, "execute", run)
    lock = FileLock(plan.folder / ".locks" / held.run_id)
    lock.acquire()
    runs.work(plan)
    assert done == [free, held], "first what is free, then what is left by the dead"


def spoil(name, change):
    def do(folder):
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return do


def flipped(position):
    return lambda content: content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


DAMAGE = {
    "metrics with a flipped bit": spoil("metrics.parquet", flipped(300)),
    "metrics cut short": spoil("metrics.parquet", lambda content: content[:100]),
    "empty metrics": spoil("metrics.parquet", lambda content: b""),
    "no metrics": lambda folder: (folder / "metrics.parquet").unlink(),
    "weights with a flipped bit": spoil("model.safetensors", flipped(5000)),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "another config": spoil("config.yaml", lambda content: content.replace(b"seed: 0", b"seed: 9")),
    "an empty done mark": spoil("done.json", lambda content: b""),
    "a done mark of binary": spoil("done.json", lambda content: b"\xff\xfe"),
    "a done mark that is a list": spoil("done.json", lambda content: b"[]"),
    "a done mark that lists nothing": spoil("done.json", lambda content: b'{"checksums": {}}'),
    "a done mark that lists no weights": spoil(
        "done.json", lambda content: content.replace(b'"model.safetensors"', b'"metrics.parquet"')
    ),
    "a done mark of another run": spoil("done.json", lambda content: content.replace(b'"run_id": "', b'"run_id": "0')),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_run_is_told_and_nothing_is_lost(copied, capsys, damage):
    folder = copied.folder / copied.tasks[0].run_id
    damage(folder)
    before = {path: path.stat().st_mtime_ns for path in copied.folder.rglob("*")}
    with pytest.raises(InputError, match=f"{folder} is damaged .*delete that folder and it is run again"):
        runs.collect(copied)
    for command in ("run", "show"):
        assert cli.main([command, "imbalance", *TINY, *CELLS, f"out={copied.folder.parent}"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "is damaged" in error
    assert {path: path.stat().st_mtime_ns for path in copied.folder.rglob("*")} == before


def test_show_redraws_what_was_deleted_or_spoilt(copied):
    names = ("imbalance.png", "verdicts.parquet", "results.parquet")
    whole = pd.read_parquet(copied.folder / "results.parquet")
    (copied.folder / names[0]).unlink()
    (copied.folder / names[1]).unlink()
    (copied.folder / names[2]).write_bytes(b"PAR1 no more")
    assert cli.main(["show", "imbalance", *TINY, *CELLS, f"out={copied.folder.parent}"]) == 0
    assert all((copied.folder / name).stat().st_size > 500 for name in names)
    assert pd.read_parquet(copied.folder / "results.parquet").equals(whole)


def test_show_and_verdicts_tell_the_same_from_what_is_on_disk(copied, capsys):
    out = copied.folder.parent
    assert cli.main(["show", "imbalance", *TINY, *CELLS, f"out={out}"]) == 0
    shown = capsys.readouterr().out
    assert copied.study.question in shown and "4 runs, redrawn" in shown
    assert str(copied.folder / "imbalance.png") in shown
    assert cli.main(["verdicts", f"out={out}"]) == 0
    table = capsys.readouterr().out
    judged = pd.read_parquet(copied.folder / "verdicts.parquet")
    columns = {"study", "claim", "source", "verdict", "effect", "low", "high", "p", "p_floor", "seeds"}
    assert columns <= set(judged.columns) and len(judged) == len(copied.study.claims)
    assert set(judged.verdict) <= {"supported", "contradicted", "undecided"}
    for verdict in judged.verdict:
        assert verdict in shown and verdict in table
