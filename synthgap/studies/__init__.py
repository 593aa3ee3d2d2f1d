"""Studies: a question, a grid of runs, claims and a figure, read from one YAML file."""

from synthgap.studies.grid import expand
from synthgap.studies.reading import check_names, load
from synthgap.study import Claim, Study, available, claim_hash, seeds, told
from synthgap.tables import CASE

__all__ = [
    "CASE",
    "Claim",
    "Study",
    "available",
    "check_names",
    "claim_hash",
    "expand",
    "load",
    "seeds",
    "told",
]
