"""What can be done to embeddings afterwards, on vectors at known places."""

from itertools import combinations

import pytest
import torch
from conftest import POSTHOC
from torch.nn.functional import normalize

from synthgap.posthoc import centring, translation


def embeddings(n=400, seed=0, gap=0.6):
    """Three modalities around three poles of one sphere."""
    g = torch.Generator().manual_seed(seed)
    poles = gap * torch.eye(16)[:3]
    return {
        name: normalize(torch.randn(n, 16, generator=g) / 4 + pole, dim=1)
        for name, pole in zip(("image", "audio", "text"), poles, strict=True)
    }


def mapped(method, z, **settings):
    return {name: change(z[name]) for name, change in method(z, **settings).items()}


def mean_gap(z):
    return torch.stack([(x.mean(0) - y.mean(0)).norm() for x, y in combinations(z.values(), 2)]).mean().item()


@pytest.mark.parametrize("name", POSTHOC)
def test_what_comes_out_has_unit_norm_and_the_same_modalities(name):
    heads = {modality: torch.randn(16, 20, generator=torch.Generator().manual_seed(1)) for modality in embeddings()}
    given = {
        "translation": {"gap": 0.5},
        "ablation": {"dimensions": 3},
        "text_components": {"components": 5},
        "isoclip": {"heads": heads, "top": 1, "bottom": 1},
    }
    settings = given.get(name, {})
    z = embeddings()
    after = mapped(POSTHOC[name], z, **settings)
    assert list(after) == list(z)
    for x in after.values():
        torch.testing.assert_close(x.norm(dim=1), torch.ones(len(x)))


def test_translation_against_an_explicit_loop():
    z, gap = embeddings(n=20), 0.9
    means = {name: sum(rows) / len(rows) for name, rows in z.items()}
    centre = sum(means.values()) / 3
    now = sum((x - y).norm() for x, y in combinations(means.values(), 2)) / 3
    for name, rows in mapped(translation, z, gap=gap).items():
        for i in range(20):
            moved = z[name][i] - means[name] + centre + gap / now * (means[name] - centre)
            torch.testing.assert_close(rows[i], moved / moved.norm())


def test_translation_closes_and_opens_the_gap():
    z = embeddings()
    gaps = [mean_gap(mapped(translation, z, gap=gap)) for gap in (0.0, 0.3, 0.6, 1.2, 4.0)]
    assert gaps == sorted(gaps) and gaps[0] < 0.1 and gaps[-1] > 1.2


def test_a_gap_of_its_own_size_changes_nothing():
    z = embeddings()
    after = mapped(translation, z, gap=mean_gap(z))
    for name in z:
        torch.testing.assert_close(after[name], z[name], atol=1e-6, rtol=0)


def test_without_a_gap_there_is_no_line_to_move_along():
    z = dict.fromkeys(("image", "text"), embeddings()["image"])
    assert all((x == normalize(z["image"], dim=1)).all() for x in mapped(translation, z, gap=1.0).values())


def test_centring_takes_the_mean_off():
    z = embeddings()
    after = mapped(centring, z)
    for name, x in z.items():
        off = x - x.mean(0)
        torch.testing.assert_close(after[name], off / off.norm(dim=1, keepdim=True))
    assert mean_gap(after) < 0.1 < mean_gap(z)


def test_maps_are_fitted_once_and_move_other_rows_alike():
    z = embeddings()
    maps = translation(z, gap=0.0)
    torch.testing.assert_close(maps["text"](z["text"][:3]), maps["text"](z["text"])[:3])
