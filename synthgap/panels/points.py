"""From all values of a curve to its means and intervals over seeds."""

from collections.abc import Sequence

import pandas as pd

from synthgap.statistics import paired_interval, within_seed_interval

POINTS = ["label", "x", "seeds", "mean", "low", "high"]


def whole_seeds(dots: pd.DataFrame, one: Sequence[str] = ("seed",), key: str = "x") -> pd.DataFrame:
    """What is compared is compared within seeds: those that have every value of the column `key`. one: what is to have them
    all, a seed or a seed's cell."""
    return dots[dots.groupby(list(one))[key].transform("nunique") == dots[key].nunique()]


def within_seeds(dots: pd.DataFrame) -> pd.DataFrame:
    """A row a place along x, in order: the mean over seeds, and the 95 % within-seed t interval, as places are compared.
    Where seeds differ in the places that they have, `by_label`."""
    values = dots.pivot_table(index="seed", columns="x", values="value")
    if not values.notna().all(axis=None):
        return by_label(dots)
    names = dots.drop_duplicates("x").set_index("x").label[values.columns].to_numpy()
    mean, low, high = within_seed_interval(values.to_numpy())
    columns = (names, values.columns, len(values), mean, low, high)
    return pd.DataFrame(dict(zip(POINTS, columns, strict=True)))


def by_label(dots: pd.DataFrame) -> pd.DataFrame:
    """A row a label, in the order of the dots: means of x and of the value over seeds, and the value's 95 % t interval."""
    parts = dots.groupby("label", sort=False)
    x, mean = parts[["x", "value"]].mean().to_numpy().T
    low, high = zip(*(paired_interval(values) for _, values in parts.value), strict=True)
    columns = (parts.size().index, x, parts.size().to_numpy(), mean, low, high)
    return pd.DataFrame(dict(zip(POINTS, columns, strict=True)))
