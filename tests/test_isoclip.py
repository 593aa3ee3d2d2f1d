"""IsoCLIP: the inter-modal operator of two heads, its spectrum, and the maps that keep a band of it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import normalize, pad

from data_gen import InputError
from synthgap.posthoc.isoclip import band, head_matrix, isoclip, linearised, linearised_as_published, spectrum


def g(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def head(d: int, D: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(D, d, generator=g(seed)) / d**0.5


def drawn(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in float64 with every parameter Gaussian."""
    chance = g(seed)
    for p in module.double().parameters():
        p.data = torch.randn(p.shape, generator=chance, dtype=torch.float64)
    return module


SHAPES = [(8, 20, 14), (8, 8, 8), (8, 5, 14), (8, 20, 3), (6, 4, 5)]  # D, d_x, d_y


# --- heads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
def test_a_bias_is_the_column_of_a_constant_feature(bias):
    linear, f = drawn(nn.Linear(10, 4, bias=bias)), torch.randn(6, 10, generator=g(1), dtype=torch.float64)
    w = head_matrix(linear)
    assert w.shape == (4, 10 + bias) and not w.requires_grad
    torch.testing.assert_close((pad(f, (0, 1), value=1) if bias else f) @ w.T, linear(f).detach())


def test_a_linear_head_is_its_own_linearisation():
    linear, mean = drawn(nn.Linear(10, 4)), torch.randn(10, generator=g(1), dtype=torch.float64)
    w = linearised(linear, mean)
    torch.testing.assert_close(w, head_matrix(linear))
    assert not w.requires_grad and linear.weight.grad is None


def test_a_linearised_head_is_right_at_the_mean_and_to_first_order_around_it():
    mlp = drawn(nn.Sequential(nn.LayerNorm(10), nn.Linear(10, 16), nn.GELU(), nn.Linear(16, 4)))
    mean = torch.randn(10, generator=g(3), dtype=torch.float64)
    w = linearised(mlp, mean)
    with torch.no_grad():
        torch.testing.assert_close(w @ pad(mean, (0, 1), value=1), mlp(mean))
        for j in range(10):
            step = 1e-5 * torch.eye(10, dtype=torch.float64)[j]
            slope = (mlp(mean + step) - mlp(mean - step)) / 2e-5
            torch.testing.assert_close(w[:, j], slope, atol=1e-7, rtol=1e-6)
        # the rest is of second order: ten times nearer, a hundred times smaller
        away = torch.randn(10, generator=g(4), dtype=torch.float64)
        rest = [(mlp(mean + s * away) - w @ pad(mean + s * away, (0, 1), value=1)).norm() for s in (1e-2, 1e-3)]
    assert rest[0] / rest[1] == pytest.approx(100, rel=0.2)


def test_the_published_linearisation_halves_gelu_and_keeps_the_norm_s_scale_and_shift():
    trunk, projection = nn.Sequential(nn.LayerNorm(10), nn.Linear(10, 16), nn.GELU()), nn.Linear(16, 4)
    drawn(nn.ModuleList([trunk, projection]))
    norm, linear, _ = trunk
    f = torch.randn(6, 10, generator=g(1), dtype=torch.float64)
    with torch.no_grad():
        expected = projection(linear(f * norm.weight + norm.bias) / 2)  # gelu(a) = a / 2 to first order at 0
        w = linearised_as_published(trunk, projection)
        torch.testing.assert_close(pad(f, (0, 1), value=1) @ w.T, expected)
        small = 1e-4 * torch.randn(6, 16, generator=g(2), dtype=torch.float64)
        torch.testing.assert_close(nn.functional.gelu(small), small / 2, atol=1e-7, rtol=0)
    assert not torch.allclose(w, linearised(nn.Sequential(trunk, projection), f.mean(0)))
    torch.testing.assert_close(linearised_as_published(nn.Identity(), projection), head_matrix(projection))


# --- the operator ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("D", "d_x", "d_y"), SHAPES)
def test_the_spectrum_is_numpy_s_of_the_operator(D, d_x, d_y):
    w_x, w_y = head(d_x, D, seed=1).double(), head(d_y, D, seed=2).double()
    values = np.linalg.svd(w_x.numpy().T @ w_y.numpy(), compute_uv=False)
    r = min(D, d_x, d_y)
    assert spectrum(w_x, w_y).numpy() == pytest.approx(values[:r])
    assert values[r:] == pytest.approx(np.zeros(len(values) - r), abs=1e-9)
    assert (spectrum(w_x, w_y).diff() <= 0).all()


def test_the_spectrum_of_known_heads():
    eye = torch.eye(3)
    w_x, w_y = pad(torch.diag(torch.tensor([1.0, 2, 3])), (0, 2)), pad(eye, (0, 1))
    assert spectrum(w_x, w_y).tolist() == pytest.approx([3, 2, 1])
    kept_x, kept_y = band(w_x, w_y, 1, 1)  # the direction of 2 is left
    torch.testing.assert_close(kept_x, pad(torch.diag(torch.tensor([0.0, 2, 0])), (0, 2)))
    torch.testing.assert_close(kept_y, pad(torch.diag(torch.tensor([0.0, 1, 0])), (0, 1)))


@pytest.mark.parametrize(("D", "d_x", "d_y"), SHAPES)
@pytest.mark.parametrize(("top", "bottom"), [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0)])
def test_a_band_is_numpy_s(D, d_x, d_y, top, bottom):
    w_x, w_y = head(d_x, D, seed=1).double(), head(d_y, D, seed=2).double()
    u, _, vt = np.linalg.svd(w_x.numpy().T @ w_y.numpy())
    kept = slice(top, min(D, d_x, d_y) - bottom)
    kept_x, kept_y = band(w_x, w_y, top, bottom)
    assert kept_x.numpy() == pytest.approx(w_x.numpy() @ u[:, kept] @ u[:, kept].T, abs=1e-9)
    assert kept_y.numpy() == pytest.approx(w_y.numpy() @ vt[kept].T @ vt[kept], abs=1e-9)


@pytest.mark.parametrize(("D", "d_x", "d_y"), SHAPES)
@pytest.mark.parametrize(("top", "bottom"), [(0, 0), (1, 0), (0, 1), (1, 4), (0, 6), (0, 7)])
def test_a_published_band_counts_from_the_features_dimensions(D, d_x, d_y, top, bottom):
    """The published code decomposes Ψ itself, [d_x, d_y]: where D is smaller, its bottom holds nothing at first."""
    w_x, w_y = head(d_x, D, seed=1).double(), head(d_y, D, seed=2).double()
    u, values, vt = np.linalg.svd(w_x.numpy().T @ w_y.numpy(), full_matrices=False)
    kept = slice(top, max(0, len(values) - bottom))
    if not values[kept].any():
        with pytest.raises(InputError, match="below the rank"):
            band(w_x, w_y, top, bottom, published=True)
        return
    kept_x, kept_y = band(w_x, w_y, top, bottom, published=True)
    assert kept_x.numpy() == pytest.approx(w_x.numpy() @ u[:, kept] @ u[:, kept].T, abs=1e-9)
    assert kept_y.numpy() == pytest.approx(w_y.numpy() @ vt[kept].T @ vt[kept], abs=1e-9)
    if bottom and min(d_x, d_y) - D >= bottom and not top:
        torch.testing.assert_close(kept_x, w_x)  # nothing was dropped, where ours drops the weakest directions
        assert not torch.allclose(band(w_x, w_y, top, bottom)[0], w_x)


def test_a_band_of_a_band_is_the_band_and_has_its_part_of_the_spectrum():
    w_x, w_y = head(20, seed=1).double(), head(14, seed=2).double()
    kept_x, kept_y = band(w_x, w_y, 2, 3)
    expected = spectrum(w_x, w_y)[2:5]
    torch.testing.assert_close(spectrum(kept_x, kept_y)[:3], expected)
    assert spectrum(kept_x, kept_y)[3:].max() < 1e-9
    again_x, again_y = band(kept_x, kept_y, 0, 5)  # what is left of it are its first three directions
    torch.testing.assert_close(again_x, kept_x)
    torch.testing.assert_close(again_y, kept_y)


# --- maps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("D", "d_x", "d_y"), SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_a_map_of_embeddings_is_the_band_s_head_on_features(D, d_x, d_y, bias):
    features = {"image": torch.randn(50, d_x, generator=g(1)), "text": torch.randn(50, d_y, generator=g(2))}
    features = {name: pad(f, (0, 1), value=1) if bias else f for name, f in features.items()}
    heads = {name: head(f.shape[1], D, seed=seed) for seed, (name, f) in enumerate(features.items())}
    z = {name: normalize(f @ heads[name].T, dim=1) for name, f in features.items()}
    kept = dict(zip(z, band(heads["image"].double(), heads["text"].double(), 1, 1), strict=True))
    for name, change in isoclip(z, heads=heads, top=1, bottom=1).items():
        expected = normalize(features[name].double() @ kept[name].T, dim=1).float()
        torch.testing.assert_close(change(z[name]), expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(change(z[name]).norm(dim=1), torch.ones(50))


def three() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    z = {name: normalize(head(8, 40, seed), dim=1) for seed, name in enumerate(("audio", "image", "text"))}
    return z, {name: head(d, seed=seed) for seed, (name, d) in enumerate(zip(z, (15, 20, 14), strict=True))}


def test_nothing_left_out_changes_nothing():
    z, heads = three()
    for name, change in isoclip(z, heads=heads, top=0, bottom=0).items():
        torch.testing.assert_close(change(z[name]), z[name])


def test_what_is_mapped_twice_is_mapped_once():
    z, heads = three()
    for name, change in isoclip(z, heads=heads, top=2, bottom=1).items():
        torch.testing.assert_close(change(change(z[name])), change(z[name]), atol=1e-5, rtol=0)
        assert int((torch.linalg.svdvals(change(z[name])) > 1e-4).sum()) == 5


def test_each_modality_is_paired_with_the_text_and_the_text_with_the_first():
    z, heads = three()
    maps = isoclip(z, heads=heads, top=2, bottom=1)
    for other in ("audio", "image"):
        pair = isoclip({name: z[name] for name in (other, "text")}, heads=heads, top=2, bottom=1)
        torch.testing.assert_close(maps[other](z[other]), pair[other](z[other]))
        assert torch.equal(maps["text"](z["text"]), pair["text"](z["text"])) == (other == "audio")


def test_a_band_must_leave_a_direction():
    z, heads = three()
    for top, bottom in ((8, 0), (4, 4), (-1, 0), (0, -1)):
        with pytest.raises(InputError, match=f"top={top}, bottom={bottom}.* rank 8"):
            isoclip(z, heads=heads, top=top, bottom=bottom)
    isoclip(z, heads=heads, top=4, bottom=3)


def test_isoclip_needs_texts_heads_and_one_space():
    z, heads = three()
    with pytest.raises(InputError, match="'text' with others, got audio"):
        isoclip({"audio": z["audio"]}, heads=heads, top=1, bottom=0)
    with pytest.raises(InputError, match="got text"):
        isoclip({"text": z["text"]}, heads=heads, top=1, bottom=0)
    with pytest.raises(InputError, match="missing: image"):
        isoclip(z, heads={name: heads[name] for name in ("audio", "text")}, top=1, bottom=0)
    with pytest.raises(InputError, match="one space, got embeddings of 8 and 7"):
        spectrum(heads["image"], heads["text"][:7])
