"""Search and classification within one modality, against scikit-learn and explicit loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize as to_unit
from torch.nn.functional import normalize, one_hot

from data_gen import InputError
from data_gen.seeds import generator
from synthgap.metrics.intramodal import mean_average_precision, nearest_class_mean


def sphere(n: int, d: int = 8, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)), dim=1)


def at(*degrees: float) -> torch.Tensor:
    radians = torch.tensor(degrees) * torch.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


# --- mean average precision --------------------------------------------------------------------------------------


def test_precision_of_known_rankings():
    x, codes = at(0, 10, 25, 90), np.array([0, 1, 0, 1])
    # from 0°: wrong, right (1/2); 10°: wrong, wrong, right (1/3); 25°: wrong, right (1/2); 90°: wrong, right (1/2)
    assert mean_average_precision(x, codes) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4)
    assert mean_average_precision(x, np.array([0, 0, 1, 1])) == pytest.approx((1 + 1 + 1 / 3 + 1) / 4)


@pytest.mark.parametrize("other", [False, True])
def test_mean_average_precision_is_scikit_learn_s(other):
    n = 700  # more than a block of rows
    x, codes = sphere(n), generator(0, "codes").integers(0, 5, n)
    queries = normalize(x + 0.5 * sphere(n, seed=1), dim=1) if other else None
    similarity = ((queries if other else x) @ x.T).numpy()
    expected = [average_precision_score(np.delete(codes == codes[i], i), np.delete(similarity[i], i)) for i in range(n)]
    assert mean_average_precision(x, codes, queries) == pytest.approx(np.mean(expected), abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(0, 999))
def test_mean_average_precision_is_its_definition(n, seed):
    """Rows of zeros and ones, so that many are tied: they rank by number."""
    g = np.random.default_rng(seed)
    x, codes = torch.from_numpy(g.integers(0, 2, (n, 3))).float(), g.integers(0, 4, n)
    found = []
    for i in range(n):
        order = sorted((j for j in range(n) if j != i), key=lambda j, i=i: (-float(x[i] @ x[j]), j))
        right = [codes[j] == codes[i] for j in order]
        if any(right):
            found.append(np.mean([np.mean(right[: k + 1]) for k in range(n - 1) if right[k]]))
    expected = np.mean(found) if found else np.nan
    assert mean_average_precision(x, codes) == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_queries_without_a_right_answer_do_not_count():
    x = at(0, 10, 90)
    assert mean_average_precision(x, np.array([0, 0, 1])) == 1
    assert np.isnan(mean_average_precision(x, np.array([0, 1, 2])))


def test_queries_without_a_right_answer_count_as_0_in_the_published_evaluation():
    x = at(0, 10, 90)
    assert mean_average_precision(x, np.array([0, 0, 1]), alone=0) == pytest.approx(2 / 3)
    assert mean_average_precision(x, np.array([0, 1, 2]), alone=0) == 0
    of_both = mean_average_precision(x, np.array([[0, 0], [0, 1], [1, 2]]), alone=0)
    assert of_both == pytest.approx([2 / 3, 0])


def test_several_factors_are_one_sort_of_the_same_numbers():
    x, codes = sphere(600), generator(0, "codes").integers(0, [2, 3, 600], (600, 3))
    each = mean_average_precision(x, torch.from_numpy(codes))
    assert each == [mean_average_precision(x, codes[:, f]) for f in range(3)]
    assert isinstance(each[0], float) and len(mean_average_precision(x, codes[:, :1])) == 1


def test_classes_apart_are_found_and_what_is_not_there_is_guessed():
    codes = generator(0, "codes").integers(0, 4, (1000, 2))
    x = normalize(one_hot(torch.from_numpy(codes[:, 0]), 8) + 0.1 * sphere(1000), dim=1)
    there, guessed = mean_average_precision(x, codes)
    assert there == 1 and guessed == pytest.approx(0.25, abs=0.02)


def test_gallery_codes_and_queries_are_of_the_same_rows():
    with pytest.raises(InputError, match="got 5, 4 and 5"):
        mean_average_precision(sphere(5), np.zeros(4, int))
    with pytest.raises(InputError, match="got 5, 5 and 6"):
        mean_average_precision(sphere(5), np.zeros(5, int), sphere(6))


# --- nearest class mean ------------------------------------------------------------------------------------------


def test_nearest_class_mean_by_angle():
    # means at 10° and 90°; a class that is first met in the tested rows is never predicted
    x, codes = at(0, 20, 90, 30, 60, 80, 200), np.array([5, 5, 2, 5, 5, 2, 7])
    assert nearest_class_mean(x, codes, 3) == pytest.approx(2 / 4)


def test_nearest_class_mean_is_scikit_learn_s():
    codes = generator(0, "codes").integers(0, 6, 900)
    x = normalize(one_hot(torch.from_numpy(codes), 8) + 1.5 * sphere(900), dim=1)
    known, asked = x[:500].double().numpy(), x[500:].double().numpy()
    means = to_unit(np.stack([known[codes[:500] == c].mean(0) for c in range(6)]))
    oracle = KNeighborsClassifier(1).fit(means, range(6))  # on the sphere the nearest by cosine is the nearest
    accuracy = nearest_class_mean(x, codes, 500)
    assert 0.4 < accuracy < 0.95 and accuracy == pytest.approx(oracle.score(asked, codes[500:]))
    assert nearest_class_mean(x, torch.from_numpy(codes), 500) == accuracy


def test_both_parts_need_rows():
    for fitted in (0, 5, -1):
        with pytest.raises(InputError, match=f"fitted={fitted}: of 5 rows, 1 to 4"):
            nearest_class_mean(sphere(5), np.zeros(5, int), fitted)
