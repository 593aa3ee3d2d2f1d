"""The loop: it learns, repeats to the bit, honours its temperature, and matches a plain one written out."""

import numpy as np
import pytest
import torch

from data_gen import MAD, captions
from data_gen.seeds import generator
from synthgap.encoders import Bag, Encoders, initialise
from synthgap.losses import clip
from synthgap.training import LARGEST_SCALE, embed, pairwise, train

SETTINGS = dict(epochs=3, batch=128, lr=0.005, weight_decay=0.05, warmup=0.1, bf16=False, device="cpu")
LEARNABLE = dict(mode="learnable", init=0.07, lr=0.01)


def pairs(n=1024, k=5, seed=0):
    codes = MAD.sample(n, generator(seed, "factors"))
    text = captions.write(MAD, captions.attributes(MAD, "digit", k), codes, generator(seed, "captions"))
    return {"image": torch.from_numpy(1 + MAD.offsets + codes), "text": torch.from_numpy(text)}


def model(seed=0):
    encoders = {name: Bag(vocabulary=26, width=32, embedding=16) for name in ("image", "text")}
    return initialise(Encoders(encoders), torch.Generator().manual_seed(seed))


def trained(seed=0, temperature=LEARNABLE, **changes):
    net = model(seed)
    inputs = pairs()
    result = train(
        net,
        inputs,
        clip,
        temperature=temperature,
        training=SETTINGS | changes,
        order=generator(seed, "order"),
        watched={name: x[:100] for name, x in inputs.items()},
    )
    return net, result


def test_it_learns_and_keeps_its_course():
    net, result = trained(epochs=10)
    z = embed(net, pairs(seed=1))
    assert float(clip(z["image"], z["text"], result.scale)) < 0.5 * np.log(1024)
    course = result.trajectory
    assert list(course) == ["step", "loss", "logit_scale", "rmg", "l2m"]
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


def test_three_modalities_are_the_mean_of_their_pairs():
    g = torch.Generator().manual_seed(0)
    z = {name: torch.nn.functional.normalize(torch.randn(6, 4, generator=g), dim=1) for name in "abc"}
    expected = (clip(z["a"], z["b"], 2.0) + clip(z["a"], z["c"], 2.0) + clip(z["b"], z["c"], 2.0)) / 3
    assert float(pairwise(clip, z, torch.tensor(2.0))) == pytest.approx(float(expected))


def test_a_loss_that_explodes_is_said_with_its_step():
    with pytest.raises(FloatingPointError, match="try a lower training"):
        trained(lr=1e30)


def test_bf16_trains_too():
    _, result = trained(bf16=True, epochs=10)
    assert result.trajectory.loss.iloc[-1] < 0.8 * result.trajectory.loss.iloc[0]
