"""What is computed in tiles is what the plain computation over all pairs gives, ties and the edges of tiles included."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from synthgap import metrics
from synthgap.metrics import embedded, intramodal, retrieval, tiles


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "ROWS", 16)
    monkeypatch.setattr(tiles, "COLUMNS", 64)


def unit(n: int, seed: int, repeated: int = 1, d: int = 8) -> torch.Tensor:
    """Rows of length 1, each there so many times, in random order."""
    some = torch.Generator().manual_seed(seed)
    x = normalize(torch.randn(-(-n // repeated), d, generator=some), dim=1).repeat(repeated, 1)[:n]
    return x[torch.randperm(n, generator=some)]


def plain_ranks(x: torch.Tensor, y: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    similarity, right = x @ y.T, groups[: len(x), None] == groups
    best = similarity.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
    tied = similarity == best
    return torch.stack([(similarity > best).sum(1), tied.sum(1), (tied & right).sum(1)])


@pytest.mark.parametrize(("queries", "n"), [(5, 5), (33, 33), (128, 128), (150, 150), (20, 150)])
def test_ranks_are_those_of_the_whole_matrix_with_ties(queries, n):
    x, y = (torch.randint(-2, 3, (rows, 8)).float() for rows in (queries, n))  # whole numbers: no sum is rounded
    for groups in (torch.arange(n), torch.arange(n) % 4, torch.randint(0, 40, (n,)), torch.zeros(n, dtype=torch.int64)):
        assert torch.equal(torch.stack(list(metrics.ranks(x, y, groups))), plain_ranks(x, y, groups))
    assert torch.equal(torch.stack(list(metrics.ranks(x, y))), plain_ranks(x, y, torch.arange(n)))


@pytest.mark.parametrize("n", [33, 66, 129, 195])
def test_equal_candidates_tie_in_whichever_tile_they_stand(n):
    found = metrics.ranks(unit(n, 0), unit(n, 1, repeated=3))
    assert found.tied.unique().tolist() == [3]


@pytest.mark.parametrize("scale", [0.0, 1.0, 14.0, 100.0])
def test_entropy_is_that_of_the_whole_softmax(scale):
    x, y = unit(50, 2), unit(150, 3, repeated=2)
    log_p = torch.log_softmax(scale * x.double() @ y.double().T, dim=1)
    plain = -float((log_p.exp() * log_p).sum(1).mean())
    assert metrics.logit_entropy(x, y, scale) == pytest.approx(plain, abs=5e-6)
    assert metrics.logit_entropy(x.double(), y.double(), scale) == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("n", [2, 16, 64, 65, 150])
def test_uniformity_counts_each_pair_twice_and_no_row_with_itself(n):
    x = unit(n, 4).double()
    near = (-2 * torch.cdist(x, x).square()).exp()
    plain = math.log(float(near.sum() - near.trace()) / (n * (n - 1)))
    assert metrics.uniformity(x.float()) == pytest.approx(plain, abs=5e-6)


@pytest.mark.parametrize("seed", range(5))
def test_numbers_sorted_by_their_halves_are_as_after_a_stable_sort(seed):
    some = np.random.default_rng(seed)
    special = [0.0, -0.0, np.inf, -np.inf, 1e-42, -1e-42, 1.0, np.nextafter(np.float32(1), np.float32(2))]
    x = np.concatenate([some.standard_normal(500), some.integers(-3, 4, 500) / 2, special]).astype(np.float32)
    x = some.permutation(np.concatenate([x, x[:300]]))
    assert intramodal._falling(x).tolist() == np.argsort(-x, kind="stable").tolist()


@pytest.mark.parametrize("factors", [1, 6, 19])
def test_precisions_on_a_cpu_are_those_of_a_stable_sort(factors):
    x = (
        torch.randn(300, 4, generator=torch.Generator().manual_seed(0)) * 2
    ).round() / 2  # exact ties, zeros of both signs
    codes, asking = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (300, factors))), torch.arange(300)
    codes[:, -1] = torch.arange(300)
    similarity = x @ x.T
    similarity[asking, asking] = -torch.inf
    expected = intramodal.precisions(similarity, codes, asking)
    found = metrics.mean_average_precision(x, codes)
    assert found == pytest.approx(expected.nanmean(0).tolist(), rel=1e-6, nan_ok=True) and np.isnan(found[-1])
    assert metrics.mean_average_precision(x.double(), codes) == pytest.approx(found, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("m", [150, 2500])
def test_recall_of_several_groupings_from_one_pass_is_that_of_each(m):
    """More candidates than a tile has columns, and equal ones, so that the nearest are often tied."""
    y = unit(40, 4)[torch.arange(m) % 37]
    y[::3] = unit(len(y[::3]), 5)
    x = y[:150] + 0.0
    groupings = [torch.arange(m) % 37, None, torch.arange(m) // 50, torch.arange(m) % 10]
    found = metrics.recall_at_1(x, y, groupings)
    assert found == [metrics.recall_at_k(x, y, 1, groups) for groups in groupings]
    assert 0 < found[1] < found[0] == 1 and found[1] < found[2] < 1, "equal rows are of one group of the first alone"


@pytest.mark.parametrize("n", [40, 150])
def test_entropy_and_recall_from_one_pass_are_those_of_each(n):
    x, y = unit(40, 7), unit(n, 8, repeated=2)
    groupings = [torch.arange(n) % 7, None]
    found = retrieval.entropy_and_recall(x, y, 20.0, groupings)
    assert found == (metrics.logit_entropy(x, y, 20.0), metrics.recall_at_1(x, y, groupings))
    assert math.isnan(retrieval.entropy_and_recall(x, y, None, groupings)[0])


def test_of_many_samples_the_first_ask_all(monkeypatch):
    monkeypatch.setattr(embedded, "MOST", 40)
    z = {"image": unit(100, 5), "text": unit(100, 6)}
    known = {"caption": torch.arange(100) % 30, "object": torch.arange(100) % 3}
    seen = embedded.Embedded(z, np.arange(100)[:, None] % 3, world=None, known=known, scale=5.0)
    found = retrieval._found(seen, "image", "text")
    assert found["entropy"] == metrics.logit_entropy(z["image"][:40], z["text"], 5.0)
    for name, groups in (("caption", known["caption"]), ("object", known["object"]), ("instance", torch.arange(100))):
        expected = retrieval.Ranks(*plain_ranks(z["image"][:40], z["text"], groups))
        assert found[name] == metrics.recall(expected), name
    assert len(seen.some.z["text"]) == len(seen.some.codes) == len(seen.some.known["object"]) == 40
