"""Searching within a modality with something else than its embeddings: features, a corrected MLP, inverted tokens."""

import pytest
import torch
from conftest import SEARCHES, TRIO, built, trio
from torch.nn.functional import cosine_similarity, normalize

from synthgap.encoders import initialise
from synthgap.posthoc import heads, isoclip
from synthgap.training import embed, in_blocks

OPTIONS = dict(embedding=8, channels=4, width=32, patches=2)
SETTINGS = {
    "features": {"whitened": False},
    "isoclip_mlp": {"top": 1, "bottom": 1},
    "inversion": {"steps": 5, "lr": 0.02},
}


def inputs(pixels=False):
    shown, _ = trio(60)
    if pixels:
        g = torch.Generator().manual_seed(0)
        shown["image"] = torch.randint(0, 256, (60, 12, 12, 3), dtype=torch.uint8, generator=g)
        shown["audio"] = torch.randint(0, 256, (60, 16, 16), dtype=torch.uint8, generator=g)
    return shown


def model(shown, **options):
    net = built(shown, vocabulary=len(TRIO.words), longest=3, **OPTIONS | options)
    return initialise(net, torch.Generator().manual_seed(0))


def found(name, net, shown, **settings):
    return SEARCHES[name](net, shown, queries=20, **SETTINGS[name] | settings)


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("name", SEARCHES)
def test_galleries_and_what_asks_are_on_the_sphere(name, pixels):
    shown = inputs(pixels)
    gallery, asked = found(name, model(shown), shown)
    assert list(gallery) == list(asked) == list(shown)
    for modality, x in gallery.items():
        assert len(x) == 60 and asked[modality].shape == (20, x.shape[1]) and not asked[modality].requires_grad
        for rows in (x, asked[modality]):
            torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))


def test_features_are_those_that_the_projection_reads():
    shown = inputs()
    net = model(shown)
    gallery, asked = found("features", net, shown)
    read = net.by_modality["audio"].features(shown["audio"]).detach()
    torch.testing.assert_close(gallery["audio"], normalize(read, dim=1))
    torch.testing.assert_close(asked["audio"], gallery["audio"][:20])
    white, _ = found("features", net, shown, whitened=True)
    assert (white["audio"] - gallery["audio"]).abs().max() > 0.1


def test_a_linear_head_is_corrected_as_isoclip_corrects_it():
    """Conv nets end in a linear map: taking off what the dropped directions give is then the band itself."""
    shown = inputs(pixels=True)
    net = model(shown)
    for encoder in net.by_modality.values():
        encoder.trunk = torch.nn.Identity()
    net.by_modality["text"].projection = torch.nn.Linear(32, 8)
    initialise(net, torch.Generator().manual_seed(1))
    gallery, _ = found("isoclip_mlp", net, shown)
    z = embed(net, shown)
    maps = isoclip(z, heads=heads(net), top=1, bottom=1)
    for modality, x in gallery.items():
        torch.testing.assert_close(x, maps[modality](z[modality]), rtol=1e-3, atol=1e-4)


def test_an_mlp_is_corrected_by_what_its_linear_part_gives_to_the_dropped_directions():
    shown = inputs()
    net = model(shown)
    nothing, _ = found("isoclip_mlp", net, shown, top=0, bottom=0)
    for modality, z in embed(net, shown).items():
        torch.testing.assert_close(nothing[modality], z, rtol=1e-3, atol=1e-4)  # dropping nothing changes nothing
    encoder = net.by_modality["text"]
    read = in_blocks(encoder.adapter, shown["text"])
    middle = read.mean(0)
    slope = torch.autograd.functional.jacobian(lambda f: encoder.projection(encoder.trunk(f[None]))[0], middle)
    linear = slope @ (read - middle).T
    exact = encoder(shown["text"]).detach().T - encoder.projection(encoder.trunk(middle[None])).detach().T
    assert cosine_similarity(linear, exact, dim=0).mean() > 0.5, "the slope at the mean is what is corrected by"
    dropped, _ = found("isoclip_mlp", net, shown)
    assert (dropped["text"] - nothing["text"]).abs().max() > 0.05


def test_the_published_form_puts_the_linear_head_in_place_of_the_mlp():
    shown = inputs()
    net = model(shown)
    whole, _ = found("isoclip_mlp", net, shown, top=0, bottom=0, published=True)
    for modality, encoder in net.by_modality.items():
        norm, linear, _ = encoder.trunk
        with torch.no_grad():
            f = encoder.adapter(shown[modality]) * norm.weight + norm.bias
            head = normalize(encoder.projection(linear(f) / 2), dim=1)
        torch.testing.assert_close(whole[modality], head, rtol=1e-4, atol=1e-5)
        assert (whole[modality] - embed(net, shown)[modality]).abs().max() > 0.05  # dropping nothing changes a lot
    ours, published = (found("isoclip_mlp", net, shown, published=form)[0] for form in (False, True))
    assert (ours["text"] - published["text"]).abs().max() > 0.05


def test_texts_ask_in_steps_of_their_own():
    shown = inputs()
    net = model(shown)
    same, other = (found("inversion", net, shown, text_steps=n)[1] for n in (5, 40))
    without = found("inversion", net, shown)[1]
    assert all(torch.equal(same[name], without[name]) for name in shown)
    assert torch.equal(other["image"], same["image"]) and not torch.equal(other["text"], same["text"])


@pytest.mark.parametrize("options", [{}, {"text": "transformer", "image": "transformer"}, {"image": "conv-mlp"}])
@pytest.mark.parametrize("pixels", [False, True])
def test_inversion_brings_the_other_encoder_nearer(options, pixels):
    """An image asks as a word, a text as an image; five steps are nearer than none, a hundred nearer than five."""
    shown = inputs(pixels)
    net = model(shown, **options)
    z, near = embed(net, shown), {}
    for steps in (1, 5, 100):
        gallery, asked = found("inversion", net, shown, steps=steps)
        assert all(torch.equal(gallery[name], z[name]) for name in z)
        near[steps] = {name: cosine_similarity(asked[name], z[name][:20]).mean().item() for name in z}
    for modality in z:
        assert near[1][modality] < near[5][modality] < near[100][modality], modality
    assert all(p.grad is None for p in net.parameters())
