"""Encoders: shapes, what each can and cannot see, and weights that follow from the generator alone."""

from itertools import combinations

import numpy as np
import pytest
import torch
from conftest import ENCODER, bags, built
from scipy.linalg import orthogonal_procrustes

from data_gen import InputError
from synthgap import catalogue
from synthgap.encoders import Pixels, at_an_angle, initialise, set_apart, start_together
from synthgap.metrics import principal_angles
from synthgap.training import embed

PIXELS, SOUND = torch.zeros(5, 28, 28, 3, dtype=torch.uint8), torch.zeros(5, 112, 112, dtype=torch.uint8)
TOUCH = torch.linspace(-2, 2, 35).reshape(5, 7)


def tokens(n=5, length=6, seed=0):
    return torch.randint(1, 27, (n, length), generator=torch.Generator().manual_seed(seed))


def reader(x, name="transformer"):
    """A single encoder, of words as texts are read, or of something else as images are."""
    modality = "text" if x.dtype == torch.int64 else "image"
    return built({modality: x}, **{modality: name}, depth=2).by_modality[modality]


def seeded(module, seed=0):
    return initialise(module, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("conv", PIXELS),
        ("conv", torch.zeros(5, 33, 50, 3, dtype=torch.uint8)),
        ("conv", SOUND),
        ("conv", torch.zeros(5, 40, 100, dtype=torch.uint8)),
        ("bag", tokens()),
        ("transformer", tokens()),
        ("transformer", tokens(length=1)),
        ("transformer", PIXELS),
        ("conv-mlp", PIXELS),
        ("patch-conv", PIXELS),
        ("pixel-mlp", PIXELS),
        ("transformer", torch.zeros(5, 33, 50, 3, dtype=torch.uint8)),
        ("transformer", SOUND),
        ("conv-mlp", SOUND),
        ("patch-conv", SOUND),
        ("pixel-mlp", SOUND),
        ("mlp", TOUCH),
    ],
)
def test_any_input_becomes_a_unit_vector(name, inputs):
    modality = "text" if inputs.dtype == torch.int64 else "touch"
    chosen = {"text": name} if modality == "text" else {"others": {"touch": name}}
    z = seeded(built({modality: inputs}, **chosen))({modality: inputs})[modality]
    assert z.shape == (5, 24)
    assert z.norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-5)


def test_each_modality_gets_the_encoder_that_reads_it():
    """That of images reads other modalities too, but texts; those that it cannot read get the usual one for their kind."""
    seen = {"image": "pixels", "audio": "spectrogram", "touch": "vector", "text": "tokens"}
    symbols = dict.fromkeys(seen, "tokens")
    for kinds, options, names in (
        (seen, {}, ("conv", "conv", "mlp", "bag")),
        (seen, {"text": "transformer"}, ("conv", "conv", "mlp", "transformer")),
        (seen, {"image": "conv-mlp"}, ("conv-mlp", "conv-mlp", "mlp", "bag")),
        (seen, {"image": "transformer"}, ("transformer", "transformer", "mlp", "bag")),
        (seen, {"others": {"audio": "conv-mlp"}}, ("conv", "conv-mlp", "mlp", "bag")),
        (symbols, {"text": "transformer"}, ("bag", "bag", "bag", "transformer")),
        (symbols, {"image": "transformer"}, ("transformer", "transformer", "transformer", "bag")),
    ):
        found = catalogue.encoders_of({"encoder": ENCODER | options}, kinds)
        assert list(found) == list(kinds)
        assert tuple(method.name for _, method in found.values()) == names
        assert all(kinds[modality] in method.reads for modality, (_, method) in found.items())


ALIKE = [{"image": "conv-mlp"}, {"image": "transformer", "text": "transformer"}]


@pytest.mark.parametrize("kinds", ALIKE)
@pytest.mark.parametrize("share", ["none", "projection", "trunk"])
def test_what_is_shared_is_the_same_weights_and_the_rest_is_not(kinds, share):
    inputs = {"image": PIXELS, "audio": SOUND, "text": tokens()}
    first, *others = built(inputs, **kinds, share=share).by_modality.values()
    for other in others:
        assert (other.projection is first.projection) == (share != "none")
        assert (other.trunk is first.trunk) == (share == "trunk")
        assert other.adapter is not first.adapter


@pytest.mark.parametrize("kinds", ALIKE)
def test_shared_weights_are_counted_drawn_and_learnt_once(kinds):
    inputs = {"image": PIXELS, "text": tokens()}
    shared, own = (seeded(built(inputs, **kinds, share=share)) for share in ("trunk", "none"))
    ends = [p for part in ("trunk", "projection") for p in getattr(own.by_modality.text, part).parameters()]
    count = lambda model: sum(p.numel() for p in model.parameters())  # noqa: E731
    assert count(own) - count(shared) == sum(p.numel() for p in ends)
    sum(z[:, 0].sum() for z in shared(inputs).values()).backward()
    both = shared.by_modality.text.projection.weight.grad.clone()
    alone = []
    for modality, x in inputs.items():
        shared.zero_grad()
        shared({modality: x})[modality][:, 0].sum().backward()
        alone.append(shared.by_modality.text.projection.weight.grad.clone())
    torch.testing.assert_close(both, alone[0] + alone[1])  # each modality moves it


def test_features_are_what_the_projection_reads():
    for encoder, x in ((built({"image": PIXELS}).by_modality.image, PIXELS), (reader(tokens()), tokens())):
        seeded(encoder)
        torch.testing.assert_close(encoder.projection(encoder.features(x)), encoder(x))


def test_patches_are_cut_where_they_should_be():
    """A patch transformer sees a change of one patch, and, its positions taken away, not where the patch is."""
    encoder = seeded(reader(PIXELS))
    images = torch.zeros(3, 28, 28, 3, dtype=torch.uint8)
    images[1, :7, :7], images[2, 21:, 14:21] = 200, 200
    z = encoder(images)
    assert (z[1] - z[0]).abs().max() > 1e-3 and (z[1] - z[2]).abs().max() > 1e-3
    with torch.no_grad():
        encoder.adapter.positions.zero_()
    z = encoder(images)
    torch.testing.assert_close(z[1], z[2], rtol=1e-4, atol=1e-5)


def test_a_bag_is_blind_to_order_and_a_transformer_is_not():
    words, turned = tokens(), tokens().flip(1)
    bag, transformer = seeded(reader(tokens(), "bag")), seeded(reader(tokens()))
    torch.testing.assert_close(bag(words), bag(turned))
    assert (transformer(words) - transformer(turned)).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["bag", "transformer"])
def test_padding_says_nothing(name):
    encoder = seeded(reader(tokens(), name))
    padded = torch.cat([tokens(), torch.zeros(5, 2, dtype=torch.long)], dim=1)
    torch.testing.assert_close(encoder(tokens()), encoder(padded), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("conv", PIXELS),
        ("conv", SOUND),
        ("bag", tokens()),
        ("transformer", tokens()),
        ("transformer", PIXELS),
        ("conv-mlp", PIXELS),
        ("patch-conv", PIXELS),
        ("pixel-mlp", PIXELS),
    ],
)
def test_weights_follow_from_the_generator_alone(name, inputs):
    torch.manual_seed(1)
    first = seeded(reader(inputs, name)).state_dict()
    torch.manual_seed(2)
    second, other = (seeded(reader(inputs, name), seed).state_dict() for seed in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_nothing_runs_differently_in_training():
    """No dropout, no running statistics: a step is a pure function of its inputs."""
    encoder = seeded(reader(PIXELS, "conv"))
    images = torch.randint(0, 256, (4, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder.train()(images), encoder.eval()(images), rtol=0, atol=0)
    torch.testing.assert_close(encoder(images)[:1], encoder(images[:1]), rtol=1e-4, atol=1e-5)  # nor on its neighbours


def test_a_procrustes_start_is_scipy_s_rotation_and_brings_pairs_closest():
    x = {name: tokens(200, seed=i) for i, name in enumerate(("image", "text", "audio"))}
    x["text"] = x["image"].flip(1)  # they have something to do with one another
    before = seeded(bags(*x, width=32, embedding=16))
    z = embed(before, x)
    after = embed(start_together(seeded(bags(*x, width=32, embedding=16)), x, "procrustes"), x)
    torch.testing.assert_close(after["image"], z["image"])
    for name in ("text", "audio"):
        rotation, _ = orthogonal_procrustes(z[name].numpy(), z["image"].numpy())
        np.testing.assert_allclose(after[name].numpy(), z[name].numpy() @ rotation, atol=1e-5)
        assert (after[name] - z["image"]).square().sum() < (z[name] - z["image"]).square().sum()
        torch.testing.assert_close(after[name] @ after[name].T, z[name] @ z[name].T, atol=1e-5, rtol=1e-4)


def test_encoders_with_the_same_weights_embed_alike_and_are_not_tied():
    x = {name: tokens() for name in ("image", "text")}
    net = start_together(seeded(bags(*x)), x, "same")
    z = embed(net, x)
    assert torch.equal(z["image"], z["text"])
    with torch.no_grad():
        net.by_modality["text"].projection.bias += 1
    assert not torch.equal(embed(net, x)["text"], embed(net, x)["image"]) and torch.equal(
        embed(net, x)["image"], z["image"]
    )
    unlike = built({"image": PIXELS, "text": tokens()})
    with pytest.raises(InputError, match="those of image and text are not"):
        start_together(unlike, {"image": PIXELS, "text": tokens()}, "same")


@pytest.mark.parametrize("modalities", [2, 3])
def test_modalities_set_apart_lie_on_opposite_sides_before_they_learn(modalities):
    names = ("image", "text", "audio")[:modalities]
    inputs = {name: torch.randint(1, 27, (200, 6), generator=torch.Generator().manual_seed(1)) for name in names}
    net = initialise(bags(*names, width=32, embedding=16), torch.Generator().manual_seed(0))
    before = {name: net.by_modality[name](x).detach() for name, x in inputs.items()}
    set_apart(net, inputs, 20.0, torch.Generator().manual_seed(2))
    for name, x in inputs.items():
        shift = net.by_modality[name](x).detach() - before[name]
        torch.testing.assert_close(shift, shift[:1].expand_as(shift), atol=1e-4, rtol=1e-4)
        assert shift[0].norm() == pytest.approx(20 * before[name].square().sum(1).mean().sqrt().item(), rel=1e-4)
    z = embed(net, inputs)
    for x, y in combinations(z.values(), 2):
        assert (x @ y.T).mean() == pytest.approx(-1 / (modalities - 1), abs=0.02), "the corners of a regular simplex"


@pytest.mark.parametrize("start", ["usual", "procrustes"])
def test_embeddings_of_a_rank_lie_in_so_many_dimensions_wherever_the_bias_is(start):
    x = {name: tokens(200, seed=i) for i, name in enumerate(("image", "text"))}
    net = seeded(bags(*x, rank=3))
    with torch.no_grad():
        for encoder in net.by_modality.values():
            encoder.projection.inner.bias += 1
    z = embed(start_together(net, x, start), x)
    for some in z.values():
        assert torch.linalg.matrix_rank(some, rtol=1e-5) == 3 and some.shape == (200, 24)
    aligned = principal_angles(z["image"], z["text"], 1.0)[:3].max() < 1
    assert aligned == (start == "procrustes"), "a rotation brings the subspaces onto one another"
    encoder = net.by_modality.image
    features = encoder.features(x["image"])
    torch.testing.assert_close(encoder(x["image"]), features @ encoder.projection.weight.T + encoder.projection.bias)


@pytest.mark.parametrize("modalities", [2, 3])
@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0])
def test_subspaces_at_an_angle_make_it_in_all_their_dimensions_and_are_not_learnt(modalities, degrees):
    x = {name: tokens(200, seed=i) for i, name in enumerate(("image", "text", "audio")[:modalities])}
    net = at_an_angle(seeded(bags(*x, rank=4)), degrees, torch.Generator().manual_seed(1))
    for a, b in combinations(embed(net, x).values(), 2):
        angles = principal_angles(a, b, 1 - 1e-9)
        assert angles[:4].tolist() == pytest.approx([degrees] * 4, abs=0.05)
        assert (a @ b.T).max() <= np.cos(np.radians(degrees)) + 1e-5, "no two are closer than their subspaces"
    before = [encoder.projection.outer.weight.clone() for encoder in net.by_modality.values()]
    sum(z[:, 0].sum() for z in net(x).values()).backward()
    for encoder, weight in zip(net.by_modality.values(), before, strict=True):
        assert encoder.projection.outer.weight.grad is None and encoder.projection.inner.weight.grad is not None
        torch.testing.assert_close(weight.T @ weight, torch.eye(4), atol=1e-5, rtol=0)


def test_images_that_are_numbers_already_stay_as_they_are():
    layers = Pixels(torch.nn.Conv2d(3, 2, 3))
    images = torch.full((1, 4, 4, 3), 255.0)
    out = layers(images)
    assert (images == 255).all()
    assert torch.equal(out, layers(images.to(torch.uint8)))
