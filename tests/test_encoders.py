"""Encoders: shapes, what each can and cannot see, and weights that follow from the generator alone."""

from itertools import combinations

import pytest
import torch

from synthgap.encoders import Bag, ConvAudio, ConvImage, Encoders, Transformer, build, initialise, set_apart
from synthgap.training import embed

SIZES = dict(vocabulary=26, width=64, embedding=24)
PIXELS, SOUND = torch.zeros(5, 28, 28, 3, dtype=torch.uint8), torch.zeros(5, 112, 112, dtype=torch.uint8)
OPTIONS = dict(embedding=24, channels=8, image="conv", text="bag", share="none", width=64, depth=1, patches=4)


def built(inputs, **options):
    return build(inputs, OPTIONS | options, vocabulary=26, longest=8)


def reader(x, kind="transformer"):
    """A single encoder, of words as texts are read or of pixels."""
    words = x.dtype == torch.int64
    return built({"text" if words else "image": x}, **{"text" if words else "image": kind}, depth=2).by_modality[
        "text" if words else "image"
    ]


def seeded(module, seed=0):
    return initialise(module, torch.Generator().manual_seed(seed))


def tokens(n=5, length=6, seed=0):
    return torch.randint(1, 27, (n, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("encoder", "inputs"),
    [
        (ConvImage(height=28, width=28, channels=16, embedding=24), torch.zeros(5, 28, 28, 3, dtype=torch.uint8)),
        (ConvImage(height=33, width=50, channels=8, embedding=24), torch.zeros(5, 33, 50, 3, dtype=torch.uint8)),
        (ConvAudio(bands=112, frames=112, channels=16, embedding=24), torch.zeros(5, 112, 112, dtype=torch.uint8)),
        (ConvAudio(bands=40, frames=100, channels=8, embedding=24), torch.zeros(5, 40, 100, dtype=torch.uint8)),
        (Bag(**SIZES), tokens()),
        (reader(tokens()), tokens()),
        (reader(tokens()), tokens(length=1)),
        (reader(PIXELS), PIXELS),
        (reader(PIXELS, "conv-mlp"), PIXELS),
        (reader(torch.zeros(5, 33, 50, 3, dtype=torch.uint8)), torch.zeros(5, 33, 50, 3, dtype=torch.uint8)),
        (reader(SOUND), SOUND),
        (reader(SOUND, "conv-mlp"), SOUND),
    ],
)
def test_any_input_becomes_a_unit_vector(encoder, inputs):
    z = seeded(Encoders({"x": encoder}))({"x": inputs})["x"]
    assert z.shape == (5, 24)
    assert z.norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-5)


def test_each_modality_gets_the_encoder_that_reads_it():
    seen, symbols = (
        {"image": PIXELS, "audio": SOUND, "text": tokens()},
        dict.fromkeys(("image", "audio", "text"), tokens()),
    )
    for inputs, options, kinds in (
        (seen, {}, (ConvImage, ConvAudio, Bag)),
        (seen, {"text": "transformer"}, (ConvImage, ConvAudio, Transformer)),
        (seen, {"image": "conv-mlp"}, (ConvImage, ConvAudio, Bag)),
        (seen, {"image": "transformer"}, (Transformer, Transformer, Bag)),
        (symbols, {"text": "transformer"}, (Bag, Bag, Transformer)),
        (symbols, {"image": "transformer"}, (Transformer, Transformer, Bag)),
    ):
        encoders = built(inputs, **options)
        assert tuple(map(type, encoders.by_modality.values())) == kinds and list(encoders.by_modality) == list(inputs)
        assert all(z.shape == (5, 24) for z in seeded(encoders)(inputs).values())


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
    bag, transformer = seeded(Bag(**SIZES)), seeded(reader(tokens()))
    torch.testing.assert_close(bag(words), bag(turned))
    assert (transformer(words) - transformer(turned)).abs().max() > 1e-3


@pytest.mark.parametrize("encoder", [Bag(**SIZES), reader(tokens())])
def test_padding_says_nothing(encoder):
    seeded(encoder)
    padded = torch.cat([tokens(), torch.zeros(5, 2, dtype=torch.long)], dim=1)
    torch.testing.assert_close(encoder(tokens()), encoder(padded), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConvImage(height=28, width=28, channels=16, embedding=24),
        lambda: ConvAudio(bands=112, frames=112, channels=16, embedding=24),
        lambda: Bag(**SIZES),
        lambda: reader(tokens()),
        lambda: reader(PIXELS),
        lambda: reader(PIXELS, "conv-mlp"),
    ],
)
def test_weights_follow_from_the_generator_alone(make):
    torch.manual_seed(1)
    first = seeded(make()).state_dict()
    torch.manual_seed(2)
    second, other = seeded(make()).state_dict(), seeded(make(), seed=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_nothing_runs_differently_in_training():
    """No dropout, no running statistics: a step is a pure function of its inputs."""
    encoder = seeded(ConvImage(height=28, width=28, channels=16, embedding=24))
    images = torch.randint(0, 256, (4, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder.train()(images), encoder.eval()(images), rtol=0, atol=0)
    torch.testing.assert_close(encoder(images)[:1], encoder(images[:1]), rtol=1e-4, atol=1e-5)  # nor on its neighbours


@pytest.mark.parametrize("modalities", [2, 3])
def test_modalities_set_apart_lie_on_opposite_sides_before_they_learn(modalities):
    names = ("image", "text", "audio")[:modalities]
    inputs = {name: torch.randint(1, 27, (200, 6), generator=torch.Generator().manual_seed(1)) for name in names}
    encoders = {name: Bag(vocabulary=26, width=32, embedding=16) for name in names}
    net = initialise(Encoders(encoders), torch.Generator().manual_seed(0))
    before = {name: net.by_modality[name](x).detach() for name, x in inputs.items()}
    set_apart(net, inputs, 20.0, torch.Generator().manual_seed(2))
    for name, x in inputs.items():
        shift = net.by_modality[name](x).detach() - before[name]
        torch.testing.assert_close(shift, shift[:1].expand_as(shift), atol=1e-4, rtol=1e-4)
        assert shift[0].norm() == pytest.approx(20 * before[name].square().sum(1).mean().sqrt().item(), rel=1e-4)
    z = embed(net, inputs)
    for x, y in combinations(z.values(), 2):
        assert (x @ y.T).mean() == pytest.approx(-1 / (modalities - 1), abs=0.02), "the corners of a regular simplex"
