"""Options, overrides and the hash that names a run: what counts, what does not, and what is refused."""

import pickle
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen import InputError
from synthgap import cli, options, runs, studies, sweep
from synthgap.observations import world_of
from synthgap.options import compose
from synthgap.options.schema import FREE

FIGURES = Path(__file__).parents[1] / "figures"
MAD = {"world": "mad"}
#: another value for every option that decides a run's numbers, under the group choice that has the option
OTHER = {
    "encoder.rank": "8",
    "encoder.angle": "30",
    "encoder.start": "procrustes",
    "training.mismatched": "0.2",
    "training.captions_anew": "true",
    "world": "'mine.py'",
    "images": "symbolic",
    "seed": "1",
    "seeds.data": "1",
    "seeds.init": "1",
    "seeds.order": "1",
    "mad.images": "2000",
    "mad.test_images": "300",
    "mad.variant": "published",
    "mad.strength": "strong",
    "mad.style": "[slant]",
    "space.rho": "0.5",
    "space.correlated": "[digit,size]",
    "space.held_out": "0.5",
    "space.held_out_of": "[digit,size]",
    "space.test": "seen",
    "space.hidden": "[colour]",
    "digits.style": "{slant: 0.5}",
    "temperature.mode": "fixed",
    "temperature.init": "0.5",
    "temperature.lr": "0.5",
    "encoder.embedding": "7",
    "encoder.channels": "7",
    "encoder.text": "transformer",
    "encoder.width": "128",
    "encoder.depth": "3",
    "training.epochs": "3",
    "training.batch": "64",
    "training.lr": "0.5",
    "training.weight_decay": "0.5",
    "training.warmup": "0.5",
    "training.bf16": "true",
    "training.compile": "true",
    "training.device": "cuda",
    "captions.object": "colour",
    "captions.attributes": "2",
    "captions.shuffled": "false",
    "captions.factors": "[digit]",
    "captions.fraction": "0.5",
    "captions.probability": "{digit: 0.5}",
    "loss.anchor": "image",
    "loss.bias": "-5",
    "loss.align": "[[0.5,1],[1,2]]",
    "loss.uniform": "0.5",
    "loss.normalised": "true",
    "loss.smoothing": "0.1",
    "avmnist.images": "2000",
    "avmnist.test_images": "300",
    "image.components": "3",
    "audio.snr_db": "inf",
    "speech.held_out": "[theo]",
    "encoder.image": "transformer",
    "encoder.share": "trunk",
    "encoder.others": "{audio: transformer}",
    "encoder.patches": "2",
    "encoder.apart": "1",
    "finetune.epochs": "2",
    "finetune.lr": "0.5",
    "finetune.temperature": "frozen",
    "finetune.attributes": "2",
    "finetune.fraction": "0.5",
    "loss.labels": "object",
    "loss.alike": "ignored",
    "loss.weight": "1",
    "loss.distance": "ones",
    "loss.side": "image",
    "loss.positive": "false",
    "posthoc.gap": "1",
    "posthoc.shrinkage": "0.5",
    "posthoc.seed": "1",
    "posthoc.dimensions": "2",
    "posthoc.order": "random",
    "posthoc.components": "2",
    "posthoc.energy": "0.5",
    "posthoc.tolerance": "0.5",
    "posthoc.kept": "3",
    "posthoc.centred": "true",
    "posthoc.moved": "image",
    "posthoc.alpha": "2",
    "posthoc.onto": "text",
    "posthoc.offset": "2",
    "posthoc.top": "2",
    "posthoc.bottom": "2",
    "posthoc.whitened": "true",
    "posthoc.published": "true",
    "posthoc.steps": "2",
    "posthoc.text_steps": "2",
    "loss.contrast": "0.5",
    "loss.query": "image",
    "loss.cross": "1",
    "loss.share": "0.5",
    "loss.soft": "true",
    "temperature.scale": "softplus",
    "temperature.schedule": "[[0,0.01],[1,0.05]]",
    "training.steps": "7",
    "posthoc.lr": "1",
    "shift.sd": "2",
    "shift.sigma": "2",
    "shift.width": "2",
}


def run_id(*overrides, identity=MAD):
    return options.run_id(options.resolve(overrides), identity)


def every_option():
    """Every option that is no place → the choice of groups that has it."""
    found = dict.fromkeys(options.keys(), ())
    for group, names in options.GROUPS.items():
        for name in names:
            more = ("speech.root=DIR",) if name == "recordings" else ()
            found = dict.fromkeys(options.keys({group: name}), (f"{group}={name}", *more)) | found
    for key in found:
        if key.startswith(tuple(f"{section}." for section in options.OF_AVMNIST)):
            found[key] = ("world=avmnist", *found[key])
    found["temperature.schedule"] = ("temperature.mode=fixed",)
    found["encoder.angle"] = ("encoder.rank=8",)
    found["encoder.share"] = ("images=symbolic",)  # where encoders end alike
    return {
        key: chosen
        for key, chosen in found.items()
        if not {key, key.partition(".")[0]} & {*options.PLACES, *options.UNREAD}
    }


def test_every_option_of_science_changes_the_run_id():
    for key, chosen in every_option().items():
        assert key in OTHER, f"{key} is new: write another value of it into OTHER"
        identity = {"file": "x"} if key == "world" else MAD
        (changed,) = options.parse([*chosen, f"{key}={OTHER[key]}"])[-1:]
        resolved = options.resolve(chosen, {key: changed.value()})
        assert options.run_id(resolved, identity) != run_id(*chosen), key


def test_runs_of_published_tables_are_found_again_whatever_options_came_since():
    for name in ("neighbours", "translation"):
        published = pd.read_parquet(FIGURES / name / "results.parquet", columns=["run_id"])
        tasks = runs.plan(studies.load(name), ["preset=full"]).tasks
        assert {task.run_id for task in tasks} == set(published.run_id), name


def test_an_option_that_came_later_leaves_the_ids_of_older_runs_where_it_does_nothing():
    for later in (
        "training.steps=null",
        "loss=modgap loss.contrast=1",
        "posthoc=isoclip_mlp posthoc.published=false",
        "loss.query=null",
        "temperature.scale=exp",
        "temperature.mode=fixed temperature.schedule=null",
    ):
        *group, option = later.split()
        assert run_id(*group, option) == run_id(*group)
        assert run_id(*group, f"{option.split('=')[0]}={OTHER[option.split('=')[0]]}") != run_id(*group)


def test_choosing_another_group_option_changes_the_run_id():
    ids = [run_id("captions=attributes"), run_id("captions=contiguous"), run_id("captions=fixed")]
    assert len(set(ids)) == 3
    assert run_id("digits=idx", "digits.root=DIR") != run_id()


def test_where_things_lie_does_not_change_the_run_id():
    assert run_id("out=here") == run_id("out=/there") == run_id()
    assert run_id("digits=idx", "digits.root=here") == run_id("digits=idx", "digits.root=/there")
    own = {"file": "checksum"}
    assert run_id("world=mine.py", identity=own) == run_id("world=/there/mine.py", identity=own)


def test_digits_do_not_matter_where_nobody_looks_at_them():
    symbolic = run_id("images=symbolic")
    assert symbolic == run_id("images=symbolic", "digits=idx", "digits.root=DIR")


def test_what_only_another_world_reads_does_not_change_the_run_id():
    assert run_id(
        "audio.snr_db=0", "image.components=3", "avmnist.images=500", "speech=recordings", "speech.root=x"
    ) == (run_id())
    av = ("world=avmnist", "training.batch=64")
    assert run_id(*av, "avmnist.validation_images=7") == run_id(*av)
    assert run_id(*av, "speech=recordings", "speech.root=here") == run_id(*av, "speech=recordings", "speech.root=there")
    assert run_id(*av, "speech=recordings", "speech.root=here") != run_id(*av)
    assert run_id("posthoc=none") == run_id() != run_id("posthoc=centring")


def test_saying_a_default_is_not_a_change():
    spoken = [
        f"{key}={default}" for key, (default, _) in options.keys().items() if key in ("mad.images", "training.lr")
    ]
    assert len(spoken) == 2 and run_id(*spoken) == run_id()


def test_what_is_in_the_worlds_files_changes_the_run_id():
    assert run_id(identity={"world": "mad", "files": "a"}) != run_id(identity={"world": "mad", "files": "b"})


@settings(max_examples=15, deadline=None)
@given(st.permutations(["seed=3", "training.lr=0.01", "captions.attributes=2", "out=x"]))
def test_the_order_of_overrides_does_not_matter(overrides):
    assert run_id(*overrides) == run_id("seed=3", "training.lr=0.01", "captions.attributes=2", "out=x")


@pytest.mark.parametrize(
    "asked",
    [
        [],
        ["seed=3", "training.lr=1e-3", "seed=4"],
        ["temperature.schedule=[[0,0.1],[1,0.05]]", "training.steps=null", "space.hidden=[colour]"],
        ["loss.bias=-3.0", "loss=siglip", "out='a b'"],
        ["captions=independent", "captions.probability.digit=1", "posthoc=isoclip"],
        ["digits=idx", "digits.root=somewhere", "world=mine.py"],
    ],
)
def test_values_are_put_in_as_hydra_does(asked):
    """Its slow twin: Hydra composes it all."""
    from hydra import compose as by_hydra
    from hydra import initialize
    from omegaconf import OmegaConf

    written = [("+" if o.key_or_group.startswith(FREE) else "") + o.input_line for o in options.parse(asked)]
    ours = pickle.loads(compose._composed(tuple(asked), ()))
    with initialize(version_base="1.3", config_path=None):
        theirs = by_hydra("run", overrides=written)
    assert OmegaConf.to_yaml(ours) == OmegaConf.to_yaml(theirs)


def test_a_cell_is_the_same_as_overrides():
    cell = {"captions.attributes": 2, "seed": 3, "temperature.mode": "fixed"}
    assert options.resolve([], cell) == options.resolve([f"{key}={value}" for key, value in cell.items()])


def test_a_cell_may_set_the_chance_of_one_factor():
    constant = ["captions=independent", "captions.probability.digit=1"]
    resolved = options.resolve(constant, {"captions.probability.colour": 0.5})
    assert resolved["captions"]["probability"] == {"digit": 1.0, "colour": 0.5}


def test_seeds_follow_the_seed_unless_they_are_given():
    assert options.resolve(["seed=7", "seeds.init=1"])["seeds"] == {"data": 7, "init": 1, "order": 7}


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("captions.objct=colour", "did you mean 'captions.object'"),
        ("training.epocs=1", "did you mean 'training.epochs'"),
        ("loss=clp", "unknown loss 'clp'; did you mean 'clip'"),
        ("digits=mnist", "unknown digits 'mnist'"),
        ("images=pixel", "did you mean 'pixels'"),
        ("temperature.mode=fix", "did you mean 'fixed'"),
        ("temperature.init=-0.07", "temperature.init=-0.07: it must be above 0"),
        ("temperature.init=0", "it must be above 0"),
        ("temperature.scale=log", "temperature.scale 'log' .allowed: exp, softplus"),
        ("temperature.schedule=[[0,0.01],[1,0.05]]", "needs temperature.mode=fixed: a learnable one has no course"),
        ("temperature.schedule=[[0,0.01],[1,0]]", "must be null, a number above 0, or .* rising shares in"),
        ("temperature.schedule=warm", "temperature.schedule=warm: it must be null, a number above 0"),
        ("training.lr=nan", "it must be above 0"),
        ("training.lr=fast", "training.lr: Value 'fast'"),
        ("training.epochs=1.5", "training.epochs: Value '1.5'"),
        ("training.epochs=0", "it must be at least 1"),
        ("training.bf16=maybe", "training.bf16: Value 'maybe'"),
        ("training.batch=1", "between 2 and mad.images"),
        ("training.warmup=1", r"\[0, 1\)"),
        ("training.weight_decay=-1", "at least 0"),
        ("training.weight_decay=nan", "training.weight_decay=nan"),
        ("training.weight_decay=inf", "training.weight_decay=inf"),
        ("mad.images=1e9", "mad.images: Value"),
        ("mad.test_images=10", "at least 200"),
        ("seed=x", "seed: Value 'x'"),
        ("seed=-1", "seed=-1: it must be a whole number from 0 to"),
        ("seed=99999999999999999999", f"whole number from 0 to {2**63 - 1}"),
        ("digits=idx", "digits.root is not set"),
        ("digits.root=DIR", "add digits=idx"),
        ("captions.fraction=0.5", "add captions=contiguous"),
        ("loss.bias=-5", "add loss=siglip"),
        ("encoder=3", "unknown option 'encoder'"),
        ("encoder.image=vit", "encoder.image 'vit' .allowed: conv, conv-mlp, patch-conv, pixel-mlp, transformer"),
        ("encoder.share=all", "encoder.share 'all'"),
        ("encoder.share=trunk", "encoder.share=trunk needs encoders that end alike: encoder.image=conv-mlp"),
        ("encoder.patches=0", "encoder.patches=0: it must be at least 1"),
        ("encoder.apart=-1", r"encoder.apart=-1.0: it must lie in \[0, 100\]"),
        ("encoder.rank=65", "encoder.rank=65: it must be a whole number from 0 to encoder.embedding=64"),
        ("encoder.angle=91", r"encoder.angle=91.0: it must lie in \[0, 90\], or null"),
        ("encoder.angle=30", "encoder.angle=30.0 is between subspaces: add encoder.rank"),
        ("finetune=quarter", "unknown finetune 'quarter'"),
        ("finetune.epochs=2", "add finetune=attributes to use it"),
        ("posthoc=isoklip", "unknown posthoc 'isoklip'; did you mean 'isoclip'"),
        ("posthoc.top=1", "add posthoc=isoclip"),
        ("shift=fog", "unknown shift 'fog'"),
        ("shift=idx", "shift.root is not set"),
        ("shift=unseen", "needs space.held_out above 0"),
        ("shift.sd=3", "add shift=noise"),
        ("hello", "write name=value"),
        ("", "write name=value"),
        ("seed=[1", "not an override"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_what_would_be_right(override, told):
    with pytest.raises(InputError, match=told) as error:
        options.resolve([override])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("loss", "setting"),
    [
        ("siglip", "bias=nan"),
        ("gram", "smoothing=1"),
        *(
            ("modgap", f"align={wrong}")
            for wrong in ("-1", "nan", "much", "[]", "[1,2]", "[[0,1],[0,2]]", "[[0,1],[2,1]]")
        ),
        ("modgap", "uniform=[[0,1],[1,-1]]"),
        ("alignclip", "weight=-1"),
        ("modgap", "contrast=-1"),
        ("alignclip", "contrast=[[0,1],[1,-1]]"),
    ],
)
def test_settings_of_losses_are_checked(loss, setting):
    with pytest.raises(InputError, match=f"loss.{setting.split('=')[0]}.* it must") as error:
        options.resolve([f"loss={loss}", f"loss.{setting}"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("loss=alignclip loss.distance=factor", "loss.distance 'factor'; did you mean 'factors'"),
        ("loss=unicl loss.labels=captions", "loss.labels 'captions'; did you mean 'caption'"),
        ("loss=unicl loss.alike=ignore", "loss.alike 'ignore'; did you mean 'ignored'"),
        ("posthoc=ablation posthoc.dimensions=64", "posthoc.dimensions=64: it must be a whole number from 0 to 63"),
        ("posthoc=ablation posthoc.order=gaps", "posthoc.order 'gaps'; did you mean 'gap'"),
        ("posthoc=isoclip posthoc.top=60 posthoc.bottom=4", "posthoc.bottom=4: it must be a whole number from 0 to 3"),
        (
            "posthoc=text_components posthoc.components=0",
            "posthoc.components=0: it must be a whole number from 1 to 64",
        ),
        ("posthoc=ssp posthoc.energy=1.5", r"posthoc.energy=1.5: it must lie in \[0, 1\]"),
        ("posthoc=ssp posthoc.kept=0", "posthoc.kept=0: it must be at least 1, or null"),
        ("posthoc=spectral posthoc.components=65", "posthoc.components=65: it must be a whole number from 1 to 64"),
        ("posthoc=whitening posthoc.shrinkage=2", r"posthoc.shrinkage=2\.0: it must lie in \[0, 1\]"),
        ("posthoc=translation posthoc.gap=-1", "posthoc.gap=-1"),
        ("posthoc=isoclip posthoc.published=true posthoc.bottom=129", "it must be a whole number from 0 to 127"),
        ("posthoc=isoclip_mlp posthoc.published=true posthoc.bottom=64", "it must be a whole number from 0 to 63"),
        ("posthoc=inversion posthoc.steps=0", "posthoc.steps=0"),
        ("posthoc=inversion posthoc.text_steps=0", "posthoc.text_steps=0"),
        ("loss=modgap loss.contrast=0 loss.align=0 loss.uniform=[[0,0],[1,0]]", "all its weights 0: nothing would be"),
        ("loss=cua loss.contrast=0 loss.align=0 loss.uniform=0", "loss=cua with all its weights 0"),
        ("loss=cua loss.cross=null", "loss.cross=None: it must be a number of at least 0"),
        ("loss=swap loss.share=2", r"loss.share=2.0: it must lie in \[0, 1\]"),
        ("loss=alignclip loss.contrast=0 loss.weight=0", "loss=alignclip with all its weights 0"),
        ("encoder.rank=40 encoder.angle=0", "2 subspaces of 40 dimensions needs encoder.embedding of 80 or more"),
        ("encoder.rank=8 encoder.apart=1", "encoder.apart=1.0 would leave the subspaces: it needs encoder.rank=0"),
        ("encoder.rank=8 encoder.angle=9 encoder.start=procrustes", "needs subspaces of their own"),
        ("training.steps=0", "training.steps=0: it must be at least 1, or null"),
        ("posthoc=inversion posthoc.lr=0", "posthoc.lr=0.0: it must be above 0"),
        ("posthoc=isoclip_mlp encoder.text=transformer", "posthoc=isoclip_mlp is for trunks that read vectors"),
        ("finetune=contiguous finetune.epochs=0", "finetune.epochs=0: it must be at least 1"),
        ("finetune=contiguous finetune.lr=0", "finetune.lr=0.0: it must be above 0"),
        ("finetune=attributes finetune.temperature=freeze", "did you mean 'frozen'"),
        ("encoder.apart=1 encoder.share=trunk images=symbolic", "leave encoder.share=none"),
        ("encoder.start=same", "needs encoders alike, .*image conv of pixels, text bag of tokens"),
        (
            "encoder.start=same images=symbolic encoder.text=transformer",
            "needs encoders alike, .*text transformer of tokens",
        ),
        ("shift=noise shift.sd=0", "shift.sd=0.0: it must be above 0"),
        ("shift=blur shift.sigma=nan", "shift.sigma=nan: it must be above 0"),
        ("shift=pen shift.width=9", r"shift.width=9.0: it must lie in \[1.1, 6\]"),
        ("shift=pen digits=idx digits.root=x", "shift=pen is for the generated digits"),
        ("shift=blur images=symbolic", "images=symbolic has nothing to see"),
        ("shift=idx shift.root=x world=own.py", "shift=idx is for world=mad or avmnist"),
        ("encoder.share=trunk encoder.image=transformer", "or both transformer"),
    ],
)
def test_a_mistake_in_a_method_s_options_is_told_in_one_line(overrides, told):
    with pytest.raises(InputError, match=told) as error:
        options.resolve(overrides.split())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("loss.anchor=txt", "loss.anchor 'txt'; did you mean 'text'"),
        ("loss.anchor=audio", "loss.anchor 'audio' .allowed: null, image, text"),
        ("loss=alignclip loss.side=images", "loss.side 'images'; did you mean 'image'"),
        ("loss.query=audio", "loss.query 'audio' .allowed: null, image, text"),
    ],
)
def test_a_modality_is_one_of_the_world_s(overrides, told):
    with pytest.raises(InputError, match=told):
        world_of(options.resolve(overrides.split()))


@pytest.mark.parametrize(
    "overrides",
    [
        "encoder.share=trunk images=symbolic",
        "encoder.share=projection encoder.image=conv-mlp",
        "encoder.share=trunk encoder.image=transformer encoder.text=transformer",
    ],
)
def test_what_ends_alike_can_be_shared(overrides):
    assert options.resolve(overrides.split())["encoder"]["share"] != "none"


def test_weights_may_have_a_course():
    overrides = ["loss=modgap", "loss.align=[[0.5,1],[1,2]]", "loss.uniform=0"]
    resolved = options.resolve(overrides)["loss"]
    assert resolved["align"] == [[0.5, 1], [1, 2]] and resolved["uniform"] == 0
    assert options.resolve(["loss=clip", "loss.anchor=null"])["loss"]["anchor"] is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024_01", "2024_01"),
        ("1e3", "1e3"),
        ("a,b", "a,b"),
        ("a b(c", "a b(c"),
        ("'a b'", "a b"),
        ('"a b"', "a b"),
    ],
)
def test_out_is_the_path_as_it_is_written_in_every_command(written, meant, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked, study = f"out={written}", studies.load("imbalance")
    assert options.folder([asked]) == sweep.only_out([asked]) == Path(meant)
    assert sweep.folder_of(study, [asked]) == runs.plan(study, [asked], most=1).folder == Path(meant) / "imbalance"
    assert options.folder([options.parse([asked])[0].input_line]) == Path(meant), "as it is handed on to Hydra"
    assert cli.main(["verdicts", asked]) == 2 and f" {meant}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("out=", "out is empty; write out=… with a folder"),
        ("out='x", "its quotes do not match"),
        ("out=~/x", "~ is not expanded here"),
        ("out=${seed}", "write the path itself"),
        ("seed=interval(0,1)", "interval.. is none of int, str, bool, float, choice, range, sort"),
        ("seed=interval(0,3)", "interval.. is none of"),
        ("seed=glob(*)", "glob.. is none of"),
        ("loss=glob(*)", "glob.. is none of"),
        ("loss=[clip]", "unknown loss"),
        ("seed=range(0,3000000)", "has more than 100,000 values"),
        ("seed=0,range(0,3)", "a range among other values is not understood"),
        ("seed=range(0,inf)", "range needs numbers|more than 100,000 values"),
        ("seed=range(0,1,0)", "range needs numbers, and a step that is not 0"),
        ("seed=" + "9" * 400, "that number is too large"),
        ("captions.attributes=[" + "9" * 400 + "]", "that number is too large"),
        ("training.lr=1e400", "that number is too large"),
        ("mad.style=" + "[" * 30 + "]" * 30, "nested too deep"),
        ("seed=" + "[" * 5000, "nested too deep"),
        ("[" * 5000, "write name=value"),
    ],
)
def test_what_hydra_s_grammar_has_and_a_run_cannot_use_is_one_short_line(wrong, told):
    study = studies.load("imbalance")
    for read in (options.parse, lambda overrides: studies.expand(study, overrides)):
        with pytest.raises(InputError, match=told) as error:
            read([wrong])
        assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize(
    "cell",
    [
        {},
        {"seed": 3, "captions.attributes": 2},
        {"seeds.init": 5, "seed": 2},
        {"training.lr": "1e-3", "training.steps": None, "encoder.apart": 1},
        {"loss": "modgap", "loss.align": [[0, 0], [0.5, 1]], "posthoc": "ablation", "posthoc.dimensions": 2},
        {"captions": "independent", "captions.probability.digit": 0.5, "mad.style": ["slant"]},
    ],
)
def test_a_cell_is_put_into_the_config_as_omegaconf_does(cell):
    groups = [f"{key}={cell[key]}" for key in cell if key in options.GROUPS]
    left = {key: value for key, value in cell.items() if key not in options.GROUPS}
    asked = (tuple(groups), (), left)
    assert repr(compose._put_in(*asked)) == repr(compose._resolved(compose._updated(*asked)))


def test_values_that_refer_to_others_are_left_to_omegaconf():
    assert compose._put_in((), (), {"training.batch": "${mad.images}"}) is None
    assert compose._put_in(("training.batch=${mad.images}",), (), {"mad.images": 64}) is None
    assert options.resolve(["training.batch=${mad.images}"], {"mad.images": 2048})["training"]["batch"] == 2048


def test_a_config_from_before_an_option_lacks_it_and_nothing_else():
    """Runs are read again after their loss has got an option more."""
    config = runs.plan(studies.load("imbalance"), ["seed=0", "captions.attributes=1"]).tasks[0].config
    whole = [key for key, _, _ in options.declared_in(config)]
    del config["loss"]["query"]
    assert [key for key, _, _ in options.declared_in(config)] == [key for key in whole if key != "loss.query"]
