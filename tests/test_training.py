"""The loop: it learns, repeats to the bit, honours its temperature, and matches a plain one written out."""

import os
import shutil
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import torch
from conftest import LOSSES, TINY, TRIO, bags, trio

from data_gen import MAD, captions
from data_gen.seeds import generator
from synthgap import tables
from synthgap.encoders import initialise
from synthgap.losses import clip
from synthgap.losses.gram import volumes
from synthgap.metrics import l2m, logit_entropy, recall_at_k
from synthgap.observations import known_of
from synthgap.optimiser import Group, adamw
from synthgap.options.checks import COMPILERS
from synthgap.training import LARGEST_SCALE, SCALES, Finetuning, embed, settings_at, train

SETTINGS = dict(epochs=3, batch=128, lr=0.005, weight_decay=0.05, warmup=0.1, bf16=False, device="cpu")
LEARNABLE = dict(mode="learnable", init=0.07, lr=0.01)


def pairs(n=1024, k=5, seed=0):
    codes = MAD.sample(n, generator(seed, "factors"))
    text = captions.write(MAD, captions.attributes(MAD, "digit", k), codes, generator(seed, "captions"))
    return {"image": torch.from_numpy(1 + MAD.offsets + codes), "text": torch.from_numpy(text)}


def model(seed=0):
    return initialise(bags("image", "text", width=32, embedding=16), torch.Generator().manual_seed(seed))


def trained(
    seed=0,
    temperature=LEARNABLE,
    loss=LOSSES["clip"],
    settings=None,
    net=None,
    inputs=None,
    known=None,
    learnt=None,
    chance=None,
    **changes,
):
    net, inputs = net or model(seed), inputs or pairs()
    result = train(
        net,
        inputs,
        loss,
        temperature=temperature,
        training=SETTINGS | changes,
        settings=settings or {},
        order=generator(seed, "order"),
        watched={name: x[:100] for name, x in inputs.items()},
        known=known,
        chance=chance,
        learnt=learnt or {},
    )
    return net, result


def test_it_learns_and_keeps_its_course():
    net, result = trained(epochs=10)
    z = embed(net, pairs(seed=1))
    assert float(clip(z["image"], z["text"], result.scale)) < 0.5 * np.log(1024)
    course = result.trajectory
    assert list(course) == ["step", "loss", "logit_scale", "rmg", "l2m", "entropy"]
    assert course.step.iloc[0] == 0
    assert course.step.iloc[-1] == 10 * 8 - 1
    assert course.loss.iloc[-1] < course.loss.iloc[0]
    assert course.logit_scale.iloc[0] == pytest.approx(1 / 0.07)


def test_same_seeds_same_bits_and_other_seeds_others():
    (a, first), (b, second), (c, _) = trained(), trained(), trained(seed=1)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert first.trajectory.equals(second.trajectory)
    assert any(not torch.equal(p, q) for p, q in zip(a.parameters(), c.parameters(), strict=True))


def test_a_fixed_temperature_stays_and_a_learnable_one_moves_but_not_past_the_clamp():
    _, fixed = trained(temperature=dict(mode="fixed", init=0.02, lr=0.01))
    assert fixed.scale == pytest.approx(50)
    _, learnt = trained()
    assert learnt.scale != pytest.approx(1 / 0.07, rel=0.01)
    _, eager = trained(temperature=dict(mode="learnable", init=0.07, lr=1.0), epochs=10)
    assert eager.trajectory.logit_scale.max() <= LARGEST_SCALE * (1 + 1e-6)


def test_a_softplus_scale_starts_at_the_same_temperature_and_moves_by_the_rate_itself():
    """One step of AdamW moves what is learnt by the rate: 1/τ by 1 of it, where exp moves its logarithm."""
    softplus = LEARNABLE | {"scale": "softplus", "lr": 0.1}
    _, one = trained(temperature=softplus, steps=1, warmup=0)
    assert one.trajectory.logit_scale.iloc[0] == pytest.approx(1 / 0.07)
    assert abs(one.scale - 1 / 0.07) == pytest.approx(0.1, rel=1e-3)
    rising = lambda embeddings, scale: clip(*embeddings.values(), 1.0) - scale  # noqa: E731
    _, eager = trained(loss=rising, temperature=softplus | {"lr": 60.0}, steps=4, warmup=0)
    assert eager.scale == pytest.approx(LARGEST_SCALE), "the same clamp"
    for tau in (1e-3, 0.07, 1.0, 50.0):
        for start, scale in SCALES.values():
            assert float(scale(torch.tensor(start(tau), dtype=torch.float64))) == pytest.approx(1 / tau)


def test_a_softplus_scale_has_its_own_slope():
    for start, scale in SCALES.values():
        raw = torch.tensor(start(0.4), dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda raw, scale=scale: scale(raw) ** 2, (raw,))


def test_a_fixed_temperature_goes_along_its_course_and_what_is_measured_has_its_end():
    seen = []

    def loss(embeddings, scale):
        seen.append(1 / float(scale))
        return clip(*embeddings.values(), scale)

    course = dict(mode="fixed", init=0.07, lr=0.01, schedule=[[0, 0.01], [1, 0.05]])
    _, result = trained(loss=loss, temperature=course, epochs=1)
    assert seen == pytest.approx([0.01 + 0.04 * step / 8 for step in range(8)])
    assert result.scale == pytest.approx(20)
    assert result.trajectory.logit_scale.tolist() == pytest.approx([1 / tau for tau in seen])


@pytest.mark.parametrize("frozen", [False, True])
def test_a_course_of_the_temperature_is_over_finetuning_too_unless_it_is_frozen(frozen):
    full, digit = pairs(256), pairs(256, k=0)
    then = Finetuning({"image": full["image"], "text": digit["text"]}, None, epochs=1, lr=0.005, frozen=frozen)
    course = dict(mode="fixed", init=0.07, lr=0.01, schedule=[[0, 0.01], [1, 0.05]])
    options = dict(training=SETTINGS | {"epochs": 1}, settings={}, order=generator(0, "order"), watched=digit)
    result = train(model(), full, LOSSES["clip"], temperature=course, then=then, **options)
    expected = [0.01, 0.02, 0.03, 0.03 if frozen else 0.04]
    assert result.trajectory.logit_scale.tolist() == pytest.approx([1 / tau for tau in expected])
    assert result.scale == pytest.approx(1 / (0.03 if frozen else 0.05))


def test_swapping_repeats_to_the_bit_and_leaves_the_order_of_batches():
    def course(seed, share):
        drawn = torch.Generator().manual_seed(seed)
        return trained(loss=LOSSES["swap"], settings={"share": share}, chance=drawn, epochs=1)[1].trajectory

    assert course(0, 1.0).equals(course(0, 1.0))
    assert not course(0, 1.0).equals(course(1, 1.0))
    assert course(0, 0.0).equals(trained(epochs=1)[1].trajectory), "CLIP's loss, to the bit"


@pytest.mark.parametrize(("batch", "steps"), [(128, 5), (128, 8), (256, 13), (1000, 3)])
def test_the_number_of_steps_can_be_held_whatever_the_batch(batch, steps):
    """1,024 samples: 8 steps an epoch of 128, 4 of 256, 1 of 1,000. Epochs then do not count."""
    _, result = trained(batch=batch, steps=steps, epochs=99)
    assert result.trajectory.step.iloc[-1] == steps - 1


def test_steps_of_whole_epochs_are_those_epochs():
    (a, first), (b, second) = trained(epochs=2), trained(steps=16)
    assert first.trajectory.equals(second.trajectory)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_the_loop_is_the_plain_one():
    """Step by step against torch's own pieces, written out: order, schedule, clamp, decay of matrices only."""
    net, result = trained(epochs=1)
    twin, scale = model(), torch.nn.Parameter(torch.tensor(-np.log(0.07), dtype=torch.float32))
    decayed = [p for p in twin.parameters() if p.ndim >= 2]
    plain = [p for p in twin.parameters() if p.ndim < 2]
    optimiser = torch.optim.AdamW(
        [
            {"params": decayed, "lr": 0.0, "weight_decay": 0.05},
            {"params": plain, "lr": 0.0, "weight_decay": 0.0},
            {"params": [scale], "lr": 0.0, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
    )
    inputs, shuffled = pairs(), generator(0, "order").permutation(1024)
    for step in range(8):
        rate = min((step + 1) / 0.8, (1 + np.cos(np.pi * step / 8)) / 2)
        for group, peak in zip(optimiser.param_groups, (0.005, 0.005, 0.01), strict=True):
            group["lr"] = peak * rate
        batch = torch.from_numpy(shuffled[step * 128 : (step + 1) * 128])
        z = twin({name: x[batch] for name, x in inputs.items()})
        optimiser.zero_grad()
        clip(z["image"], z["text"], scale.exp()).backward()
        optimiser.step()
    for mine, other in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    assert result.scale == pytest.approx(scale.exp().item(), rel=1e-5)


def test_a_step_is_adamw_s_to_the_bit_and_leaves_what_has_no_gradient():
    chance = torch.Generator().manual_seed(0)
    mine = [
        torch.randn(4, 3, generator=chance, requires_grad=True),
        torch.randn(3, generator=chance, requires_grad=True),
    ]
    theirs = [p.detach().clone().requires_grad_() for p in mine]
    groups = [Group(mine[:1], 0.1, 0.05), Group(mine[1:], 0.02, 0.0)]
    told = [{"params": theirs[:1], "weight_decay": 0.05}, {"params": theirs[1:], "weight_decay": 0.0}]
    plain = torch.optim.AdamW(told, betas=(0.9, 0.98))
    for number, share in enumerate((1.0, 0.5, 0.3, 0.1)):
        for ours, other in zip(mine, theirs, strict=True):
            ours.grad = other.grad = torch.randn(ours.shape, generator=chance)
        if number == 2:
            mine[1].grad = theirs[1].grad = None
        for group, peak in zip(plain.param_groups, (0.1, 0.02), strict=True):
            group["lr"] = peak * share
        adamw(groups, share)
        plain.step()
        assert all(map(torch.equal, mine, theirs)), number


def test_training_leaves_pytorch_s_compiler_out():
    """`torch.optim.AdamW` loads it, at 1.7 s a process; the plain loop above says that the numbers are its own."""
    code = """
import sys, torch
from synthgap.optimiser import Group, adamw
p = torch.ones(3, requires_grad=True)
p.sum().backward()
adamw([Group([p], 0.1, 0.0)], 1.0)
assert p.tolist() == [torch.tensor(0.9).item()] * 3, p
print("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_a_course_of_settings_is_straight_between_its_points_and_level_outside():
    published = {"align": [[0.5, 1], [1, 2]], "uniform": [[0.2, 1], [0.7, 0]], "anchor": "text"}
    at = {share: settings_at(published, share) for share in (0, 0.1, 0.45, 0.5, 0.75, 0.9, 1)}
    assert [settings["align"] for settings in at.values()] == pytest.approx([1, 1, 1, 1, 1.5, 1.8, 2])
    assert [settings["uniform"] for settings in at.values()] == pytest.approx([1, 1, 0.5, 0.4, 0, 0, 0])
    assert all(settings["anchor"] == "text" for settings in at.values())


def test_each_step_takes_the_settings_of_its_share_and_the_last_are_kept():
    seen = []

    def loss(embeddings, scale, weight):
        seen.append(weight)
        return weight * clip(*embeddings.values(), scale)

    _, result = trained(loss=loss, settings={"weight": [[0, 1], [1, 2]]}, epochs=1)
    assert seen == pytest.approx([1 + step / 8 for step in range(8)])
    assert result.settings == {"weight": 2}


def test_each_step_is_told_what_is_known_of_its_batch_in_each_epoch():
    inputs, seen = pairs(256), []

    def loss(embeddings, scale, known):
        seen.append(known["row"])
        return clip(*embeddings.values(), scale)

    anew = lambda epoch: (inputs, {"row": torch.arange(256) + 1000 * epoch})  # noqa: E731
    train(
        model(),
        inputs,
        loss,
        temperature=LEARNABLE,
        training=SETTINGS | {"epochs": 2},
        settings={},
        order=generator(0, "order"),
        watched=inputs,
        known={"row": torch.arange(256)},
        anew=anew,
    )
    chance = generator(0, "order")
    expected = [chance.permutation(256) + 1000 * epoch for epoch in range(2)]
    assert torch.cat(seen).tolist() == np.concatenate(expected).tolist()


def finetuned(frozen=False, lr=0.005, epochs=2, order=0, **changes):
    """Trained on full captions, then finetuned on the digit's word alone."""
    net, full, digit = model(), pairs(), pairs(k=0)
    then = Finetuning({"image": full["image"], "text": digit["text"]}, None, epochs=epochs, lr=lr, frozen=frozen)
    options = dict(temperature=LEARNABLE | {"lr": 0.1}, training=SETTINGS | changes, settings={}, watched=digit)
    return net, train(net, full, LOSSES["clip"], order=generator(order, "order"), then=then, **options)


def test_finetuning_arms_are_the_same_model_until_it_begins():
    """Nothing but the temperature's freedom differs: not a bit of the course before, nor the first loss after."""
    (_, free), (_, frozen) = finetuned(), finetuned(frozen=True)
    steps = free.trajectory.step
    assert steps.tolist() == frozen.trajectory.step.tolist() and steps.iloc[-1] == 5 * 8 - 1
    before = steps <= 3 * 8
    assert free.trajectory[before].equals(frozen.trajectory[before]), "the first loss on other captions among it"
    after = frozen.trajectory[~before]
    assert after.logit_scale.nunique() == 1 and frozen.scale == pytest.approx(after.logit_scale.iloc[0])
    assert free.scale != pytest.approx(frozen.scale, rel=0.01)
    assert abs(free.trajectory.loss[~before] - frozen.trajectory.loss[~before]).max() > 1e-3


def test_finetuning_on_what_it_knows_is_more_training_with_the_optimisers_state():
    """The plain loop, written out: two schedules, one optimiser, whose rates are scaled by the ratio of the peaks."""
    net, full = model(), pairs()
    then = Finetuning(full, None, epochs=1, lr=0.001, frozen=True)
    options = dict(temperature=LEARNABLE, training=SETTINGS | {"epochs": 1}, settings={}, watched=full)
    result = train(net, full, LOSSES["clip"], order=generator(0, "order"), then=then, **options)
    twin, scale, chance = model(), torch.nn.Parameter(torch.tensor(-np.log(0.07)).float()), generator(0, "order")
    kinds = [[p for p in twin.parameters() if p.ndim >= 2], [p for p in twin.parameters() if p.ndim < 2], [scale]]
    decays = zip(kinds, (0.05, 0.0, 0.0), strict=True)
    optimiser = torch.optim.AdamW([{"params": p, "weight_decay": w} for p, w in decays], betas=(0.9, 0.98))
    for epoch, ratio in enumerate((1, 0.2)):
        shuffled = torch.from_numpy(chance.permutation(1024))
        for step, batch in enumerate(shuffled.split(128)):
            rate = ratio * min((step + 1) / 0.8, (1 + np.cos(np.pi * step / 8)) / 2)
            for group, peak in zip(optimiser.param_groups, (0.005, 0.005, 0.01), strict=True):
                group["lr"] = peak * rate
            z = twin({name: x[batch] for name, x in full.items()})
            optimiser.zero_grad()
            clip(z["image"], z["text"], scale.exp()).backward()
            scale.grad = None if epoch else scale.grad
            optimiser.step()
    for mine, other in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)
    assert result.scale == pytest.approx(scale.exp().item(), rel=1e-5)


def test_the_course_knows_the_entropy_of_what_is_watched():
    net, result = trained()
    z = embed(net, {name: x[:100] for name, x in pairs().items()})
    both = [logit_entropy(z[a], z[b], result.scale) for a, b in (("image", "text"), ("text", "image"))]
    assert result.trajectory.entropy.iloc[-1] == pytest.approx(np.mean(both), abs=0.05)  # a step before the end


@pytest.mark.parametrize("mode", ["learnable", "fixed"])
def test_a_bias_is_learnt_whether_the_temperature_is_or_not(mode):
    _, result = trained(
        loss=LOSSES["siglip"], settings={"bias": -5.0}, learnt={"bias": 10.0}, temperature=LEARNABLE | {"mode": mode}
    )
    course = result.trajectory
    assert list(course) == ["step", "loss", "logit_scale", "bias", "rmg", "l2m", "entropy"]
    assert course.bias.iloc[0] == -5 and abs(course.bias.iloc[-1] + 5) > 0.1
    assert result.settings["bias"] == pytest.approx(course.bias.iloc[-1], abs=0.01)
    assert (result.scale == pytest.approx(1 / 0.07)) == (mode == "fixed")


@pytest.mark.parametrize("anchor", [None, "text"])
@pytest.mark.parametrize("name", LOSSES)
def test_three_modalities_learn_by_every_loss(name, anchor):
    settings = {"anchor": anchor} | ({"bias": -10.0} if name == "siglip" else {})
    (inputs, seen), (shown, codes) = trio(1024), trio(400, seed=1)
    known = {name: torch.from_numpy(x) for name, x in known_of(TRIO, "digit", seen, inputs["text"].numpy()).items()}
    net = initialise(
        bags(*inputs, vocabulary=len(TRIO.words), width=32, embedding=16), torch.Generator().manual_seed(0)
    )
    _, result = trained(loss=LOSSES[name], settings=settings, net=net, inputs=inputs, known=known, epochs=10)
    assert result.trajectory.loss.iloc[-1] < 0.7 * result.trajectory.loss.iloc[0]
    z, digits = embed(net, shown), torch.from_numpy(codes[:, 0])
    if name == "gram":  # text is to lie in the plane of image and sound, not near either
        nearest = volumes(z["text"], [z["image"], z["audio"]]).argmin(1)
        assert (digits[nearest] == digits).double().mean() > 0.9
    else:
        assert all(recall_at_k(z["text"], z[other], 1, digits) > 0.9 for other in ("image", "audio"))
    gaps = [l2m(x, y) for x, y in combinations(embed(net, {m: x[:100] for m, x in inputs.items()}).values(), 2)]
    assert result.trajectory.l2m.iloc[-1] == pytest.approx(np.mean(gaps), abs=0.02)


def test_a_loss_that_explodes_is_said_with_its_step():
    with pytest.raises(FloatingPointError, match="try a lower training"):
        trained(lr=1e30)


def test_bf16_trains_too():
    _, result = trained(bf16=True, epochs=10)
    assert result.trajectory.loss.iloc[-1] < 0.8 * result.trajectory.loss.iloc[0]


@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no C++ compiler here")
def test_a_compiled_run_is_the_same_but_for_rounding(synthgap, tmp_path):
    asked = ("run", "imbalance", *TINY, "captions.attributes=2", "seed=0")
    losses = {}
    for compiled in ("false", "true"):
        done = synthgap(*asked, f"training.compile={compiled}", f"out={compiled}")
        assert done.returncode == 0 and "arning" not in done.stderr, done.stderr
        (path,) = (tmp_path / compiled).glob("imbalance*/results.parquet")
        losses[compiled] = tables.read(path).query("metric == 'loss'").value.item()
    assert losses["true"] == pytest.approx(losses["false"], abs=1e-4)


def test_what_cannot_be_compiled_is_told_before_any_run(synthgap, tmp_path):
    done = synthgap("run", "imbalance", *TINY, "training.compile=true", env=os.environ | {"PATH": str(tmp_path)})
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "training.compile=true needs a C++ compiler, and there is none here (g++ or clang++)" in done.stderr
    assert not (tmp_path / "runs").exists()
