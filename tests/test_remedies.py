"""Remedies of other papers: shared space projection, gap projection, ReAlign, the spectral embedding, batch norm."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.posthoc import Maps, gap_projection, realign, rotation, spectral, ssp, standardise
from synthgap.posthoc.ssp import shared_space
from synthgap.posthoc.whitening import leading

DIMENSIONS = 12
#: each method with settings at which it has something to do on `embeddings`
METHODS = {
    ssp: {"energy": 0.9, "tolerance": 0.1},
    gap_projection: {"energy": 0.8},
    realign: {},
    spectral: {"components": 4},
    standardise: {},
}


def embeddings(n: int = 60, modalities=("image", "text"), seed: int = 0) -> dict[str, torch.Tensor]:
    """Pairs with noise of their own around poles of their own; some directions vary more than others."""
    g = torch.Generator().manual_seed(seed)
    spread = torch.linspace(0.1, 1, DIMENSIONS).double()
    common = torch.randn(n, DIMENSIONS, generator=g, dtype=torch.float64) * spread
    return {
        name: normalize(common + 0.3 * spread * torch.randn(n, DIMENSIONS, generator=g) + pole, dim=1)
        for name, pole in zip(modalities, 0.8 * torch.eye(DIMENSIONS), strict=False)
    }


def cones(*heights: tuple[float, ...]) -> dict[str, torch.Tensor]:
    """The same things seen twice: ± four axes, raised by the heights along axes of their own. Pairs differ by a constant but
    for their spread around it."""
    around = torch.cat([torch.eye(4), -torch.eye(4)]).double()
    high = torch.tensor(heights).double()
    return {
        name: torch.cat([around * (1 - h.square().sum()).sqrt(), h.expand(len(around), -1)], dim=1)
        for name, h in zip(("image", "text"), high, strict=True)
    }


def mapped(maps: Maps, z: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: change(z[name]) for name, change in maps.items()}


def cosines(z: dict[str, torch.Tensor]) -> np.ndarray:
    rows = torch.cat(list(z.values()))
    return (rows @ rows.T).numpy()


def gap(z: dict[str, torch.Tensor]) -> float:
    return float((z["image"].mean(0) - z["text"].mean(0)).norm())


@pytest.mark.parametrize("method", [m for m in METHODS if m is not standardise])
def test_axes_do_not_count(method):
    z = embeddings()
    turned = mapped(rotation(z, seed=5), z)
    before, after = (mapped(method(x, **METHODS[method]), x) for x in (z, turned))
    assert cosines(after) == pytest.approx(cosines(before), abs=1e-8)
    assert np.abs(cosines(before) - cosines(z)).max() > 0.05, "it did something"


@pytest.mark.parametrize("method", METHODS)
def test_maps_take_other_rows_and_know_no_order(method):
    z = embeddings()
    maps = method(z, **METHODS[method])
    shuffled = method({name: x.flip(0) for name, x in z.items()}, **METHODS[method])
    assert list(maps) == list(z)
    for name, x in z.items():
        assert maps[name](x[:3]).numpy() == pytest.approx(maps[name](x)[:3].numpy(), abs=1e-12)
        assert (maps[name](x).norm(dim=1) - 1).abs().max() < 1e-9
        assert maps[name](x.float()).dtype == torch.float32
    assert cosines(mapped(shuffled, z)) == pytest.approx(cosines(mapped(maps, z)), abs=1e-8)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 0.81, 1.0])
def test_the_leading_ones_are_the_fewest_that_hold_a_share(share):
    sizes = torch.tensor([5.0, 3.0, 2.0, 0.0]).double()
    assert leading(sizes, share) == {0.0: 0, 0.5: 1, 0.8: 2, 0.81: 3, 1.0: 3}[share]


# --- shared space projection -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("energy", "tolerance"), [(0.9, 0.1), (0.95, 0.02), (1.0, 1e-3)])
def test_the_shared_space_is_that_of_two_svds_and_a_third(energy, tolerance):
    z = embeddings()
    bases = []
    for x in z.values():
        _, s, vt = np.linalg.svd(x.numpy(), full_matrices=False)
        n = next(i for i in range(1, len(s) + 1) if (s[:i] ** 2).sum() >= energy * (s**2).sum() - 1e-12)
        bases.append(vt[:n].T)
    u, sigma, _ = np.linalg.svd(bases[0].T @ bases[1])
    s = bases[0] @ u[:, : len(sigma)][:, sigma > 1 - tolerance]
    assert s.shape[1] > 0 and shared_space(z, energy, tolerance).shape == s.shape
    for name, rows in mapped(ssp(z, energy=energy, tolerance=tolerance), z).items():
        expected = z[name].numpy() @ s @ s.T
        assert rows.numpy() == pytest.approx(expected / np.linalg.norm(expected, axis=1, keepdims=True))


def test_of_the_shared_directions_those_of_most_variance_are_kept():
    z = cones((0.6, 0.0), (0.0, 0.6))
    z = {name: normalize(x * torch.tensor([3, 2, 1, 1, 1, 1]), dim=1) for name, x in z.items()}
    (rows,) = {tuple(x.abs().sum(0).round(decimals=6).tolist()) for x in mapped(ssp(z, kept=2), z).values()}
    assert rows == (2, 2, 0, 0, 0, 0)


def test_poles_of_their_own_are_not_shared_but_opposite_ones_are():
    apart, opposite = cones((0.6, 0.0), (0.0, 0.6)), cones((0.6,), (-0.6,))
    assert gap(apart) > 0.8 and gap(mapped(ssp(apart), apart)) == pytest.approx(0)
    assert gap(mapped(ssp(opposite), opposite)) == pytest.approx(gap(opposite)), "one line holds both means"
    after = mapped(ssp(opposite, centred=True), opposite)
    assert after["image"].numpy() == pytest.approx(after["text"].numpy()), "where nothing varies along it"


def test_a_third_modality_has_to_share_too():
    axes = torch.eye(4).double()
    z = {"image": axes[:3], "text": axes[:2], "sound": axes[1:]}
    assert shared_space(z, 1.0, 1e-3).abs().numpy() == pytest.approx(axes[:, 1:2].numpy())


def test_nothing_shared_is_told():
    with pytest.raises(InputError) as error:
        ssp({"image": torch.eye(4)[:2], "text": torch.eye(4)[2:]})
    assert str(error.value) == (
        "ssp: image and text share no direction at posthoc.energy=0.99 and posthoc.tolerance=0.001; the largest cosine of "
        "two subspaces is 0.0000: raise one of them"
    )


# --- gap projection --------------------------------------------------------------------------------------------------


def test_gap_projection_is_written_out():
    z = embeddings(modalities=("image", "text", "sound"))
    x, y = z["image"].numpy(), z["text"].numpy()
    _, s, vt = np.linalg.svd(y - y.mean(0))
    v = vt[: next(i for i in range(1, 13) if (s[:i] ** 2).sum() >= 0.8 * (s**2).sum())].T
    g = (x.mean(0) + z["sound"].numpy().mean(0)) / 2 - y.mean(0)
    moved = y + 0.7 * (g - v @ v.T @ g)
    after = mapped(gap_projection(z, alpha=0.7, energy=0.8), z)
    assert after["text"].numpy() == pytest.approx(moved / np.linalg.norm(moved, axis=1, keepdims=True))
    assert (after["image"] == z["image"]).all() and (after["sound"] == z["sound"]).all()


def test_across_the_gap_the_order_of_what_is_retrieved_stays_and_the_gap_falls():
    z = cones((0.6, 0.3), (-0.6, 0.3))
    z["image"] = normalize(z["image"] + 0.1 * torch.randn(8, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    after = mapped(gap_projection(z), z)
    assert gap(after) < gap(z) / 3
    assert ((z["image"] @ z["text"].T).argsort(1) == (after["image"] @ after["text"].T).argsort(1)).all()


def test_along_what_varies_nothing_moves_and_without_axes_it_is_a_translation():
    z = embeddings()
    assert mapped(gap_projection(z, energy=1.0), z)["text"].numpy() == pytest.approx(z["text"].numpy())
    whole = normalize(z["text"] + z["image"].mean(0) - z["text"].mean(0), dim=1)
    assert mapped(gap_projection(z, energy=0.0), z)["text"].numpy() == pytest.approx(whole.numpy())


# --- ReAlign -----------------------------------------------------------------------------------------------------------


def test_realign_is_written_out():
    z = embeddings()
    x, y = z["image"].numpy(), z["text"].numpy()
    scale = np.sqrt(np.trace(np.cov(x.T, ddof=0)) / np.trace(np.cov(y.T, ddof=0)))
    first = x.mean(0) + scale * (y - y.mean(0))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = first - first.mean(0) + x.mean(0)
    after = mapped(realign(z), z)
    assert after["text"].numpy() == pytest.approx(second / np.linalg.norm(second, axis=1, keepdims=True))
    assert (after["image"] == z["image"]).all()


@pytest.mark.parametrize("onto", ["image", "text"])
def test_what_is_the_other_shifted_and_shrunk_comes_to_lie_on_it(onto):
    z = cones((0.6,), (-0.9,))
    after = mapped(realign(z, onto=onto), z)
    assert after["image"].numpy() == pytest.approx(after["text"].numpy()) and gap(z) > 1


def test_what_does_not_vary_is_put_on_the_mean():
    z = {"image": embeddings()["image"], "text": torch.eye(DIMENSIONS).double()[:1].expand(60, -1)}
    after, mean = mapped(realign(z), z), z["image"].mean(0)
    assert after["text"][0].numpy() == pytest.approx((mean / mean.norm()).numpy())


# --- the spectral embedding --------------------------------------------------------------------------------------------


def dense(z: dict[str, torch.Tensor], offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of D⁻¹A, falling, and its eigenvectors [nodes, …], of length 1 in the degrees' norm."""
    of = np.repeat(range(len(z)), [len(x) for x in z.values()])
    a = np.where(of[:, None] != of, cosines(z) + offset, 0)
    values, vectors = np.linalg.eig(a / a.sum(1, keepdims=True))
    order = np.argsort(-values.real)
    vectors = vectors.real[:, order]
    return values.real[order], vectors / np.sqrt(a.sum(1) @ vectors**2)


@pytest.mark.parametrize("modalities", [("image", "text"), ("image", "text", "sound")])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_the_spectral_embedding_is_that_of_the_whole_graph(modalities, offset):
    z = embeddings(n=15, modalities=modalities)
    if offset == 0:  # all on one side of the sphere, so that degrees are above 0
        z = {name: normalize(x + torch.ones(DIMENSIONS), dim=1) for name, x in z.items()}
    values, vectors = dense(z, offset)
    assert values[0] == pytest.approx(1) and np.ptp(vectors[:, 0]) < 1e-9, "the constant one, which is left out"
    expected = vectors[:, 1:4] / np.linalg.norm(vectors[:, 1:4], axis=1, keepdims=True)
    after = mapped(spectral(z, components=3, offset=offset), z)
    assert cosines(after) == pytest.approx(expected @ expected.T, abs=1e-6)


def test_a_new_node_lies_where_its_neighbours_send_it():
    z, new = embeddings(n=15), embeddings(n=4, seed=1)["image"]
    (values, vectors), x, y = dense(z, 1.0), z["image"].numpy(), z["text"].numpy()
    w = new.numpy() @ y.T + 1
    both = np.concatenate([vectors[:15, 1:4], w @ vectors[15:, 1:4] / (values[1:4] * w.sum(1, keepdims=True))])
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    change = spectral(z, components=3)["image"]
    assert cosines({"old": change(z["image"]), "new": change(new)}) == pytest.approx(both @ both.T, abs=1e-6)
    assert len(x) == 15


def test_two_things_are_two_points_and_cones_lie_on_one_another():
    z = {name: torch.tensor([[1.0, 0], [-1, 0]]) for name in ("image", "text")}
    after = mapped(spectral(z, components=2), z)
    assert after["image"].shape == (2, 1), "no more dimensions than eigenvalues above 0"
    assert after["image"].tolist() == after["text"].tolist() and after["image"][0] == -after["image"][1]
    for apart in (cones((0.6,), (-0.6,)), cones((0.6, 0.0), (0.0, 0.6))):
        after = mapped(spectral(apart, components=4), apart)
        assert gap(apart) > 0.8 and after["image"].numpy() == pytest.approx(after["text"].numpy(), abs=1e-9)


def test_a_graph_without_edges_or_structure_is_told():
    for z, settings, told in (
        (cones((0.6,), (-0.6,)), {"offset": 0.0}, "8 of 8 image embeddings have a degree of 0 or less"),
        ({"image": torch.eye(3), "text": torch.eye(3)[:1]}, {}, "image and text have nothing in common that varies"),
        ({"image": torch.eye(3)}, {}, "spectral joins modalities, got image alone"),
    ):
        with pytest.raises(InputError, match=told):
            spectral(z, **settings)


# --- batch norm --------------------------------------------------------------------------------------------------------


def test_standardise_is_a_batch_norm_that_was_never_trained():
    z = embeddings()
    for name, rows in mapped(standardise(z), z).items():
        norm = torch.nn.BatchNorm1d(DIMENSIONS, dtype=torch.float64)
        assert rows.numpy() == pytest.approx(normalize(norm(z[name]), dim=1).detach().numpy())


def test_standardise_depends_on_the_axes_and_drops_idle_ones():
    z = embeddings()
    turned = mapped(rotation(z, seed=5), z)
    before, after = (mapped(standardise(x), x) for x in (z, turned))
    assert np.abs(cosines(before) - cosines(after)).max() > 0.1
    idle = {"image": torch.eye(3)[:2] + 1e-8 * torch.ones(2, 3)}
    assert mapped(standardise(idle), idle)["image"][:, 2].tolist() == [0, 0]


@pytest.mark.parametrize(("method", "option"), [(gap_projection, "moved"), (realign, "onto")])
def test_a_modality_that_is_not_there_is_told(method, option):
    with pytest.raises(InputError, match=f"unknown modality in posthoc.{option} 'txt'; did you mean 'text'"):
        method(embeddings(), **{option: "txt"})
