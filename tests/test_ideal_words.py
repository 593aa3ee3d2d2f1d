"""Ideal words: embeddings that are sums over words fall into those words again, and what a gap does to what they compose."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from torch.nn.functional import normalize, one_hot

from data_gen import MAD, InputError, captions
from data_gen.seeds import generator
from synthgap.metrics import recall_at_1
from synthgap.metrics.ideal_words import ideal_words, prototypes, published_prototypes, recall_of_copies


def design(sizes, d: int, seed: int = 0, copies: int = 1):
    """Every combination of values `copies` times in random order: sums of a centre and a vector a word (of mean zero
    within a factor), their tokens in random order and padded, and groups."""
    g = torch.Generator().manual_seed(seed)
    codes = torch.tensor(list(product(*map(range, sizes)))).repeat(copies, 1)
    codes = codes[torch.randperm(len(codes), generator=g)]
    groups = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    groups = torch.cat([torch.tensor([-1]), groups])
    tokens = codes + 1 + torch.tensor([0, *np.cumsum(sizes)[:-1]])
    order = torch.rand(tokens.shape, generator=g).argsort(1)
    tokens = torch.nn.functional.pad(tokens.gather(1, order), (0, 2))
    centre, words = torch.randn(d, generator=g).double(), torch.randn(len(groups), d, generator=g).double()
    words[0] = 0
    for f in range(len(sizes)):
        words[groups == f] -= words[groups == f].mean(0)
    return centre + words[tokens].sum(1), tokens, groups, centre, words


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 6), st.integers(1, 2), st.integers(0, 99))
def test_what_is_a_sum_over_words_is_taken_apart_and_put_together_exactly(sizes, d, copies, seed):
    x, tokens, groups, centre, words = design(sizes, d, seed, copies)
    found_centre, found = ideal_words(x, tokens, groups)
    torch.testing.assert_close(found_centre, centre)
    torch.testing.assert_close(found, words)
    torch.testing.assert_close(prototypes(found_centre, found, tokens), normalize(x, dim=1))
    torch.testing.assert_close(published_prototypes(found_centre, found, tokens, torch.zeros(d)), x)


def test_on_every_combination_they_are_the_best_sums_of_words():
    """Trager et al.: of whatever embeddings, the decomposition is the nearest that is a sum over words (least squares)."""
    _, tokens, groups, _, _ = design((4, 3, 2), 5)
    x = normalize(torch.randn(24, 5, generator=torch.Generator().manual_seed(1)).double(), dim=1)
    naming = one_hot(tokens, len(groups)).sum(1)[:, 1:].numpy()
    nearest = LinearRegression().fit(naming, x.numpy()).predict(naming)
    composed = published_prototypes(*ideal_words(x, tokens, groups), tokens, torch.zeros(5))
    assert composed.numpy() == pytest.approx(nearest, abs=1e-9)


@pytest.mark.parametrize("queries", [1, 150, 300])
def test_recall_among_copies_is_that_among_all_candidates(queries):
    """Also where two groups' candidates are equal, so that a right one is the nearest by chance."""
    g = torch.Generator().manual_seed(0)
    groups = torch.randint(0, 40, (300,), generator=g)
    y = normalize(torch.randn(37, 8, generator=g), dim=1)[groups.clamp(max=36)]
    x = normalize(y[:queries] + 0.3 * torch.randn(queries, 8, generator=g), dim=1)
    found = recall_of_copies(x, y, groups)
    assert found == pytest.approx(recall_at_1(x, y, [groups])[0], abs=1e-6) and (queries == 1 or 0 < found < 1)


@pytest.mark.parametrize(("n", "attributes"), [(300, 0), (300, 2), (12, 2)])
def test_against_an_explicit_loop_on_captions_that_leave_words_out(n, attributes):
    codes = MAD.sample(n, generator(0))
    tokens = captions.write(MAD, captions.attributes(MAD, "digit", attributes), codes, generator(0, "captions"))
    x = normalize(torch.randn(n, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    groups = [-1] + [f for f, size in enumerate(MAD.sizes) for _ in range(size)]
    centre, words = ideal_words(x, torch.from_numpy(tokens), torch.tensor(groups))
    torch.testing.assert_close(centre, x.mean(0))
    assert words.shape == (1 + len(MAD.words), 6) and words.dtype == x.dtype
    for w, row in enumerate(words):
        naming = [x[i] for i in range(n) if w in tokens[i]]
        of_factor = [x[i] for i in range(n) if any(groups[t] == groups[w] for t in tokens[i])]
        if w == 0 or not naming:
            assert (row == 0).all()
        else:
            torch.testing.assert_close(row, torch.stack(naming).mean(0) - torch.stack(of_factor).mean(0))
    known = (words != 0).any(1)
    assert known[11:].any() == (attributes > 0) and known[1:11].all() == (n == 300)


def test_a_word_said_twice_is_said():
    x, tokens, groups, _, _ = design((3, 2), 4)
    twice = torch.cat([tokens, tokens[:, :1]], dim=1)
    for once, again in zip(ideal_words(x, tokens, groups), ideal_words(x, twice, groups), strict=True):
        torch.testing.assert_close(again, once)
    centre, words = ideal_words(x, tokens, groups)
    torch.testing.assert_close(prototypes(centre, words, twice), prototypes(centre, words, tokens))


def test_padding_says_nothing_whatever_group_it_is_given():
    _, tokens, groups, _, _ = design((3, 2), 4)
    tokens[:2, tokens[0].argmax()] = 0  # so that not every caption names both factors
    x, other = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), groups.clone()
    other[0] = 1
    for words in (ideal_words(x, tokens, groups)[1], ideal_words(x, tokens, other)[1]):
        torch.testing.assert_close(words, ideal_words(x, tokens[:, tokens.any(0)], groups)[1])
        assert (words[0] == 0).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 100))
def test_a_gap_never_changes_which_published_prototype_is_nearest(seed, size):
    g = torch.Generator().manual_seed(seed)
    x, tokens, groups, _, _ = design((4, 3), 6, seed)
    z, gap = normalize(torch.randn(40, 6, generator=g).double(), dim=1), size * torch.randn(6, generator=g).double()
    centre, words = ideal_words(x, tokens, groups)
    alone = torch.arange(1, 8)[:, None]
    before, after = (z @ published_prototypes(centre, words, alone, shift).T for shift in (0 * gap, gap))
    assert (before.argmax(1) == after.argmax(1)).all()


def test_a_gap_can_change_which_prototype_of_length_one_is_nearest():
    """Two words, composed at (3, 1) and (1, 1.2), an image along (1, 1), and a gap of (0, 2)."""
    centre, words = torch.tensor([2.0, 1.1]), torch.tensor([[0.0, 0], [1, -0.1], [-1, 0.1]])
    z, tokens = normalize(torch.tensor([[1.0, 1.0]]), dim=1), torch.tensor([[1], [2]])
    gap = torch.tensor([0.0, 2.0])
    nearest = lambda p: int((z @ p.T).argmax())  # noqa: E731
    assert nearest(prototypes(centre, words, tokens)) == 1  # at 18° and 50°, the image at 45°
    assert nearest(prototypes(centre + gap, words, tokens)) == 0  # at 45° and 73°
    assert nearest(published_prototypes(centre, words, tokens, 0 * gap)) == 0  # the longer one, whatever the gap
    assert nearest(published_prototypes(centre, words, tokens, gap)) == 0


def test_what_does_not_fit_is_refused():
    x, tokens, groups, _, _ = design((3, 2), 4)
    with pytest.raises(InputError, match="got 6 for 5"):
        ideal_words(x[:5], tokens, groups)
    with pytest.raises(InputError, match="tokens must lie in 0 to 4, got 0 to 5"):
        ideal_words(x, tokens, groups[:-1])
