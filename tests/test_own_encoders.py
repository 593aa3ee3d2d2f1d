"""Encoders of one's own, chosen by their path for images, texts, or any other modality, and a world that is touched, too."""

import json
import re
import shutil

import pandas as pd
import pytest
import torch
from conftest import ROOT, TINY

import synthgap
from data_gen import InputError
from synthgap import cli, options, runs, studies
from synthgap.encoders import initialise
from synthgap.runs.estimate import estimate

ENCODER, WORLD = ((ROOT / "experiments" / "own" / f"my_{name}.py").read_text() for name in ("encoder", "world"))
STUDY = """\
question: Does a wider encoder of my own close the gap?
grid: {encoder.image: [my_encoder.py], encoder.hidden: [4, 64], seed: [0, 1, 2, 3, 4]}
presets:
  quick:
    set: {world: my_world.py, loss.anchor: touch, encoder.cells: 2, captions.attributes: 1, mad.images: 256,
          mad.test_images: 200, training.epochs: 1, training.batch: 64}
claims:
  - {claim: it does, metric: rmg, of: touch-text, over: encoder.hidden, levels: [4, 64], direction: falls, matters: 0.01}
"""
WORDS = '''\
"""The first word alone, by a class."""

from torch import nn

from synthgap.catalogue import Method, Option

ENCODER = Method(function="Words", reads=("tokens",), needs=("vocabulary",), options={"units": Option(8, "of a word", low=1)})


class Words(nn.Module):
    def __init__(self, shape, *, vocabulary, units):
        super().__init__()
        self.words = nn.Embedding(vocabulary + 1, units)

    def forward(self, tokens):
        return self.words(tokens[:, 0])
'''
#: ids of runs without an encoder of one's own, as they were before there could be one
KNOWN = {"conv": ["bd4d18a4736a"], "transformer": ["bf798a4cf61e"], "shared": ["5385df81cad5"]}
#: of the world above, a tiny run
TOUCHED = ("world=my_world.py", "mad.images=128", "mad.test_images=200", "training.epochs=1", "training.batch=64")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of one's own with the examples, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("my_encoder", ENCODER), ("my_world", WORLD), ("my_words", WORDS)):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def planned(*overrides):
    return runs.plan(studies.load("imbalance"), ["captions.attributes=1", "seed=0", "out=runs", *overrides])


def ids(*overrides):
    return [task.run_id for task in planned(*overrides).tasks]


def finished(*overrides):
    """The table of a plan whose runs are all done."""
    plan = planned(*overrides)
    runs.prepare(plan)
    runs.work(plan)
    assert not runs.failures(plan)
    return runs.collect(plan)


def failed(*overrides):
    """Why the one run of a plan fails."""
    plan = planned(*TINY, *overrides)
    runs.work(plan)
    (record,) = runs.failures(plan).values()
    assert "\n" not in record["reason"]
    return record["reason"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished sweep of an own encoder, in a world of images, texts and touch."""
    folder, patch = tmp_path_factory.mktemp("own"), pytest.MonkeyPatch()
    with patch.context() as changed:
        changed.chdir(folder)
        for name, text in (("my_encoder.py", ENCODER), ("my_world.py", WORLD), ("own.yaml", STUDY)):
            (folder / name).write_text(text)
        plan = runs.plan(studies.load("own.yaml"), ["out=runs"])
        runs.prepare(plan)
        runs.work(plan)
        assert cli.main(["run", "own.yaml"]) == 0
    return folder


def test_an_own_encoder_is_swept_and_judged(swept):
    assert len(json.loads((swept / "runs/own/claims.json").read_text())) == 1
    assert len(pd.read_parquet(swept / "runs/own/verdicts.parquet")) == 1
    table = pd.read_parquet(swept / "runs/own/results.parquet")
    assert table.run_id.nunique() == 10 and sorted(table["encoder.hidden"].unique()) == [4, 64]


def test_a_modality_of_one_s_own_has_rows_under_its_name(swept):
    table = pd.read_parquet(swept / "runs/own/results.parquet")
    of = table.groupby("metric")["of"].unique().map(set)
    assert of["rmg"] == {"image-touch", "image-text", "touch-text"} and of["effective_rank"] >= {"touch"}
    assert of["moad"] == {"image", "touch", "text"}  # all show the object, the shape
    assert {"touch weight", "colour"} <= of["probe"] | of["map"]


def test_a_run_with_an_own_encoder_is_opened_again(swept, monkeypatch):
    monkeypatch.chdir(swept)
    table = pd.read_parquet("runs/own/results.parquet")
    run = synthgap.open(swept / "runs/own" / table.run_id[0], swept / "runs/datasets")
    assert run.inputs["touch"].dtype == torch.float32 and run.inputs["touch"].shape == (200, 4)
    assert run.model.by_modality["image"].projection.in_features == table["encoder.hidden"][0]
    assert run.embeddings["touch"].norm(dim=1).tolist() == pytest.approx([1] * 200, abs=1e-5)
    (swept / "my_encoder.py").write_text(ENCODER + "\n# edited\n")
    with pytest.raises(InputError, match=r"encoder.image=my_encoder.py was edited since this run was planned"):
        synthgap.open(run.folder)
    (swept / "my_encoder.py").write_text(ENCODER)


def test_an_edit_trains_anew_and_where_the_file_is_does_not_matter(swept, tmp_path, monkeypatch):
    shutil.copytree(swept, tmp_path / "own")
    monkeypatch.chdir(tmp_path / "own")
    before = runs.plan(studies.load("own.yaml"), ["out=runs"])
    assert all(before.done(task) for task in before.tasks)
    (tmp_path / "own/elsewhere").mkdir()
    shutil.copy("my_encoder.py", "elsewhere/my_encoder.py")
    moved = runs.plan(studies.load("own.yaml"), ["encoder.image=elsewhere/my_encoder.py", "out=runs"])
    assert all(before.done(task) for task in moved.tasks)
    (tmp_path / "own/my_encoder.py").write_text(ENCODER + "\n# edited\n")
    again = runs.plan(studies.load("own.yaml"), ["out=runs"])
    assert len(estimate(again).left) == len(again.tasks)


def test_its_options_are_those_of_any_encoder(here):
    assert options.resolve(["encoder.image=my_encoder.py", "encoder.hidden=3"])["encoder"]["hidden"] == 3
    assert options.resolve(["encoder.image=my_encoder.py"])["encoder"]["cells"] == 4
    assert "hidden" not in options.resolve(["encoder.image=conv"])["encoder"]
    assert (
        len({*ids("encoder.image=my_encoder.py", "encoder.hidden=3,4"), *ids("encoder.image=conv,my_encoder.py")}) == 4
    )
    assert options.resolve([], {"encoder.image": "my_encoder.py", "encoder.hidden": 3}) == options.resolve(
        ["encoder.image=my_encoder.py", "encoder.hidden=3"]
    )
    for overrides, told in (
        (["encoder.image=my_encoder.py", "encoder.hidden=0"], "encoder.hidden=0: it must be at least 1"),
        (["encoder.image=my_encoder.py", "encoder.hiden=3"], "did you mean 'encoder.hidden'"),
        (["encoder.hidden=3"], "encoder.hidden belongs to encoder.image=my_encoder.py"),
    ):
        with pytest.raises(InputError, match=told):
            options.resolve(overrides)


def test_ids_of_runs_without_own_encoders_are_as_before(here):
    """The hashes of three configs as synthgap 81eb860 had them."""
    assert ids("seed=0", "captions.attributes=5", "temperature.mode=learnable") == KNOWN["conv"]
    assert ids("encoder.image=transformer", "temperature.mode=learnable") == KNOWN["transformer"]
    assert ids("encoder.share=trunk", "images=symbolic", "temperature.mode=learnable") == KNOWN["shared"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("def my_encoder(", "def my_encoder((", "encoder.image=my_encoder.py, line 28: "),
        ("ENCODER = Method", "ENCODERS = Method", "declares no method: write `ENCODER = Method"),
        ("def my_encoder", "def mine", "line 8: it needs a function 'my_encoder'"),
        ("*, cells, hidden", "*, cells", "line 28: my_encoder.. does not take 'hidden'"),
        ('reads=("pixels",),', "", "line 8: say what it reads, as reads="),
        ('"pixels"', '"pixel"', "unknown kind of input in .*, line 8 'pixel'; did you mean 'pixels'"),
        ('("pixels",)', '("tokens",)', "encoder.image=my_encoder.py reads tokens, and image is pixels here"),
        ('"hidden": Option', '"share": Option', "every encoder has 'share' already"),
        ("hidden", "channels", "its option 'channels' is 64 unless given.* that is 16"),
        ('"hidden": Option(64', '"width": Option(64', "every encoder has 'width' already"),
        ('reads=("pixels",)', 'needs=("widht",), reads=("pixels",)', "unknown need in .* 'widht'"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_one_line(here, old, new, told):
    (here / "my_encoder.py").write_text(ENCODER.replace(old, new))
    with pytest.raises(InputError) as error:
        options.resolve(["encoder.image=my_encoder.py"])
    assert "\n" not in str(error.value) and re.search(told, str(error.value)), error.value


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("tokens[:, 0]", "tokens", r"Words.. must give features \[B, F\]; of inputs \[2, 2\] it gives \[2, 2, 8\]"),
        ("self.words(tokens[:, 0])", "tokens * 1.0", "as many features of texts of any length, not 2 or 1"),
        ("tokens[:, 0]", "tokens[:, 7]", "encoder.text=my_words.py, line 16: IndexError"),
        ("units)\n", "units)\n        self.norm = nn.BatchNorm1d(units)\n", "Words.. has a BatchNorm1d, which gives"),
        (
            "units)\n",
            "units)\n        self.drop = nn.Dropout(0.1)\n",
            "Words.. has a Dropout, which gives other numbers",
        ),
        ("class Words(nn.Module):", "def Words(shape, **more):\n    return 3\n\n\nclass Other(nn.Module):", "not 3"),
        (
            "class Words(nn.Module):",
            "def Words(shape, **more):\n    return nn.Linear(7, 8)\n\n\nclass Other(nn.Module):",
            r"encoder.text=my_words.py, Words.. for inputs \[2, 2\]: RuntimeError",
        ),
    ],
)
def test_a_mistake_that_shows_as_it_runs_is_told_before_training(here, old, new, told):
    (here / "my_words.py").write_text(WORDS.replace(old, new))
    assert re.search(told, reason := failed("encoder.text=my_words.py")), reason


def test_texts_can_be_read_by_an_own_class_and_inversion_finds_no_word_in_it(here):
    table = finished(*TINY, "encoder.text=my_words.py", "encoder.units=4")
    assert table.run_id.nunique() == 1
    with pytest.raises(InputError, match="posthoc=inversion looks for a word of bag or transformer"):
        options.resolve(["encoder.text=my_words.py", "posthoc=inversion"])


def test_another_modality_has_the_encoder_that_is_chosen_for_it(here):
    (here / "my_touch.py").write_text(
        "from torch import nn\nfrom synthgap.catalogue import Method\n\n"
        'ENCODER = Method(form="mlp", reads=("vector",), needs=("width",))\n\n\n'
        "def my_touch(shape, *, width):\n    from synthgap.encoders import mlp_trunk\n\n"
        "    return nn.Linear(shape[0], width), mlp_trunk(width)\n"
    )
    chosen = ("encoder.others.touch=my_touch.py", "encoder.share=trunk", "encoder.image=conv-mlp")
    table = finished(*TOUCHED, *chosen, "posthoc=none,isoclip")
    assert table.run_id.nunique() == 2 and set(table[table.metric == "rmg"]["of"]) >= {"touch-text"}
    assert ids(*TOUCHED, "encoder.others={touch: my_touch.py}", *chosen[1:]) == ids(*TOUCHED, *chosen)
    assert ids(*TOUCHED) == ids(*TOUCHED, "encoder.others={}") != ids(*TOUCHED, "encoder.others.touch=mlp")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            "encoder.others.touch=conv",
            "encoder.others.touch=conv reads pixels and spectrogram, and touch is vector here",
        ),
        ("encoder.others.tuch=mlp", "unknown modality in encoder.others 'tuch'; did you mean 'touch'"),
        ("encoder.others.text=bag", "choose the encoder of the text by encoder.text"),
        ("encoder.others.touch=mpl", "encoder.others.touch 'mpl'; did you mean 'mlp'"),
        ("encoder.others.touch=3", "unknown value of encoder.others.touch"),
        ("encoder.image=my_encoder.py images=symbolic", "my_encoder.py reads pixels, and image is tokens here"),
        (
            "encoder.image=transformer encoder.text=transformer encoder.share=trunk",
            "here: image transformer, touch mlp",
        ),
        ("encoder.apart=1 encoder.embedding=2", "needs encoder.embedding of 3 or more"),
        ("loss.anchor=tuch", "did you mean 'touch'"),
    ],
)
def test_encoders_that_do_not_fit_the_world_are_told_as_a_study_is_planned(here, overrides, told):
    with pytest.raises(InputError, match=told) as error:
        planned(*TOUCHED, *overrides.split())
    assert "\n" not in str(error.value)


def test_norms_begin_as_norms_and_a_module_may_draw_its_own_weights():
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.zeros(3))

        def initialise(self, generator):
            self.scale.fill_(0.5)

    net = torch.nn.Sequential(torch.nn.InstanceNorm1d(3, affine=True), torch.nn.Linear(3, 2), Own())
    first, second = (initialise(net, torch.Generator().manual_seed(0))[1].weight.clone() for _ in range(2))
    assert torch.equal(first, second)
    assert net[0].weight.tolist() == [1, 1, 1] and net[0].bias.tolist() == [0, 0, 0]
    assert net[1].bias.tolist() == [0, 0] and net[2].scale.tolist() == [0.5] * 3
