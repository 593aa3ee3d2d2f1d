"""Label files, pairs and ids beside embeddings: rows are never aligned by a guess, and what was read is told."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_gen import InputError
from synthgap.measure import labels


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(content: str | bytes, n: int, header: bool = True, place: str = "l.csv", column: str = ""):
    """Names, labels row by row as text, and what was told."""
    with open(place, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    space, codes, told = labels.read_labels(place + column, n, header)
    rows = [tuple(factor.values[code] for factor, code in zip(space.factors, row, strict=True)) for row in codes]
    return space.names, rows, told


CLASS = [("a",), ("b",), ("a",)]
BOTH = [("a", "x"), ("b", "y"), ("a", "y")]


@pytest.mark.parametrize(
    ("content", "names", "rows", "told"),
    [
        ("class\na\nb\na\n", ("class",), CLASS, "3 rows of class (2 values); its first line is names"),
        ("class\r\na\r\nb\r\na\r\n\r\n", ("class",), CLASS, "its first line is names"),
        ("\ufeffclass\na\nb\na", ("class",), CLASS, "its first line is names"),
        ("c,d\na,x\nb,y\na,y\n", ("c", "d"), BOTH, "fields are separated by ','"),
        ("c;d\na;x\nb;y\na;y\n", ("c", "d"), BOTH, "fields are separated by ';'"),
        ("c\td\na\tx\nb\ty\na\ty\n", ("c", "d"), BOTH, "fields are separated by tabs"),
        (",c,d\n0,a,x\n1,b,y\n2,a,y\n", ("c", "d"), BOTH, "without the index in its first column"),
        ('c,d\n"a,1",x\n"b;2",y\n"a,1",y\n', ("c", "d"), [("a,1", "x"), ("b;2", "y"), ("a,1", "y")], "by ','"),
        ("d\n01\n1\n1\n", ("d",), [("01",), ("1",), ("1",)], "of d (2 values)"),
        # our own exports: one factor of three is named as one of its values
        (
            "c,d,swelling\na,x,even\nb,y,swelling\na,y,even\n",
            ("c", "d", "swelling"),
            [("a", "x", "even"), ("b", "y", "swelling"), ("a", "y", "even")],
            "its first line is names",
        ),
    ],
)
def test_what_can_be_read_in_one_way_is_read_and_told(content, names, rows, told, here):
    found = read(content, 3)
    assert found[:2] == (names, rows) and told in found[2] and found[2].startswith("l.csv: 3 rows of ")


def test_without_a_line_of_names(here):
    assert read("a\nb\na\n", 3, header=False)[:2] == (("label",), CLASS)
    assert read("a;x\nb;y\na;y\n", 3, header=False)[:2] == (("label1", "label2"), BOTH)
    assert "no line of names" in read("0\n1\n0\n", 3, header=False)[2]


@pytest.mark.parametrize(
    ("content", "n", "header", "told"),
    [
        (
            "class\na\nb\na\n",
            4,
            True,
            "labels of 3 rows, but the matrices have 4; its first line ('class') was read as",
        ),
        (
            "class\na\nb\na\n",
            3,
            False,
            "labels of 4 rows, but the matrices have 3; its first line ('class') was read as",
        ),
        (
            "a\nb\na\n",
            3,
            True,
            "'a' is in the first line and below it in the same column; if the first line is a row, say",
        ),
        (
            "1\n2\n1\n",
            3,
            True,
            "the first line has the number 1 where a name is expected; if the first line is a row, say",
        ),
        ("a,x\nb,y\na,y\nb,z\n", 3, True, "'a' is in the first line and below it in the same column"),
        ("1\n2\n1\n", 2, True, "the first line has the number 1 where a name is expected"),
        ("class\na\n\nb\na\n", 3, True, "line 3 is blank: take it out, or write the label that it lacks"),
        ("class\na\n\nb\na\n", 4, True, "line 3 is blank"),
        ("c;d\na;x\nb;y\na\n", 3, True, "separated by ';', line 4 has 1 fields and the first line 2"),
        ("c,e;d\na,e;x\nb,e;y\na,e;y\n", 3, True, "fields may be separated by ',' or ';'; put quotes around values"),
        (",c\n0,a\n2,b\n1,a\n", 3, True, "its first column has no name and does not count the rows from 0"),
        ("id,c\n7,a\n8,b\n9,a\n", 3, True, "column 'id' has another value in every row: an id, not a factor"),
        (
            "c\na\nNaN\nb\n",
            3,
            True,
            "column 'c' has no label in 1 row, the first row 1 ('NaN': call it otherwise if it",
        ),
        ("c\nnull\na\nb\n", 3, True, "no label in 1 row, the first row 0 ('null'"),
        ('c\na\n""\nb\n', 3, True, "column 'c' has no label in 1 row, the first row 1"),
        ("c\na\na \nb\n", 3, True, "column 'c' has 'a' and 'a ', which differ by spaces only"),
        ("c,c\na,x\nb,y\na,y\n", 3, True, "several columns are named 'c'"),
        ("c\na\na\na\n", 3, True, "one value only ('a')"),
        ("", 3, True, "l.csv is empty"),
        ("class\n", 3, True, "a line of names, and no labels below it; say --no-header if it is a row"),
        ('c\n"a\nb\nc\n', 3, True, "l.csv is damaged, or no .csv file"),
        (b"c\na\n\xff\nb\n", 3, True, "line 3 is not UTF-8; save it as UTF-8"),
        ("c\na\nb\na\n".encode("utf-16"), 3, True, "l.csv has NUL bytes, as UTF-16 has"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(content, n, header, told, here):
    with pytest.raises(InputError) as error:
        read(content, n, header)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_one_column_is_chosen_by_name(here):
    assert read("id,c\n7,a\n8,b\n9,a\n", 3, column=":c")[:2] == (("c",), CLASS)
    with pytest.raises(InputError, match=r"unknown column in l\.csv: 'd'"):
        read("id,c\n7,a\n8,b\n9,a\n", 3, column=":d")


def test_what_pandas_writes_is_what_is_read(here):
    table = pd.DataFrame({"c": ["a", "b", "a"], "d": ["x", "y", "y"]})
    table.to_csv("l.csv")
    table.to_csv("l.tsv", sep="\t", index=False)
    table.to_parquet("l.parquet")
    table.iloc[[0, 2, 1]].to_parquet("other.parquet")
    for place in ("l.csv", "l.tsv", "l.parquet"):
        space, codes, _ = labels.read_labels(place, 3)
        assert space.names == ("c", "d") and codes.tolist() == [[0, 0], [1, 1], [0, 1]]
    with pytest.raises(InputError, match="does not count the rows from 0"):  # as after a shuffle
        labels.read_labels("other.parquet", 3)
    table.iloc[[0, 2, 1]].to_csv("other.csv")
    with pytest.raises(InputError, match="does not count the rows from 0"):
        labels.read_labels("other.csv", 3)


def test_strings_that_are_no_text_are_refused(here):
    array = np.array(["ab", "b", "ab"])
    for wrong in (0x110000, 0xD800):
        array.view("u4")[0] = wrong
        np.save("l.npy", array)
        with pytest.raises(InputError, match="its strings hold what is no character"):
            labels.read_labels("l.npy", 3)


# --- pairs -------------------------------------------------------------------------------------------------------


def test_pairs_are_rows_of_x_and_rows_of_y(here):
    pd.DataFrame({"x": [0, 0, 2], "y": [1, 0, 2]}).to_csv("p.csv", index=False)
    pairs, told = labels.read_pairs("p.csv", (3, 4))
    assert pairs.tolist() == [[0, 1], [0, 0], [2, 2]]
    assert told.startswith("p.csv: 3 pairs of 2 of 3 rows of X and 3 of 4 of Y; its first line is names")
    np.save("p.npy", np.array([[0, 1], [0, 0], [2, 2]]))
    assert labels.read_pairs("p.npy", (3, 4))[0].tolist() == pairs.tolist()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[0, 0], [3, 1]], "column 'label1' has 3, but X has 3 rows, which count from 0 to 2"),
        ([[0, 0], [1, 4]], "column 'label2' has 4, but Y has 4 rows"),
        ([[0, 0], [-1, 1]], "column 'label1' has -1; the rows of X are numbers from 0"),
        ([[0, 1], [1, 1], [0, 1]], "the pair [0, 1] is listed twice"),
        ([[0, 1, 2]], "two columns are needed, of rows of X and of Y"),
        ([[0.5, 1.0]], "labels are whole numbers or strings"),
        ([[10**18, 1]], "column 'label1' has 1000000000000000000, but X has 3 rows"),
    ],
)
def test_pairs_that_cannot_be_are_refused(rows, told, here):
    np.save("p.npy", np.array(rows))
    with pytest.raises(InputError) as error:
        labels.read_pairs("p.npy", (3, 4))
    assert told in str(error.value)


def test_rows_of_one_id_are_pairs(here):
    pd.DataFrame({"id": ["cat", "dog", "owl"]}).to_csv("x.csv", index=False)
    pq.write_table(pa.table({"id": ["dog", "cat", "dog", "emu"]}), "y.parquet")
    pairs, told = labels.read_groups(("x.csv", "y.parquet"), (3, 4))
    assert pairs.tolist() == [[0, 1], [1, 0], [1, 2]]
    assert told.startswith("3 pairs of 2 of 3 rows of X and 3 of 4 of Y by ids (x.csv; its first line is names")
    pq.write_table(pa.table({"id": list("wxyz")}), "y.parquet")
    with pytest.raises(InputError, match="no id in common"):
        labels.read_groups(("x.csv", "y.parquet"), (3, 4))
    with pytest.raises(InputError, match="labels of 3 rows, but the matrices have 5"):
        labels.read_groups(("x.csv", "y.parquet"), (5, 4))


def test_ids_that_would_make_too_many_pairs_are_refused(here):
    np.save("one.npy", np.zeros(4000, int))
    with pytest.raises(InputError, match="16,000,000 pairs, more than 10,000,000"):
        labels.read_groups(("one.npy", "one.npy"), (4000, 4000))
