"""What a config says is seen: hidden factors, dependent ones, held-out combinations, and another look each epoch."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from data_gen import AVMNIST, MAD, InputError, store
from data_gen.information import information
from synthgap import observations, options, runs, studies
from synthgap.torch_view import ImageCaptions

SMALL = ("mad.images=600", "mad.test_images=300", "training.batch=128")


def resolved(*overrides):
    return options.resolve([*SMALL, *overrides])


def observed(tmp_path, *overrides, split="train", epoch=0):
    return observations.observe(tmp_path, resolved(*overrides), split)(epoch)


def test_hidden_factors_are_not_in_the_image_but_may_be_in_the_caption(tmp_path):
    shown, codes = observed(tmp_path, "space.hidden=[colour]", "captions=fixed", "captions.factors=[colour]")
    assert (shown["image"] == shown["image"][..., :1]).all(), "all gray"
    assert len(np.unique(codes[:, 5])) == 7
    assert (shown["text"][:, 0] - 1 - MAD.offsets[5] == codes[:, 5]).all()
    symbols, codes = observed(tmp_path, "space.hidden=[colour]", "images=symbolic")
    assert (symbols["image"] == 1 + MAD.offsets[:5] + codes[:, :5]).all()


@settings(max_examples=6, deadline=None)
@given(share=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_share_of_training_images_have_the_caption_of_another(tmp_path_factory, share, seed):
    asked = ("images=symbolic", "captions.attributes=5", f"seed={seed}", "training.mismatched=")
    folder = tmp_path_factory.getbasetemp()
    true, codes = observed(folder, *asked[:-1])
    shown, same = observed(folder, *asked[:-1], asked[-1] + str(share))
    assert (codes == same).all() and (shown["image"] == true["image"]).all()
    moved = (shown["text"] != true["text"]).any(1).sum()
    wanted = round(share * 600)
    assert moved <= wanted and moved >= 0.95 * wanted - 2, "but few of 1,680 captions are alike by chance"
    rows = [sorted(map(tuple, x["text"].tolist())) for x in (true, shown)]
    assert rows[0] == rows[1], "the captions are the same ones, in another order"
    tested = [observed(folder, *asked[:-1], *more, split="test")[0]["text"] for more in ((), (f"{asked[-1]}{share}",))]
    assert (tested[0] == tested[1]).all()


def test_captions_drawn_anew_begin_as_those_that_are_drawn_once(tmp_path):
    asked = ("images=symbolic", "captions.attributes=2")
    once = observed(tmp_path, *asked)[0]["text"]
    assert (observed(tmp_path, *asked, epoch=3)[0]["text"] == once).all()
    first, second = (observed(tmp_path, *asked, "training.captions_anew=true", epoch=e) for e in (0, 1))
    assert (first[0]["text"] == once).all() and (first[1] == second[1]).all()
    assert (second[0]["text"] != once).any(1).mean() > 0.9
    assert (second[0]["image"] == first[0]["image"]).all()
    again = observed(tmp_path, *asked, "training.captions_anew=true", epoch=1)[0]["text"]
    assert (second[0]["text"] == again).all()


@pytest.mark.parametrize("more", ["training.mismatched=0.3", "training.captions_anew=true", "encoder.start=procrustes"])
def test_each_of_them_trains_another_model_than_without(tmp_path, more):
    plan = runs.plan(
        studies.load("imbalance"),
        [*TINY, f"out={tmp_path}", "seed=0", "captions.attributes=2", more, "training.epochs=2"],
    )
    usual = runs.plan(plan.study, [*TINY, f"out={tmp_path}", "seed=0", "captions.attributes=2", "training.epochs=2"])
    losses = []
    for p in (plan, usual):
        runs.work(p)
        assert not runs.failures(p)
        losses.append(runs.collect(p).query("metric == 'loss'").value.item())
    assert np.isfinite(losses).all() and losses[0] != losses[1]


def test_reverse_imbalance_is_counted_in_bits():
    c = resolved("space.hidden=[colour]", "captions=fixed", "captions.factors=[digit,colour]")
    world = observations.world_of(c)
    bits = information(world.space, observations.policy_of(c, world.space), world.visible)
    assert bits.image == pytest.approx(np.log2(240))
    assert bits.shared == pytest.approx(np.log2(10))
    assert bits.text_only == pytest.approx(np.log2(7))


def test_a_correlated_factor_goes_with_the_other(tmp_path):
    likeliest = []  # how often the colour is the one that the digit has most
    for rho in (0, 1):
        _, codes = observed(tmp_path, "images=symbolic", "mad.images=6000", f"space.rho={rho}")
        likeliest.append(pd.crosstab(codes[:, 0], codes[:, 5]).to_numpy().max(axis=1).sum() / len(codes))
    assert likeliest[0] == pytest.approx(1 / 7, abs=0.05) and likeliest[1] > 0.65


def test_held_out_combinations_are_never_trained_on_and_may_be_all_that_is_tested(tmp_path):
    asked = ("images=symbolic", "space.held_out=0.2", "space.held_out_of=[digit,colour]", "mad.images=6000")
    combinations = {}
    for split, test in (("train", "all"), ("test", "all"), ("test", "seen"), ("test", "unseen")):
        _, codes = observed(tmp_path, *asked, f"space.test={test}", "mad.test_images=3000", split=split)
        combinations[split, test] = set(map(tuple, codes[:, [0, 5]].tolist()))
    trained = combinations["train", "all"]
    assert len(trained) == 56 and len(combinations["test", "all"]) == 70
    assert combinations["test", "seen"] == trained
    assert len(combinations["test", "unseen"]) == 14 and not combinations["test", "unseen"] & trained


def test_a_published_world_shows_other_colours_and_captions_each_epoch(tmp_path):
    at = observations.observe(tmp_path, resolved("mad.variant=published", "captions.attributes=5"), "train")
    (first, codes), (second, now), (again, _) = at(0), at(1), at(1)
    changed = (codes != now).any(axis=0)
    assert changed.tolist() == [False] * 5 + [True] and (now[:, 5] < 7).all(), "each epoch knows its own colours"
    assert all((second[name] == again[name]).all() for name in second)
    changed = (first["image"] != second["image"]).any(axis=(1, 2, 3))
    assert changed.mean() == pytest.approx(6 / 7, abs=0.05)
    ink = [(shown["image"] > 0).any(axis=3) for shown in (first, second)]
    assert (ink[0] == ink[1]).all(), "only colours change, not shapes"
    colour = second["text"][(second["text"] > MAD.offsets[5])] - 1 - MAD.offsets[5]
    white = second["image"].min(axis=(3)).max(axis=(1, 2)) > 200
    assert white[colour >= 4].mean() > 0.9, "bright strokes in cyan, magenta and yellow turn white"
    assert not white[(colour >= 1) & (colour <= 3)].any()
    at = observations.observe(tmp_path, resolved(), "train")
    assert at(0)[0] is at(3)[0], "the corrected world is the same at every access"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["space.hidden=[color]"], "did you mean 'colour'"),
        (["space.hidden=[digit,thickness,swelling,fracture,size,colour]"], "leave one that images show"),
        (["space.rho=2"], r"space.rho=2.0: it must lie in \[0, 1\]"),
        (["space.rho=0.5", "space.correlated=[digit]"], "name two factors"),
        (["space.rho=0.5", "space.correlated=[digit,color]"], "did you mean 'colour'"),
        (["space.held_out=0.95"], "space.held_out=0.95"),
        (["space.test=unseen"], "nothing is unseen"),
        (["mad.style=[slnt]"], "did you mean 'slant'"),
        (["mad.variant=publishd"], "did you mean 'published'"),
        (["mad.variant=published", "images=symbolic"], "images=symbolic has neither"),
        (["digits.style.slnt=1"], "did you mean 'slant'"),
        (["audio.snr_db=0"], "audio.snr_db=0.0 is for world=avmnist, not for mad"),
        (["speech=recordings", "speech.root=x"], "speech=recordings is for world=avmnist, not for mad"),
        (["image.components=0"], "image.components=0: it must be a whole number from 1 to 784, or null"),
        (["audio.snr_db=nan"], "audio.snr_db=nan: it must be at least -100, or inf"),
        (["avmnist.validation_images=0"], "avmnist.validation_images=0: it must be at least 1"),
        (["posthoc=translation", "posthoc.gap=-1"], r"posthoc.gap=-1.0: it must lie in \[0, 10\]"),
    ],
)
def test_mistakes_are_told_in_one_line(overrides, said):
    with pytest.raises(InputError, match=said) as error:
        runs.plan(studies.load("imbalance"), [*SMALL, "seed=0", *overrides])
    assert "\n" not in str(error.value)


def shifted(tmp_path, *shift):
    """Test images as they are, and as a shift shows them; with whatever else there is to see the same."""
    (plain, codes), (other, same) = (observed(tmp_path, *asked, split="test") for asked in ((), shift))
    assert (codes == same).all() and (plain["text"] == other["text"]).all()
    trained = observed(tmp_path, *shift)[0]["image"]
    assert (trained == observed(tmp_path)[0]["image"]).all(), "what is trained on stays as it is"
    return plain["image"].astype(float), other["image"].astype(float)


def test_noise_is_noise_of_the_size_that_is_asked_for(tmp_path):
    plain, noisy = shifted(tmp_path, "shift=noise", "shift.sd=20")
    middle = (plain > 80) & (plain < 175)  # where nothing is clipped
    difference = (noisy - plain)[middle]
    assert abs(difference.mean()) < 0.5 and difference.std() == pytest.approx(20, rel=0.03)
    assert (noisy == shifted(tmp_path, "shift=noise", "shift.sd=20")[1]).all(), "the same noise each time"


def test_blur_is_a_gaussian(tmp_path):
    plain, blurred = shifted(tmp_path, "shift=blur", "shift.sigma=1.5")
    expected = gaussian_filter(plain, (0, 1.5, 1.5, 0), mode="mirror", truncate=4)
    assert np.abs(expected - blurred)[:, 4:-4, 4:-4].max() < 3  # rounded, and cut off a little elsewhere


def test_another_pen_writes_the_test_images(tmp_path):
    plain, wide = shifted(tmp_path, "shift=pen", "shift.width=5")
    assert wide.mean() > 1.5 * plain.mean()


def test_other_digits_are_those_of_the_files(tmp_path, mnist):
    (shown, _), (given, _) = (
        observed(tmp_path, *asked, split="test")
        for asked in (("shift=idx", f"shift.root={mnist}"), ("digits=idx", f"digits.root={mnist}"))
    )
    assert (shown["image"] == given["image"]).all()
    plan = runs.plan(studies.load("imbalance"), [*SMALL, "seed=0", "shift=idx", f"shift.root={mnist}"])
    assert {task.start.config["digits"]["name"] for task in plan.tasks} == {"strokes"}, "trained on strokes"
    swept = runs.plan(studies.load("sharing-imsep"), ["shift=idx", f"shift.root={mnist}", f"out={tmp_path}"])
    assert {task.config["shift"]["name"] for task in swept.tasks} == {"idx"} and swept.folder.parent == tmp_path


def test_unseen_combinations_are_those_that_training_does_not_show(tmp_path):
    asked = ("space.held_out=0.3", "space.held_out_of=[digit,colour]", "mad.test_images=2000")
    (_, trained), (_, tested) = observed(tmp_path, *asked), observed(tmp_path, *asked, "shift=unseen", split="test")
    both = [set(map(tuple, codes[:, [0, 5]].tolist())) for codes in (trained, tested)]
    assert not both[0] & both[1] and len(both[1]) == 21


def test_what_is_known_of_samples():
    codes = np.array([[3, 0, 0, 1, 0, 2], [3, 0, 0, 1, 0, 2], [4, 0, 0, 1, 0, 2]])
    known = observations.known_of(MAD, "colour", codes, np.array([[4, 22], [22, 4], [5, 22]]))
    assert known["object"].tolist() == [2, 2, 2] and (known["factors"] == codes).all()
    assert known["caption"][0] == known["caption"][1] != known["caption"][2]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["mad.images=600"], "mad.images=600 is for world=mad or a file or images of your own, not for avmnist"),
        (["mad.style=[slant]"], r"mad.style=\['slant'\] is for world=mad, not for avmnist"),
        (["images=symbolic", "audio.snr_db=0"], "images=symbolic has neither"),
        (["digits.style.slant=1"], "digits.style is for world=mad"),
        (["speech=recordings"], "speech.root is not set"),
        (["speech=recordings", "speech.root=no/such"], "no/such is not a folder"),
        (["captions.attributes=9"], "0 to 8 attributes"),
        (["training.batch=512", "avmnist.images=100"], "between 2 and avmnist.images=100"),
        (["avmnist.test_images=10"], "avmnist.test_images=10: it must be at least 200"),
        (["world=avmnst"], "avmnst"),
    ],
)
def test_mistakes_about_avmnist_are_told_in_one_line(overrides, said):
    with pytest.raises(InputError, match=said) as error:
        runs.plan(studies.load("imbalance"), ["world=avmnist", "captions.attributes=5", "seed=0", *overrides])
    assert "\n" not in str(error.value)


def test_symbolic_avmnist_shows_each_modality_its_own_factors(tmp_path):
    c = options.resolve(["world=avmnist", "images=symbolic", "avmnist.images=600", "captions.attributes=8"])
    shown, codes = observations.observe(tmp_path, c, "train")(0)
    assert list(shown) == ["image", "audio", "text"]
    tokens = 1 + AVMNIST.offsets + codes
    assert (shown["image"] == tokens[:, :5]).all() and (shown["audio"] == tokens[:, [0, 5, 6, 7, 8]]).all()
    assert (np.sort(shown["text"], axis=1) == np.sort(tokens, axis=1)).all()
    assert not list(tmp_path.iterdir()), "nothing is rendered"


def test_a_world_where_style_carries_information(tmp_path):
    shown, codes = observed(tmp_path, "mad.style=[slant,pen]", "captions.attributes=7")
    assert codes.shape[1] == 8 and shown["text"].shape[1] == 8
    table = store.load(next(tmp_path.glob("mad-train-*[0-9a-f]"))).table
    for name, (low, high) in {"slant": ("upright", "slanted"), "pen": ("fine", "bold")}.items():
        for _, digit in table.groupby("digit", observed=True):  # each has its own distribution, and the half is of that
            half = digit.groupby(name, observed=True)[f"latent_{name}"].agg(["min", "max"])
            assert half.loc[low, "max"] < half.loc[high, "min"]


def test_a_run_in_every_kind_of_world(tmp_path):
    """One run each, to the metrics: what floors, probes and bits say of worlds that the published one does not have."""
    asked = [*TINY, "seed=0", "captions.attributes=5", f"out={tmp_path}"]
    bits = {}
    for extra in ([], ["space.rho=1"], ["space.hidden=[colour]"], ["space.held_out=0.3"], ["mad.style=[slant]"]):
        plan = runs.plan(studies.load("imbalance"), [*asked, *extra])
        runs.prepare(plan)
        runs.work(plan)
        assert not runs.failures(plan)
        table = runs.collect(plan).set_index(["metric", "of"]).value
        bits["".join(extra)] = table["shared_bits", "image-text"], table["text_only_bits", "image-text"]
        assert table["loss", ""] > table["floor_loss", ""] - 0.1
    assert bits[""] == pytest.approx((np.log2(1680), 0))
    assert bits["space.rho=1"][0] < np.log2(1680) - 2
    assert bits["space.hidden=[colour]"] == pytest.approx((np.log2(240), np.log2(7)))
    assert bits["space.held_out=0.3"][0] == pytest.approx(np.log2(0.7 * 1680), abs=0.01)


def test_a_folder_is_a_torch_dataset(tmp_path):
    c = resolved("captions.attributes=2")
    folder = store.make(tmp_path, *observations.dataset_of(c, "train"))
    world = observations.world_of(c)
    view = ImageCaptions(folder, world.space, observations.policy_of(c, world.space))
    shown, codes = observed(tmp_path, "captions.attributes=2")
    assert len(view) == 600
    loader = torch.utils.data.DataLoader(view, batch_size=100)
    batch = next(iter(loader))
    assert batch["image"].shape == (100, 3, 28, 28) and batch["image"].dtype == torch.uint8
    assert (batch["image"].permute(0, 2, 3, 1).numpy() == shown["image"][:100]).all()
    assert (batch["tokens"].numpy() == shown["text"][:100]).all() and (batch["factors"].numpy() == codes[:100]).all()
    assert batch["caption"][0].count("-") == 2
