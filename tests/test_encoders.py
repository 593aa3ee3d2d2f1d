"""Encoders: shapes, what each can and cannot see, and weights that follow from the generator alone."""

import pytest
import torch

from synthgap.encoders import Bag, ConvAudio, ConvImage, Encoders, Transformer, build, initialise

SIZES = dict(vocabulary=26, width=64, embedding=24)


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
        (Transformer(**SIZES, longest=6, depth=2), tokens()),
        (Transformer(**SIZES, longest=6, depth=1), tokens(length=1)),
    ],
)
def test_any_input_becomes_a_unit_vector(encoder, inputs):
    z = seeded(Encoders({"x": encoder}))({"x": inputs})["x"]
    assert z.shape == (5, 24)
    assert z.norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-5)


def test_each_modality_gets_the_encoder_that_reads_it():
    options = dict(embedding=24, channels=8, text="transformer", width=64, depth=1)
    pixels, sound = torch.zeros(5, 28, 28, 3, dtype=torch.uint8), torch.zeros(5, 112, 112, dtype=torch.uint8)
    for inputs, kinds in (
        ({"image": pixels, "audio": sound, "text": tokens()}, (ConvImage, ConvAudio, Transformer)),
        ({"image": tokens(), "audio": tokens(), "text": tokens()}, (Bag, Bag, Transformer)),
    ):
        encoders = build(inputs, options, vocabulary=26, longest=6)
        assert tuple(map(type, encoders.by_modality.values())) == kinds and list(encoders.by_modality) == list(inputs)
        assert all(z.shape == (5, 24) for z in seeded(encoders)(inputs).values())
    assert isinstance(
        build({"text": tokens()}, options | {"text": "bag"}, vocabulary=26, longest=6).by_modality.text, Bag
    )


def test_a_bag_is_blind_to_order_and_a_transformer_is_not():
    words, turned = tokens(), tokens().flip(1)
    bag, transformer = seeded(Bag(**SIZES)), seeded(Transformer(**SIZES, longest=6, depth=2))
    torch.testing.assert_close(bag(words), bag(turned))
    assert (transformer(words) - transformer(turned)).abs().max() > 1e-3


@pytest.mark.parametrize("encoder", [Bag(**SIZES), Transformer(**SIZES, longest=8, depth=2)])
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
        lambda: Transformer(**SIZES, longest=6, depth=2),
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
