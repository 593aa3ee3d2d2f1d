"""`synthgap measure`: every format, every mistake, and the very numbers of synthgap.metrics."""

import io
import os
import signal
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize

from data_gen import InputError
from data_gen.seeds import generator
from synthgap import cli, metrics
from synthgap.measure import figure, labels, legend, matrices, measures
from synthgap.metrics import dimensions
from synthgap.posthoc.ablation import ablation
from synthgap.posthoc.translation import centring, translation

N, D = 60, 6
WRITTEN = {f"{name}.csv" for name in ("metrics", "ablation", "dimensions", "spectrum", "points")} | {"measure.png"}


def pairs(n=N, d=D):
    """Two modalities apart along dimension 1 and 4, paired, with a class and a colour in both; unit-norm."""
    g = torch.Generator().manual_seed(0)
    codes = torch.stack([torch.arange(n) % 3, torch.arange(n) // 3 % 2], dim=1)
    core = torch.eye(d)[codes[:, 0]] + 0.5 * torch.eye(d)[3 + codes[:, 1]] + 0.2 * torch.randn(n, d, generator=g)
    apart = torch.eye(d)[1] + 0.5 * torch.eye(d)[4]
    x, y = (normalize(core + s * apart + 0.1 * torch.randn(n, d, generator=g), dim=1) for s in (0.6, -0.6))
    return x, y, codes.numpy()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to be in, with image.npy, text.npy and labels.csv."""
    monkeypatch.chdir(tmp_path)
    x, y, codes = pairs()
    np.save("image.npy", x.numpy())
    np.save("text.npy", y.numpy())
    pd.DataFrame({"class": [f"c{c}" for c in codes[:, 0]], "colour": np.array(["red", "blue"])[codes[:, 1]]}).to_csv(
        "labels.csv", index=False
    )
    return tmp_path


@pytest.fixture
def undrawn(here, monkeypatch):
    """The same, where the figure is not the point: it takes most of the time."""
    monkeypatch.setattr(figure, "draw", lambda tables, path, title: path.touch())
    return here


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """metrics.csv of image.npy and text.npy."""
    folder = tmp_path_factory.mktemp("plain")
    for name, x in zip(("image.npy", "text.npy"), pairs(), strict=False):
        np.save(folder / name, x.numpy())
    assert cli.main(["measure", f"{folder}/image.npy", f"{folder}/text.npy", "--out", f"{folder}/out"]) == 0
    return (folder / "out" / "metrics.csv").read_bytes()


def numbers(folder="measured"):
    return pd.read_csv(f"{folder}/metrics.csv").set_index(["metric", "of"])


# --- numbers -----------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_synthgap_s_own_metrics(undrawn):
    asked = ["--labels", "labels.csv", "--sample", "40", "--scale", "20", "--seed", "3", "--object", "colour"]
    assert cli.main(["measure", "image.npy", "text.npy", *asked]) == 0
    x, y, codes = pairs()
    codes[:, 1] = 1 - codes[:, 1]  # values in alphabetical order: blue, red
    found, sample = numbers(), torch.from_numpy(generator(3, "measure").permutation(N)[:40])
    z, few = {"image": x, "text": y}, {"image": x[sample], "text": y[sample]}
    space, *_ = labels.read_labels("labels.csv", N)
    expected = {(gap.__name__, "image-text"): gap(x, y) for gap in (metrics.rmg, metrics.l2m, metrics.l2i)}
    expected[("alignment", "image-text")] = metrics.alignment(x, y)
    for part in (
        "spread",
        "mean_cosine",
        "centroid_share",
        "distribution_gap",
        "distribution_gap_normalised",
        "frechet",
    ):
        expected[(part, "image-text")] = getattr(metrics, part)(x, y)
    expected[("effective_scale", "image-text")] = metrics.effective_scale(x, y, 20)
    expected[("principal_angle", "image-text")] = float(metrics.principal_angles(x, y)[0])
    expected[("modality_auc", "image-text")] = metrics.modality_auc(few["image"], few["text"])
    whole = {metric for metric, _ in expected} - {"modality_auc"}
    for k in (1, 2, 4):
        expected[(f"gap_share@{k}", "image-text")] = dimensions.gap_share(x, y, k)
    means, differences = dimensions.largest_means(x, y), dimensions.largest_differences(x, y)
    assert differences == (1, 4)
    expected[("separability_means", "image-text")] = dimensions.separability(x, y, means)
    expected[("separability_differences", "image-text")] = dimensions.separability(x, y, differences)
    for name in z:
        expected[("effective_rank", name)] = dimensions.effective_rank(z[name])
        expected[("mean_within_cosine", name)] = metrics.mean_within_cosine(z[name])
        expected[("moad", f"{name} colour")] = metrics.moad(z[name], codes, space, "colour")
        expected[("moad_pooled", f"{name} colour")] = metrics.moad_pooled(z[name], codes, space, "colour")
        expected[("uniformity", name)] = metrics.uniformity(few[name])
    for a, b in (("image", "text"), ("text", "image")):
        expected[("entropy", f"{a}-{b}")] = metrics.logit_entropy(few[a], few[b], 20)
        expected[("recall@1_instance", f"{a}-{b}")] = metrics.recall_at_k(few[a], few[b])
        for on, kept in metrics.robustness(few[a], few[b]).items():
            expected[("robustness", f"{a}-{b} {on}")] = kept
    for method, maps in (("centring", centring(z)), ("translation", translation(z, gap=0.0))):
        moved = [maps[name](few[name]) for name in z]
        expected[("rmg", f"image-text {method}")] = metrics.rmg(*moved)
        expected[("l2m", f"image-text {method}")] = metrics.l2m(*moved)
        expected[("recall@1_instance", f"image-text {method}")] = metrics.recall_at_k(*moved)
    for f, factor in enumerate(("class", "colour")):
        of = torch.from_numpy(codes[:, f])[sample]
        expected[("knn", factor)] = metrics.knn(few, of)
        for metric, those in (("v_measure", few), ("v_measure_centred", metrics.centred(few))):
            expected[(metric, factor)] = metrics.v_measure(metrics.clusters(those, (3, 2)[f]), of)
        expected[("recall@1_class", f"text-image {factor}")] = metrics.recall_at_k(few["text"], few["image"], 1, of)
    for key, value in expected.items():
        assert found.value[key] == value, key
    everything = whole | {"effective_rank", "mean_within_cosine", "moad", "moad_pooled"}
    for (metric, of), row in found.iterrows():
        whole = metric in everything or metric.startswith(("gap_share", "separability"))
        assert row.rows_used == (N if (whole and len(of.split()) < 2) or "moad" in metric else 40), (metric, of)


def test_numbers_of_classes_against_a_slow_loop(undrawn):
    assert cli.main(["measure", "image.npy", "text.npy", "--labels", "labels.csv"]) == 0
    x, y, codes = pairs()
    found, rows = numbers(), generator(0, "measure").permutation(N)
    x, y, of = x[rows].numpy(), y[rows].numpy(), codes[rows, 0]
    means = np.stack([x[:30][of[:30] == c].mean(0) for c in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    right = [(means @ y[i]).argmax() == of[i] for i in range(30, N)]
    assert found.value["ncm", "image-text class"] == pytest.approx(np.mean(right))
    precisions = []
    for i in range(N):
        others = sorted((j for j in range(N) if j != i), key=lambda j: -float(x[i] @ x[j]))
        hits = [rank for rank, j in enumerate(others, start=1) if of[j] == of[i]]
        precisions.append(np.mean([(n + 1) / rank for n, rank in enumerate(hits)]))
    assert found.value["map", "image class"] == pytest.approx(np.mean(precisions), abs=1e-4)


def test_ablation_is_told_for_both_orders(undrawn):
    assert cli.main(["measure", "image.npy", "text.npy", "--seed", "6"]) == 0
    table = pd.read_csv("measured/ablation.csv").set_index(["order", "dimensions", "metric", "of"]).value
    x, y, _ = pairs()
    rows = torch.from_numpy(generator(6, "measure").permutation(N))
    for order in ("gap", "random"):
        for k in (0, 1, 2, 4):
            maps = ablation({"image": x, "text": y}, dimensions=k, order=order, seed=6)
            cut = [maps["image"](x[rows]), maps["text"](y[rows])]
            assert table[order, k, "rmg", "image-text"] == metrics.rmg(*cut)
            assert table[order, k, "recall@1_instance", "text-image"] == metrics.recall_at_k(cut[1], cut[0])
    assert len(table) == 2 * 4 * 4
    assert table["gap", 2, "l2m", "image-text"] < 0.5 * table["gap", 0, "l2m", "image-text"]


def test_what_the_figure_shows_is_in_tables(here):
    assert cli.main(["measure", "image.npy", "text.npy"]) == 0
    x, y, _ = pairs()
    by, spectrum, points = (pd.read_csv(f"measured/{name}.csv") for name in ("dimensions", "spectrum", "points"))
    difference = (x.double().mean(0) - y.double().mean(0)).numpy()
    assert by.dimension.tolist() == np.argsort(-np.abs(difference)).tolist()
    assert by.difference.to_numpy() == pytest.approx(difference[by.dimension], abs=1e-6)
    assert by.cumulative_share.to_numpy() == pytest.approx(
        np.cumsum(by.difference**2) / (difference**2).sum(), abs=1e-5
    )
    assert by.mean_text.to_numpy() == pytest.approx(y.mean(0).numpy()[by.dimension], abs=1e-6)
    values = np.linalg.svd(y.double().numpy() - y.double().numpy().mean(0), compute_uv=False)
    assert spectrum[spectrum.modality == "text"].singular_value.to_numpy() == pytest.approx(values)
    shown = points[(points.panel == "largest differences") & (points.modality == "image")]
    assert len(shown) == N and set(shown.x_name) == {"dimension 1"} and set(shown.y_name) == {"dimension 4"}
    assert shown.x.to_numpy() == pytest.approx(x.numpy()[shown.row, 1])
    assert set(points.panel) == {"largest means", "largest differences", "principal components"}


def test_same_input_same_files_to_the_bit_and_nothing_else_is_left(here):
    for folder in ("one", "two"):
        assert cli.main(["measure", "image.npy", "text.npy", "--labels", "labels.csv", "--out", folder]) == 0
        assert {path.name for path in (here / folder).iterdir()} == WRITTEN
    for name in WRITTEN:
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes()


def test_rows_of_other_lengths_are_brought_to_one_and_told(undrawn, capsys):
    x, _, _ = pairs()
    np.save("long.npy", x.numpy() * np.linspace(2, 12.4, N, dtype=np.float32)[:, None])
    assert cli.main(["measure", "image.npy", "text.npy", "--names", "image", "text", "--out", "unit"]) == 0
    assert "brought to length 1" not in capsys.readouterr().out
    assert cli.main(["measure", "long.npy", "text.npy", "--names", "image", "text", "--out", "long"]) == 0
    assert "image: 60 rows had lengths from 2 to 12.4; brought to length 1" in capsys.readouterr().out
    assert numbers("long").value.to_numpy() == pytest.approx(numbers("unit").value.to_numpy(), abs=1e-5, nan_ok=True)


def test_rows_as_long_as_half_precision_makes_them_are_left_alone(undrawn, capsys):
    np.save("half.npy", pairs()[0].numpy().astype(np.float16))
    assert cli.main(["measure", "half.npy", "text.npy"]) == 0
    assert "brought to length 1" not in capsys.readouterr().out


def test_embeddings_without_any_spread_or_gap_are_measured_all_the_same(here):
    first, second = np.eye(4, dtype=np.float32)[:2]
    np.save("point.npy", np.tile(first, (12, 1)))
    np.save("there.npy", np.tile(second, (12, 1)))
    assert cli.main(["measure", "point.npy", "there.npy"]) == 0
    assert np.isnan(numbers().value["effective_rank", "point"])
    np.save("one.npy", np.tile([first, second], (6, 1)))
    np.save("other.npy", np.tile([second, first], (6, 1)))
    assert cli.main(["measure", "one.npy", "other.npy"]) == 0
    found = numbers().value
    assert found["l2m", "one-other"] == 0 and np.isnan(found["gap_share@1", "one-other"])


# --- pairs that are not row by row -----------------------------------------------------------------------------


def captioned(images=20, each=5, d=6):
    """Images [20, 6], five captions of each [100, 6] in a mixed order, and the image of each caption."""
    rng = np.random.default_rng(0)
    of = rng.permutation(np.repeat(np.arange(images), each))
    x = rng.standard_normal((images, d)).astype(np.float32)
    y = x[of] + rng.standard_normal((images * each, d)).astype(np.float32)
    return *(z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y)), of


def places_of(similarity, right):
    """The place, from 1, of each query's nearest right candidate."""
    return np.array([1 + (s > s[r].max()).sum() for s, r in zip(similarity, right, strict=True)])


def test_several_captions_an_image_by_pairs_or_by_ids(undrawn, capsys):
    x, y, of = captioned()
    np.save("image.npy", x)
    np.save("captions.npy", y)
    pd.DataFrame({"image": of, "caption": np.arange(100)}).sample(frac=1, random_state=0).to_csv("p.csv", index=False)
    np.save("ids.npy", 1000 + np.arange(20))
    pd.DataFrame({"image": 1000 + of}).to_csv("ids.csv", index=False)
    assert cli.main(["measure", "image.npy", "captions.npy", "--pairs", "p.csv"]) == 0
    out = capsys.readouterr().out
    assert "image and captions: 100 pairs of 20 and 100 rows of 6 dimensions" in out
    assert "p.csv: 100 pairs of 20 of 20 rows of X and 100 of 100 of Y; its first line is names" in out
    found, similarity, right = numbers(), x @ y.T, of == np.arange(20)[:, None]
    for direction, places in (
        ("image-captions", places_of(similarity, right)),
        ("captions-image", places_of(similarity.T, right.T)),
    ):
        for k in (1, 5, 10):
            assert found.value[f"recall@{k}_instance", direction] == pytest.approx(np.mean(places <= k))
        assert found.value["median_rank", direction] == np.median(places)
        assert found.rows_used["median_rank", direction] == len(places)
    assert found.value["alignment", "image-captions"] == pytest.approx(similarity[right].mean(), abs=1e-6)
    assert found.value["l2i", "image-captions"] == pytest.approx(np.linalg.norm(x[of] - y, axis=1).mean(), abs=1e-6)
    assert found.value["l2m", "image-captions"] == pytest.approx(np.linalg.norm(x.mean(0) - y.mean(0)), abs=1e-6)
    assert found.rows_used["alignment", "image-captions"] == 100
    assert cli.main(["measure", "image.npy", "captions.npy", "--groups", "ids.npy", "ids.csv", "--out", "ids"]) == 0
    by_ids = numbers("ids")
    assert by_ids.value.to_numpy() == pytest.approx(found.value.to_numpy(), abs=1e-9, nan_ok=True)


def test_prompts_of_classes_give_the_zero_shot_accuracy(undrawn):
    x, _, codes = pairs()
    prompts = np.stack([x.numpy()[codes[:, 0] == c].mean(0) for c in range(3)])
    np.save("prompts.npy", prompts / np.linalg.norm(prompts, axis=1, keepdims=True))
    np.save("of.npy", codes[:, 0])
    np.save("classes.npy", np.arange(3))
    right = np.mean((x.numpy() @ np.load("prompts.npy").T).argmax(1) == codes[:, 0])
    for sample in ("5000", "40"):
        asked = ["--groups", "of.npy", "classes.npy", "--sample", sample, "--out", sample]
        assert cli.main(["measure", "image.npy", "prompts.npy", *asked]) == 0
    assert numbers("5000").value["recall@1_instance", "image-prompts"] == pytest.approx(right)
    assert numbers("40").rows_used["recall@1_instance", "image-prompts"] == 40
    assert numbers("40").rows_used["recall@1_instance", "prompts-image"] == 3  # prompts stay whole


def test_pairs_of_row_i_of_both_give_the_numbers_of_none(undrawn, plain):
    np.save("p.npy", np.stack([np.arange(N)] * 2, axis=1))
    assert cli.main(["measure", "image.npy", "text.npy", "--pairs", "p.npy"]) == 0
    one, other = pd.read_csv(io.BytesIO(plain)).set_index(["metric", "of"]), numbers()
    assert (one.index == other.index).all() and (one.rows_used == other.rows_used).all()
    by_order = one.index.get_level_values("metric").isin(["modality_auc", "robustness"])  # a split of rows, and noise
    assert other.value[~by_order].to_numpy() == pytest.approx(one.value[~by_order].to_numpy(), abs=1e-6)
    assert other.value[by_order].to_numpy() == pytest.approx(one.value[by_order].to_numpy(), abs=0.25)


def test_the_sample_of_pairs_keeps_those_of_each_row_together():
    x, y, of = (torch.from_numpy(part) for part in captioned())
    which = torch.stack([of, torch.arange(100)], dim=1)
    for a, b, listed in ((x, y, which), (y, x, which.flip(1))):
        pair = measures._sampled({"a": a, "b": b}, listed, None, 30, 0)
        assert max(len(rows) for rows in pair.sample) == 30 == len(pair.sampled_pairs)
        for i, j in pair.sampled_pairs.tolist():
            assert [int(pair.sample[0][i]), int(pair.sample[1][j])] in listed.tolist()


def test_rows_that_repeat_are_told(undrawn, capsys):
    x, y, of = captioned()
    np.save("repeated.npy", x[of])
    np.save("captions.npy", x[of] + 0.001 * y)
    assert cli.main(["measure", "repeated.npy", "captions.npy"]) == 0
    assert "repeated: 80 rows of 100 repeat an earlier one, and recall counts one row only" in capsys.readouterr().out
    assert numbers().value["recall@1_instance", "captions-repeated"] == pytest.approx(0.2)
    np.save("ids.npy", of)
    assert cli.main(["measure", "repeated.npy", "captions.npy", "--groups", "ids.npy", "ids.npy"]) == 0
    assert numbers().value["recall@1_instance", "captions-repeated"] == 1


def test_one_array_of_both_matrices(undrawn, plain):
    x, y, _ = pairs()
    both = torch.stack([x, y])
    np.save("both.npy", both.numpy())
    torch.save(both, "both.pt")
    torch.save({"z": both, "scale": torch.ones(1)}, "dict.pth")
    save_file({"z": both}, "both.safetensors")
    for place in ("both.npy", "both.pt", "dict.pth", "both.safetensors:z"):
        assert all(map(torch.equal, matrices.read_both(place), (x, y)))
    assert cli.main(["measure", "both.npy", "--names", "image", "text"]) == 0
    assert (undrawn / "measured/metrics.csv").read_bytes() == plain


def test_names_are_text_and_never_mathtext(here, capsys):
    os.rename("image.npy", "$x^$.npy")
    assert cli.main(["measure", "$x^$.npy", "text.npy", "--out", "files"]) == 0
    assert cli.main(["measure", "$x^$.npy", "text.npy", "--names", "$\\frac{$", "_hidden[bold]{0}%s"]) == 0
    assert "$\\frac{$ and _hidden[bold]{0}%s: 60 pairs" in capsys.readouterr().out


# --- formats -----------------------------------------------------------------------------------------------------


def write(path, x, name="embedding"):
    """The matrix x in the format that the ending says; returns the path."""
    if path.suffix == ".npy":
        np.save(path, x)
    elif path.suffix == ".npz":
        np.savez(path, **{name: x, "ids": np.arange(len(x))})
    elif path.suffix == ".safetensors":
        save_file({name: torch.from_numpy(x), "scale": torch.ones(1)}, path)
    elif path.suffix in matrices.TORCH:
        torch.save({name: torch.from_numpy(x), "scale": torch.ones(1)}, path)
    else:
        pq.write_table(pa.table({name: list(x), "caption": ["a"] * len(x)}), path, row_group_size=25)
    return path


@pytest.mark.parametrize("ending", matrices.MATRICES)
def test_every_format_gives_the_same_numbers(ending, undrawn, plain):
    x, y, _ = pairs()
    places = [str(write(undrawn / f"{name}-2{ending}", z.numpy())) for name, z in (("image", x), ("text", y))]
    assert cli.main(["measure", places[0], "--names", "image", "text", "--seed", "0", places[1]]) == 0
    assert (undrawn / "measured/metrics.csv").read_bytes() == plain


@pytest.mark.parametrize("ending", matrices.MATRICES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "int64", "uint8"])
def test_every_type_is_read_as_float32(ending, dtype, tmp_path):
    x = np.random.default_rng(0).uniform(0, 100, (9000, 3)).astype(dtype)  # more than a block
    found = matrices.read(str(write(tmp_path / f"x{ending}", x)))
    assert found.dtype == torch.float32 and np.array_equal(found.numpy(), x.astype(np.float32))


def test_arrays_in_other_orders_and_widths(tmp_path):
    x = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(x))
    np.save(tmp_path / "swapped.npy", x.astype(">f4"))
    save_file({"x": torch.from_numpy(x).bfloat16()}, tmp_path / "brain.safetensors")
    pq.write_table(pa.table({f"d{j}": x[:, j] for j in range(4)}), tmp_path / "columns.parquet")
    kind = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 4)
    pq.write_table(pa.table({"x": kind}), tmp_path / "fixed.parquet")
    for name in ("fortran.npy", "swapped.npy", "columns.parquet", "fixed.parquet"):
        assert np.array_equal(matrices.read(str(tmp_path / name)).numpy(), x), name
    brain = matrices.read(str(tmp_path / "brain.safetensors"))
    assert brain.dtype == torch.float32 and np.abs(brain.numpy() / x - 1).max() < 2**-8


@pytest.mark.parametrize("ending", matrices.CONTAINERS)
def test_one_of_several_is_chosen_by_name_and_named_by_it(ending, undrawn, plain):
    x, y, _ = (np.asarray(part) for part in pairs())
    path = undrawn / f"clip{ending}"
    if ending == ".npz":
        np.savez(path, image=x, text=y)
    elif ending == ".safetensors":
        save_file({"image": torch.from_numpy(x), "text": torch.from_numpy(y)}, path)
    elif ending in matrices.TORCH:
        torch.save({"image": torch.from_numpy(x), "text": torch.from_numpy(y)}, path)
    else:
        pq.write_table(pa.table({"image": list(x), "text": list(y)}), path)
    assert cli.main(["measure", f"clip{ending}:image", f"clip{ending}:text"]) == 0
    assert (undrawn / "measured/metrics.csv").read_bytes() == plain


def test_modalities_of_one_name_are_x_and_y(undrawn):
    (undrawn / "other").mkdir()
    np.save("other/image.npy", pairs()[1].numpy())
    assert cli.main(["measure", "image.npy", "other/image.npy"]) == 0
    assert ("rmg", "X-Y") in numbers().index


def test_labels_of_every_format_are_the_same_factors(tmp_path):
    table = pd.DataFrame({"class": ["b", "a", "c", "a"], "size": ["2", "1", "1", "2"]})
    table.to_csv(tmp_path / "named.csv", index=False)
    table.to_csv(tmp_path / "bare.csv", index=False, header=False)
    table.assign(**{"class": table["class"].astype("category"), "size": [2, 1, 1, 2]}).to_parquet(
        tmp_path / "l.parquet"
    )
    np.save(tmp_path / "strings.npy", table.to_numpy().astype(str))
    np.save(tmp_path / "numbers.npy", np.array([[20, 7], [3, -1], [100, -1], [3, 7]]))
    names = {"named.csv": ("class", "size"), "l.parquet": ("class", "size")}
    for file in ("named.csv", "bare.csv", "l.parquet", "strings.npy", "numbers.npy"):
        space, codes, _ = labels.read_labels(str(tmp_path / file), 4, header=file != "bare.csv")
        assert space.names == names.get(file, ("label1", "label2"))
        assert codes.tolist() == [[1, 1], [0, 0], [2, 0], [0, 1]]
    assert space["label1"].values == ("3", "20", "100")
    np.save(tmp_path / "single.npy", np.array([5, 5, 6, 6]))
    assert labels.read_labels(str(tmp_path / "single.npy"), 4)[0].names == ("label",)


def test_a_single_factor_has_no_bias_but_all_else(undrawn):
    np.save("class.npy", pairs()[2][:, 0])
    assert cli.main(["measure", "image.npy", "text.npy", "--labels", "class.npy"]) == 0
    found = set(numbers().index.get_level_values("metric"))
    assert {"map", "knn", "v_measure", "recall@1_class"} <= found and not found & {"moad", "moad_pooled"}


def test_a_factor_of_many_values_is_not_clustered(undrawn):
    rng = np.random.default_rng(0)
    for name in ("many-x.npy", "many-y.npy"):
        np.save(name, rng.standard_normal((450, 4)))
    pd.DataFrame({"many": np.arange(450) % 201, "few": np.arange(450) % 2}).to_csv("many.csv", index=False)
    assert cli.main(["measure", "many-x.npy", "many-y.npy", "--labels", "many.csv"]) == 0
    found = numbers().index
    assert ("v_measure", "few") in found and ("v_measure", "many") not in found and ("knn", "many") in found


# --- mistakes ----------------------------------------------------------------------------------------------------


def spoil(place, value, rows=(7, 9)):
    x = pairs()[0].numpy()
    x[list(rows)] = value
    np.save(place, x)


def promise(place, shape):
    """A .npy file whose header says more than the 16 bytes that follow."""
    with open(place, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.write(bytes(16))


def promise_in_npz(place, shape):
    promise("inside.npy", shape)
    with zipfile.ZipFile(place, "w") as archive:
        archive.write("inside.npy", "a.npy")


def mistakes():
    """What is written beforehand, and asked, → what the line says."""
    x = pairs()[0].numpy()
    save, labels = np.save, ["image.npy", "text.npy", "--labels"]
    nothing = lambda: None  # noqa: E731
    return {
        "missing": (nothing, ["image.npy", "nowhere.npy"], "nowhere.npy: no such file"),
        "folder": (lambda: os.mkdir("d.npy"), ["d.npy", "text.npy"], "d.npy: not a file"),
        "ending": (nothing, ["image.mat", "text.npy"], "(allowed: .npy, .npz, .safetensors, .parquet, .pt, .pth)"),
        "empty": (lambda: open("e.npy", "w").close(), ["e.npy", "text.npy"], "e.npy is damaged, or no .npy file"),
        "several": (
            lambda: np.savez("s.npz", a=x, b=x),
            ["s.npz", "text.npy"],
            "s.npz holds several: a, b; choose one, as in s.npz:a",
        ),
        "none": (
            lambda: np.savez("s.npz", a=x[0]),
            ["s.npz", "text.npy"],
            "no array of two dimensions; it holds a [6]",
        ),
        "name": (
            lambda: np.savez("s.npz", image=x),
            ["s.npz:imag", "text.npy"],
            "unknown array in s.npz: 'imag'; did you mean 'image'?",
        ),
        "column": (
            lambda: pq.write_table(pa.table({"x": list(x), "id": range(N)}), "c.parquet"),
            ["c.parquet:id", "text.npy"],
            "c.parquet:id: int64 is no column of lists",
        ),
        "columns": (
            lambda: pq.write_table(pa.table({"a": x[:, 0], "word": ["b"] * N}), "c.parquet"),
            ["c.parquet", "text.npy"],
            "word not of numbers",
        ),
        "ragged": (
            lambda: pq.write_table(pa.table({"a": [[1.0, 2.0], [1.0]]}), "c.parquet"),
            ["c.parquet", "text.npy"],
            "lists of 1 to 2 numbers",
        ),
        "null": (
            lambda: pq.write_table(pa.table({"a": [[1.0, 2.0], [None, 1.0]]}), "c.parquet"),
            ["c.parquet", "text.npy"],
            "empty entries among the lists",
        ),
        "null number": (
            lambda: pq.write_table(pa.table({"a": [1.0, None], "b": [1.0, 2.0]}), "c.parquet"),
            ["c.parquet", "text.npy"],
            "empty entries in a",
        ),
        "id column": (
            lambda: pq.write_table(pa.table({"id": range(N)} | {f"d{j}": x[:, j] for j in range(D)}), "c.parquet"),
            ["c.parquet", "text.npy"],
            "c.parquet: columns of several types (id: int64; d0, d1, d2, … (6 in all): float), so they are not all dimen",
        ),
        "id as a float": (
            partial(save, "v.npy", np.column_stack([np.random.default_rng(0).permutation(N) + 100.0, x])),
            ["v.npy", "text.npy"],
            "v.npy: column 0 (from 0) holds whole numbers, the others fractions: it is no dimension, so leave it out",
        ),
        "index": (
            partial(save, "v.npy", np.column_stack([np.full((N, D), 3), np.arange(N)])),
            ["v.npy", "text.npy"],
            "v.npy: column 6 (from 0) counts the rows: it is no dimension",
        ),
        "twice": (nothing, ["image.npy", "./image.npy"], "image.npy is given twice; X and Y are two matrices"),
        "same numbers": (
            partial(save, "v.npy", x.astype(float)),
            ["image.npy", "v.npy"],
            "image.npy and v.npy hold the same numbers; X and Y are two matrices",
        ),
        "same halves": (
            partial(save, "v.npy", np.stack([x, x])),
            ["v.npy"],
            "v.npy[0] and v.npy[1] hold the same numbers",
        ),
        "alone": (nothing, ["image.npy"], "image.npy is [60, 6]: say where Y is too, or give one array [2, items,"),
        "three": (
            nothing,
            ["image.npy", "text.npy", "image.npy"],
            "X and Y are needed, or one array of both; these are 3",
        ),
        "both and another": (
            partial(save, "v.npy", np.stack([x, -x])),
            ["v.npy", "text.npy"],
            "v.npy is [2, 60, 6], both matrices in one array: leave Y out",
        ),
        "bfloat16": (
            partial(save, "v.npy", np.zeros((N, D), "V2")),
            ["v.npy", "text.npy"],
            "v.npy holds |V2, bytes without a type, as numpy saves bfloat16; save x.astype(np.float32)",
        ),
        "objects": (
            partial(save, "v.npy", np.array([x, None], dtype=object), allow_pickle=True),
            ["v.npy", "text.npy"],
            "v.npy holds Python objects, which are not read",
        ),
        "hdf5": (
            nothing,
            ["v.h5", "text.npy"],
            "v.h5: .h5 files are not read; save it otherwise, as by np.save('x.npy'",
        ),
        "hdf5 inside": (
            lambda: Path("v.npy").write_bytes(matrices.HDF5 + bytes(100)),
            ["v.npy", "text.npy"],
            "v.npy is an HDF5 file, which is not read; save it by np.save(",
        ),
        "pickle": (
            lambda: torch.save({"x": torch.from_numpy(x), "code": partial(print)}, "v.pt"),
            ["v.pt", "text.npy"],
            "v.pt holds more than tensors, which may run code when it is loaded",
        ),
        "tensors": (
            lambda: torch.save({"a": torch.from_numpy(x), "b": torch.from_numpy(x)}, "v.pt"),
            ["v.pt", "text.npy"],
            "v.pt holds several: a, b; choose one, as in v.pt:a",
        ),
        "expanded": (
            lambda: torch.save(torch.ones(1).expand(10**6, 10**5), "v.pt"),
            ["v.pt", "text.npy"],
            "[1000000, 100000] is more than it holds; save x.contiguous()",
        ),
        "gigabytes": (
            partial(promise, "v.npy", (10**9, 512)),
            ["v.npy", "text.npy"],
            "[1000000000, 512] of float32 takes 2,048,000,000,000 bytes, and it holds 16",
        ),
        "gigabytes in npz": (
            partial(promise_in_npz, "v.npz", (10**9, 512)),
            ["v.npz", "text.npy"],
            "[1000000000, 512] of float32 takes 2,048,000,000,000 bytes, and it holds 16",
        ),
        "packed": (
            lambda: np.savez_compressed("v.npz", a=np.zeros((2**15, 2**10), np.float32)),
            ["v.npz", "text.npy"],
            "more than 200 times as many are not read; save it without compression",
        ),
        "name that breaks lines": (
            lambda: np.savez("s.npz", **{"a\x1b[2J\n": x, "b": x}),
            ["s.npz", "text.npy"],
            "s.npz holds several: a\\x1b[2J, b; choose one",
        ),
        "pairs and groups": (
            nothing,
            ["image.npy", "text.npy", "--pairs", "p.csv", "--groups", "a", "b"],
            "both say which rows are pairs; give one of them",
        ),
        "pairs and labels": (
            nothing,
            [*labels, "labels.csv", "--pairs", "p.csv"],
            "--labels are of matrices whose rows i",
        ),
        "few pairs": (
            partial(save, "p.npy", np.zeros((1, 2), int)),
            ["image.npy", "text.npy", "--pairs", "p.npy"],
            "at least 10 pairs are needed",
        ),
        "no header": (
            lambda: pd.Series([0, 1] * (N // 2)).to_csv("l.csv", index=False, header=False),
            [*labels, "l.csv"],
            "the first line has the number 0 where a name is expected; if the first line is a row, say --no-header",
        ),
        "one line more": (
            lambda: pd.DataFrame({"c": ["a", "b"] * (N // 2 - 1) + ["a"]}).to_csv("l.csv", index=False),
            [*labels, "l.csv"],
            "l.csv: labels of 59 rows, but the matrices have 60; its first line ('c') was read as names",
        ),
        "label id": (
            lambda: pd.DataFrame({"id": range(N), "c": [0, 1] * (N // 2)}).to_csv("l.csv", index=False),
            [*labels, "l.csv"],
            "column 'id' has another value in every row: an id, not a factor",
        ),
        "long name": (
            nothing,
            ["image.npy", "text.npy", "--names", "a" * 61, "b"],
            "at most 60 characters that can be read",
        ),
        "control in a name": (nothing, ["image.npy", "text.npy", "--names", "a\nb", "b"], "'a\\nb' cannot be shown"),
        "vector": (partial(save, "v.npy", x[0]), ["v.npy", "text.npy"], "[items, dimensions] is needed, this is [6]"),
        "none at all": (partial(save, "v.npy", x[:0]), ["v.npy", "text.npy"], "is needed, this is [0, 6]"),
        "words": (partial(save, "v.npy", np.full((N, D), "a")), ["v.npy", "text.npy"], "<U1 is no type of embeddings"),
        "complex": (partial(save, "v.npy", x + 1j), ["v.npy", "text.npy"], "complex64 is no type of embeddings"),
        "rows": (
            partial(save, "v.npy", x[:50]),
            ["v.npy", "text.npy"],
            "v.npy is [50, 6] but text.npy is [60, 6]; row i of",
        ),
        "dimensions": (partial(save, "v.npy", x[:, :5]), ["v.npy", "text.npy"], "[60, 5] but text.npy is [60, 6]"),
        "few": (partial(save, "v.npy", np.stack([x[:9]] * 2)), ["v.npy"], "at least 10 rows of 2 dimensions"),
        "thin": (partial(save, "v.npy", np.stack([x[:, :1]] * 2)), ["v.npy"], "at least 10 rows of 2 dimensions"),
        "nan": (
            partial(spoil, "v.npy", np.nan),
            ["v.npy", "text.npy"],
            "infinite values in 2 rows, the first of them row 7",
        ),
        "inf": (
            partial(spoil, "v.npy", -np.inf, [3]),
            ["v.npy", "text.npy"],
            "values in 1 row, the first of them row 3",
        ),
        "huge": (
            partial(save, "v.npy", x.astype(float) * 1e300),
            ["v.npy", "text.npy"],
            "nan or infinite values in 60 rows",
        ),
        "zero": (
            partial(spoil, "v.npy", 0),
            ["v.npy", "text.npy"],
            "2 zero rows, which have no direction, the first of them",
        ),
        "label rows": (
            partial(save, "l.npy", np.arange(9)),
            [*labels, "l.npy"],
            "labels of 9 rows, but the matrices have 60",
        ),
        "label file": (nothing, [*labels, "l.csv"], "l.csv: no such file"),
        "label ending": (nothing, [*labels, "l.txt"], "(allowed: .csv, .tsv, .parquet, .npy)"),
        "label kind": (
            partial(save, "l.npy", x[:, 0]),
            [*labels, "l.npy"],
            "float32; labels are whole numbers or strings",
        ),
        "label lists": (
            lambda: pq.write_table(pa.table({"a": list(x)}), "l.parquet"),
            [*labels, "l.parquet"],
            "column 'a' holds list<element: float>; labels",
        ),
        "label null": (
            lambda: pq.write_table(pa.table({"a": [None, *range(N - 1)]}), "l.parquet"),
            [*labels, "l.parquet"],
            "column 'a' has no label in 1 row",
        ),
        "label missing": (
            lambda: pd.DataFrame({"a": ["x", "", *"y" * (N - 2)], "b": range(N)}).to_csv("l.csv", index=False),
            [*labels, "l.csv"],
            "column 'a' has no label in 1 row, the first row 1",
        ),
        "label single": (partial(save, "l.npy", np.ones(N, int)), [*labels, "l.npy"], "has one value only ('1')"),
        "object": (
            nothing,
            [*labels, "labels.csv", "--object", "color"],
            "unknown factor 'color'; did you mean 'colour'?",
        ),
        "object alone": (nothing, ["image.npy", "text.npy", "--object", "colour"], "by --labels FILE"),
        "names": (nothing, ["image.npy", "text.npy", "--names", "a", "a"], "two different names"),
        "scale": (nothing, ["image.npy", "text.npy", "--scale", "0"], "--scale 0: 1/τ must be above 0"),
        "scale nan": (nothing, ["image.npy", "text.npy", "--scale", "nan"], "must be above 0"),
        "sample": (nothing, ["image.npy", "text.npy", "--sample", "3"], "at least 10 rows"),
        "seed": (nothing, ["image.npy", "text.npy", "--seed", "-1"], "at least 0"),
        "out": (nothing, ["image.npy", "text.npy", "--out", "labels.csv"], "labels.csv"),
        "out deeper": (nothing, ["image.npy", "text.npy", "--out", "labels.csv/deeper"], "Not a directory"),
    }


@pytest.mark.parametrize("mistake", mistakes())
def test_a_mistake_is_one_line_and_nothing_is_written(mistake, here, capsys):
    prepare, asked, told = mistakes()[mistake]
    prepare()
    before = sorted(here.rglob("*"))
    assert cli.main(["measure", *asked]) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1 and error.startswith("synthgap: error: ")
    assert told in error and str(here) not in error
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("ending", matrices.MATRICES)
def test_a_file_cut_off_anywhere_is_told_by_its_name(ending, tmp_path):
    path = write(tmp_path / f"x{ending}", pairs()[0].numpy())
    content = path.read_bytes()
    for share in (0, 0.01, 0.3, 0.9, 0.999):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match=f"x{ending} is damaged, or no {ending} file"):
            matrices.read(str(path))


# --- as a user meets it ------------------------------------------------------------------------------------------


def test_the_command_from_outside(synthgap, here):
    done = synthgap("measure", "image.npy", "text.npy", "--labels", "labels.csv")
    assert done.returncode == 0, done.stderr
    assert "60 pairs of 6 dimensions" in done.stdout and "among 60 candidates" in done.stdout
    assert all(f"measured/{name}" in done.stdout for name in WRITTEN)
    assert {path.name for path in (here / "measured").iterdir()} == WRITTEN
    wrong = synthgap("measure", "image.npy", "txt.npy")
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (2, "", "synthgap: error: txt.npy: no such file\n")


def test_an_interrupted_run_leaves_no_half_written_file(here):
    rng = np.random.default_rng(0)
    for name in ("a.npy", "b.npy"):
        np.save(name, rng.standard_normal((20_000, 256)).astype(np.float32))
    command = [sys.executable, "-m", "synthgap", "measure", "a.npy", "b.npy"]
    hears = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process = subprocess.Popen(command, cwd=here, start_new_session=True, preexec_fn=hears, **pipes)
    while not (here / "measured").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (130, "", "interrupted; nothing is written\n")
    assert list((here / "measured").iterdir()) == []


def test_help_says_what_every_number_means(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["measure", "--help"])
    told = capsys.readouterr().out
    assert stop.value.code == 0 and all(what in told for what in legend.MEANINGS.values())
    assert all(ending in told for ending in (*matrices.MATRICES, *labels.LABELS))


def test_every_number_has_a_meaning(undrawn):
    assert cli.main(["measure", "image.npy", "text.npy", "--labels", "labels.csv"]) == 0
    found = {"gap_share@{k}" if m.startswith("gap_share") else m for m in numbers().index.get_level_values("metric")}
    assert found == set(legend.MEANINGS)
