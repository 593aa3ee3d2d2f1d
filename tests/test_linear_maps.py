"""Whitening, rotation and the texts' components: linear maps of embeddings, on vectors at known places."""

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power
from scipy.stats import kstest
from sklearn.covariance import ShrunkCovariance
from sklearn.decomposition import PCA
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.posthoc.rotation import rotation
from synthgap.posthoc.text_components import text_components
from synthgap.posthoc.whitening import principal_axes, whiten, whitening


def embeddings(n=500, d=12, seed=0):
    """Two modalities, unequally spread around two poles."""
    g = torch.Generator().manual_seed(seed)
    spread = torch.linspace(0.1, 1, d)
    return {
        name: normalize(torch.randn(n, d, generator=g) * spread + pole, dim=1)
        for name, pole in zip(("image", "text"), torch.eye(d)[:2], strict=True)
    }


def captions(distinct=10, n=400, d=16, seed=1):
    """Few distinct captions, as rows whose last digits differ: what batches of other sizes make of them."""
    g = torch.Generator().manual_seed(seed)
    x = normalize(torch.randn(distinct, d, generator=g), dim=1)[torch.arange(n) % distinct]
    return x * (1 + 1e-7 * torch.randn(n, d, generator=g))


METHODS = [(whitening, {}), (whitening, {"shrinkage": 0.0}), (rotation, {}), (text_components, {"components": 5})]


@pytest.mark.parametrize(("method", "settings"), METHODS)
def test_maps_keep_unit_norm_and_are_fitted_once(method, settings):
    z = embeddings()
    maps = method(z, **settings)
    assert list(maps) == list(z)
    for name, x in z.items():
        torch.testing.assert_close(maps[name](x).norm(dim=1), torch.ones(len(x)))
        torch.testing.assert_close(maps[name](x[:3]), maps[name](x)[:3])


# --- whitening ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 0.7, 1.0])
def test_whitening_is_the_inverse_root_of_scikit_learn_s_shrunk_covariance(shrinkage):
    for name, x in embeddings().items():
        rows = x.double().numpy()
        oracle = ShrunkCovariance(shrinkage=shrinkage).fit(rows)
        expected = (rows - oracle.location_) @ fractional_matrix_power(oracle.covariance_, -0.5)
        assert whiten(x, shrinkage)(x).numpy() == pytest.approx(expected, abs=1e-4)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        assert whitening(embeddings(), shrinkage=shrinkage)[name](x).numpy() == pytest.approx(expected, abs=1e-5)


def test_what_is_whitened_without_shrinkage_has_unit_covariance_and_stays_near():
    x = embeddings()["image"].double()
    white = whiten(x, 0.0)(x)
    torch.testing.assert_close(white.T @ white / len(x), torch.eye(12).double())
    correlation = white.T @ (x - x.mean(0))  # of ZCA alone it is symmetric, with nothing but positive eigenvalues
    torch.testing.assert_close(correlation, correlation.T)
    assert torch.linalg.eigvalsh(correlation).min() > 0


def test_each_modality_is_whitened_by_itself():
    z = embeddings()
    moved = {**z, "text": z["text"].flip(1)}
    torch.testing.assert_close(whitening(z)["image"](z["image"]), whitening(moved)["image"](z["image"]))


@pytest.mark.parametrize("shrinkage", [0.0, 0.1])
def test_few_distinct_captions_are_whitened_where_they_vary(shrinkage):
    x = captions()
    white = whiten(x, shrinkage)(x)
    assert white.isfinite().all()
    torch.testing.assert_close(white[:10], white[10:20], atol=1e-4, rtol=0)  # equal captions stay equal
    varied = x - x.mean(0)
    if shrinkage == 0:
        rank = torch.linalg.svdvals(white.double())
        assert int((rank > 1e-3).sum()) == 9  # ten points span nine directions around their mean
        torch.testing.assert_close(rank[:9], torch.full((9,), 20.0).double())  # √N: unit variance
    assert np.corrcoef((white @ white.T).ravel(), (varied @ varied.T).ravel())[0, 1] > 0.8


def test_what_does_not_vary_becomes_zero():
    x = normalize(torch.ones(7, 4), dim=1)
    assert (whitening({"image": x}, shrinkage=0.1)["image"](x) == 0).all()


def test_principal_axes_are_scikit_learn_s():
    x = embeddings()["text"].double()
    oracle = PCA().fit(x.numpy())
    mean, variances, axes = principal_axes(x)
    assert mean.numpy() == pytest.approx(oracle.mean_)
    assert variances.numpy() == pytest.approx(oracle.explained_variance_ * (len(x) - 1) / len(x))
    assert np.abs((axes.numpy() * oracle.components_.T).sum(0)) == pytest.approx(np.ones(12))
    assert (principal_axes(captions())[1] > 0).sum() == 9


@pytest.mark.parametrize("shrinkage", [-0.1, 1.5, float("nan")])
def test_shrinkage_is_a_share(shrinkage):
    with pytest.raises(InputError, match=r"shrinkage=.*\[0, 1\]"):
        whitening(embeddings(), shrinkage=shrinkage)


# --- rotation ----------------------------------------------------------------------------------------------------


def test_rotation_keeps_every_cosine_and_changes_every_dimension():
    z = embeddings()
    turned = {name: change(z[name]) for name, change in rotation(z, seed=3).items()}
    torch.testing.assert_close(turned["image"] @ turned["text"].T, z["image"] @ z["text"].T)
    torch.testing.assert_close(turned["image"] @ turned["image"].T, z["image"] @ z["image"].T)
    assert ((turned["image"] - z["image"]).abs().mean(0) > 0.05).all()


def test_rotations_repeat_by_seed():
    z = embeddings()
    once, again, other = (rotation(z, seed=seed)["text"](z["text"]) for seed in (0, 0, 1))
    assert (once == again).all() and not torch.allclose(once, other, atol=0.1)


def test_rotations_are_uniform():
    """On the sphere in three dimensions each coordinate of a uniform point is uniform (Archimedes)."""
    drawn = torch.stack([rotation({"image": torch.zeros(1, 3)}, seed=s)["image"](torch.eye(3)) for s in range(600)])
    for i in range(3):
        for j in range(3):
            assert kstest(drawn[:, i, j].numpy(), "uniform", args=(-1, 2)).pvalue > 1e-3
    assert 0.4 < (torch.linalg.det(drawn) > 0).double().mean() < 0.6  # reflections are as likely


# --- the texts' components ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("components", [1, 4, 12])
def test_text_components_are_scikit_learn_s(components):
    z = embeddings()
    oracle = PCA(components).fit(z["text"].double().numpy())
    for name, change in text_components(z, components=components).items():
        scores = oracle.transform(z[name].double().numpy())
        expected = scores @ oracle.components_  # back into the space, the mean left out
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        assert change(z[name]).numpy() == pytest.approx(expected, abs=1e-5)


def test_text_components_forget_what_no_text_varies_in():
    """Texts vary along the first axis only; images differ along the second, too."""
    texts = torch.tensor([[1.0, 0, 0], [-1, 0, 0]])
    images = normalize(torch.tensor([[1.0, 5, 0], [1, -5, 0], [0, 0, 1]]), dim=1)
    maps = text_components({"image": images, "text": texts}, components=3)
    assert maps["image"](images).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]  # nothing left: finite, and zero


def test_no_more_components_than_few_captions_have():
    z = {"image": embeddings(d=16)["image"], "text": captions()}
    nine, most = (text_components(z, components=k)["image"](z["image"]) for k in (9, 16))
    torch.testing.assert_close(nine, most)
    assert torch.linalg.svdvals(most)[9] < 1e-4


def test_text_components_need_texts_and_a_possible_number():
    with pytest.raises(InputError, match="'text', got image"):
        text_components({"image": embeddings()["image"]}, components=2)
    for components in (0, 13):
        with pytest.raises(InputError, match=f"components={components}: it must lie in 1 to 12"):
            text_components(embeddings(), components=components)
