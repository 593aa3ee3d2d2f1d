"""Generated label files and embeddings, valid and damaged: the right numbers, or one line that says what is wrong.

SYNTHGAP_FUZZ sets the number of cases of all `test_fuzz_*.py` (2,000), half of them here; `make fuzz` runs ten times as many.
"""

import csv
import io
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from data_gen import InputError
from synthgap import cli
from synthgap.measure import figure, labels, matrices

CASES = int(os.environ.get("SYNTHGAP_FUZZ", 2000)) // 2
ENDINGS = matrices.MATRICES
TYPES = ("float16", "float32", "float64", ">f4", "int8", "int64", "uint16")


def fuzz(share: float):
    """So many of the cases, the same in every run."""
    odd = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
    return settings(
        max_examples=max(1, round(share * CASES)),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=odd,
    )


def told(read, *arguments):
    """What is read, or None where it is refused in one line; anything else raised is a fault."""
    try:
        return read(*arguments)
    except InputError as error:
        line = str(error)
        assert line and line.isprintable() and len(line) < 1000, line
        return None


# --- labels ------------------------------------------------------------------------------------------------------

odd_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
WORDS = ["a", "b", "red", "01", "1", "-3", "é", "x y", "a,b", "a;b", "c\td", 'say "no"', "two\nlines"]
words = st.sampled_from(WORDS)


@st.composite
def tables(draw, texts):
    """Names and rows of text, 4 to 9 rows of 1 to 3 columns."""
    width, n = draw(st.integers(1, 3)), draw(st.integers(4, 9))
    names = draw(st.lists(texts, min_size=width, max_size=width, unique=True))
    return names, draw(st.lists(st.lists(texts, min_size=width, max_size=width), min_size=n, max_size=n))


def as_csv(lines: list[list[str]], separator: str, ends: str = "\n") -> str:
    """With quotes around each field, if any holds what might be taken for a separator."""
    quoted = any(other in field for line in lines for field in line for other in labels.SEPARATORS)
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=separator, lineterminator=ends, quoting=quoting).writerows(lines)
    return text.getvalue()


def labels_at(place, n: int, header: bool = True) -> tuple[list[str], list[list[str]]]:
    space, codes, line = labels.read_labels(str(place), n, header)
    assert codes.shape == (n, len(space.names)) and line.isprintable()
    rows = [[factor.values[code] for factor, code in zip(space.factors, row, strict=True)] for row in codes]
    return list(space.names), rows


def is_plain(names: list[str], rows: list[list[str]]) -> bool:
    """Whether nothing speaks against it: names that are names, columns of words of which some are repeated, but not all."""
    columns = list(zip(*rows, strict=True))
    named = all(name.isascii() and name.isalpha() for name in names) and not set(names) & set(WORDS)
    return named and all(2 <= len(set(column)) < len(rows) and set(column) <= set(WORDS) for column in columns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@fuzz(0.2)
@given(
    table=tables(words | odd_text),
    separator=st.sampled_from(list(labels.SEPARATORS)),
    header=st.booleans(),
    ends=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_label_files_are_read_as_they_were_written_or_refused(folder, table, separator, header, ends, mark):
    names, rows = table
    place = folder / "labels.csv"
    place.write_text(mark + as_csv([names, *rows] if header else rows, separator, ends), "utf-8", newline="")
    found = told(labels_at, place, len(rows), header)
    if found is None:
        return
    if (
        names[0] in labels.INDEX
        and header
        and len(names) > 1
        and [row[0] for row in rows] == list(map(str, range(len(rows))))
    ):
        names, rows = names[1:], [row[1:] for row in rows]
    unnamed = ["label"] if len(names) == 1 else [f"label{i + 1}" for i in range(len(names))]
    assert found == (names if header else unnamed, rows)


@fuzz(0.1)
@given(table=tables(words), separator=st.sampled_from(list(labels.SEPARATORS)), data=st.data())
def test_label_files_that_are_shifted_are_never_read(folder, table, separator, data):
    """What is missing, or too much, is never made up for by a line of names that is taken for a row or the other way round."""
    names, rows = [f"name{'abc'[i]}" for i in range(len(table[0]))], table[1]
    place, n = folder / "shifted.csv", len(rows)

    def at(lines, header=True, separator=separator):
        place.write_text(as_csv(lines, separator), "utf-8", newline="")
        return told(labels_at, place, n, header)

    sound = at([names, *rows])
    assert sound == (names, rows) or (sound is None and not is_plain(names, rows))
    i = data.draw(st.integers(0, n - 1))
    for lines, header in (
        ([names, *rows[:i], *rows[i + 1 :]], True),  # a row too few
        ([names, *rows[: i + 1], *rows[i:]], True),  # a row too many
        (rows, True),  # no line of names, and nobody said so
        ([names, *rows], False),  # a line of names where there is none
        ([names, *rows[:i], [], *rows[i:]], True),  # a blank line
        ([names, *rows[:i], [], *rows[i + 1 :]], True),  # instead of a row
        ([names, *rows[:i], [*rows[i], "more"], *rows[i + 1 :]], True),
        ([names, *rows[:i], [data.draw(st.sampled_from(["", "NaN", "null"])), *rows[i][1:]], *rows[i + 1 :]], True),
    ):
        assert at(lines, header) is None
    counted = at([["", *names], *([str(k), *row] for k, row in enumerate(rows))])
    assert counted == sound  # as pandas writes it
    swapped = [[str(k), *row] for k, row in enumerate(rows)]
    swapped[i], swapped[i - 1] = swapped[i - 1], swapped[i]
    assert at([["", *names], *swapped]) is None


@fuzz(0.1)
@given(table=tables(words | odd_text), ending=st.sampled_from([".parquet", ".npy"]), category=st.booleans())
def test_tables_of_other_formats_are_read_as_they_were_written_or_refused(folder, table, ending, category):
    names, rows = table
    place = folder / f"labels{ending}"
    if ending == ".npy":
        if any(text.endswith("\0") for row in rows for text in row):
            return  # numpy drops them when it writes
        np.save(place, np.array(rows))
        names = ["label"] if len(names) == 1 else [f"label{i + 1}" for i in range(len(names))]
    else:
        columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        frame = pd.DataFrame(columns, dtype="category" if category else None)
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), place)
    found = told(labels_at, place, len(rows))
    if found is not None and len(found[0]) < len(names):
        names, rows = names[1:], [row[1:] for row in rows]
        assert place.suffix == ".parquet" and table[0][0] in labels.INDEX
    assert found in (None, (names, rows))
    assert found is not None or not is_plain(["name" if ending == ".npy" else name for name in names], rows)


# --- damage ------------------------------------------------------------------------------------------------------


@st.composite
def damages(draw):
    """What to do to the bytes of a file, and its name for a failing case."""
    kind = draw(st.sampled_from(["flip", "flip early", "cut", "more", "zeros", "twice", "digits"]))
    where, value = draw(st.floats(0, 1, exclude_max=True)), draw(st.binary(min_size=1, max_size=6))
    return kind, where, value


def damaged(content: bytes, damage) -> bytes:
    kind, where, value = damage
    at = int(where * (min(len(content), 128) if kind == "flip early" else len(content)))
    if kind.startswith("flip"):
        return (
            content[:at]
            + bytes(b ^ c for b, c in zip(content[at : at + len(value)], value, strict=False))
            + content[at + len(value) :]
        )
    if kind == "digits":  # a header that promises something else
        digits = [i for i, byte in enumerate(content[:400]) if chr(byte).isdigit()]
        i = digits[int(where * len(digits))] if digits else 0
        number = str(int.from_bytes(value, "little")).encode()[:10]
        keep = len(number) if value[0] % 2 else 1  # in place, or with all that follows moved
        return content[:i] + number + content[i + keep :]
    return {
        "cut": content[:at],
        "more": content + value,
        "zeros": content[:at] + bytes(len(value)) + content[at + len(value) :],
        "twice": content + content,
    }[kind]


@fuzz(0.15)
@given(
    table=tables(words),
    ending=st.sampled_from([".csv", ".parquet", ".npy"]),
    hits=st.lists(damages(), min_size=1, max_size=3),
)
def test_damaged_label_files_are_read_or_refused_in_a_line(folder, table, ending, hits):
    names, rows = table
    place = folder / f"damaged{ending}"
    if ending == ".csv":
        place.write_text(as_csv([names, *rows], ","), "utf-8", newline="")
    elif ending == ".npy":
        np.save(place, np.array(rows))
    else:
        columns = zip(names, zip(*rows, strict=True), strict=True)
        pq.write_table(pa.table({name: list(column) for name, column in columns}), place)
    content = place.read_bytes()
    for hit in hits:
        content = damaged(content, hit)
    place.write_bytes(content)
    for read in (lambda: labels_at(place, len(rows)), lambda: labels.read_pairs(str(place), (9, 9))):
        told(read)
    told(labels.read_groups, (str(place), str(place)), (len(rows), len(rows)))


# --- embeddings --------------------------------------------------------------------------------------------------


@st.composite
def embeddings(draw):
    """A matrix [1 to 12, 1 to 5] of any type that is read."""
    shape, dtype = (draw(st.integers(1, 12)), draw(st.integers(1, 5))), np.dtype(draw(st.sampled_from(TYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.integers(0, 100, shape) if dtype.kind in "iu" else rng.standard_normal(shape)
    x = x.astype(dtype)
    return np.asfortranarray(x) if draw(st.booleans()) else x


def write(place, x: np.ndarray) -> None:
    """In the format that the ending says, beside something else where it can hold several."""
    if place.suffix == ".npy":
        return np.save(place, x)
    if place.suffix == ".npz":
        return np.savez(place, x=x, ids=np.arange(len(x)))
    x = np.ascontiguousarray(x.astype(x.dtype.newbyteorder("=")))
    if place.suffix == ".parquet":
        return pq.write_table(pa.table({"x": list(x), "word": ["a"] * len(x)}), place)
    tensors = {"x": torch.from_numpy(x), "scale": torch.ones(1)}
    return save_file(tensors, place) if place.suffix == ".safetensors" else torch.save(tensors, place)


@fuzz(0.15)
@given(x=embeddings(), ending=st.sampled_from(ENDINGS), named=st.booleans())
def test_embeddings_are_read_as_they_were_written(folder, x, ending, named):
    place = folder / f"x{ending}"
    write(place, x)
    found = matrices.read(f"{place}:x" if named and ending in matrices.CONTAINERS else str(place))
    assert found.dtype == torch.float32 and np.array_equal(found.numpy(), x.astype(np.float32))


@fuzz(0.29)
@given(
    x=embeddings(),
    ending=st.sampled_from(ENDINGS),
    other=st.sampled_from([None, None, None, *ENDINGS]),
    hits=st.lists(damages(), min_size=1, max_size=3),
)
def test_damaged_embeddings_are_read_or_refused_in_a_line(folder, x, ending, other, hits):
    place = folder / f"whole{ending}"
    write(place, x)
    content = place.read_bytes()
    for hit in hits if other is None else ():
        content = damaged(content, hit)
    place = folder / f"damaged{other or ending}"  # or sound, under another ending
    place.write_bytes(content)
    for read in (matrices.read, matrices.read_both):
        found = told(read, str(place))
        for z in found if isinstance(found, tuple) else () if found is None else (found,):
            assert z.dtype == torch.float32 and z.ndim == 2 and z.isfinite().all()
            assert z.numel() <= max(8 * len(content), matrices.ALWAYS // 4)


@fuzz(0.01)
@given(seed=st.integers(0, 99), ending=st.sampled_from(ENDINGS), hit=st.none() | damages(), labelled=st.booleans())
def test_the_command_measures_or_says_one_line_and_writes_nothing(folder, seed, ending, hit, labelled):
    rng, here = np.random.default_rng(seed), folder / f"command-{seed}"
    here.mkdir(exist_ok=True)
    x, y = (rng.standard_normal((12, 3)).astype(np.float32) for _ in range(2))
    image, text, of = here / f"image{ending}", here / "text.npy", here / "of.csv"
    write(image, x)
    write(text, y)
    of.write_text(as_csv([["class"], *([str(i % 3)] for i in range(12))], ","))
    hurt = of if labelled else image
    if hit:
        hurt.write_bytes(damaged(hurt.read_bytes(), hit))
    out, error = here / "out", io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "draw", lambda tables, path, title: path.touch())
        patch.setattr("sys.stderr", error)
        code = cli.main(
            ["measure", str(image), str(text), "--out", str(out), *(["--labels", str(of)] if labelled else [])]
        )
    assert code in ((0, 2) if hit else (0,))
    if code:
        assert error.getvalue().startswith("synthgap: error: ") and error.getvalue().count("\n") == 1
        assert not out.exists()
    else:
        assert len(pd.read_csv(out / "metrics.csv")) > 20
        for path in out.iterdir():
            path.unlink()
        out.rmdir()
