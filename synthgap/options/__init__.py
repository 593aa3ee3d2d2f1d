"""The options of a run: schemas, overrides, and the resolved config of one run."""

from synthgap.options.checks import check_encoders
from synthgap.options.compose import resolve
from synthgap.options.identity import OF_AVMNIST, UNREAD, as_finetuned, as_trained, get, run_id, size_of
from synthgap.options.overrides import (
    MOST_RUNS,
    chosen_by,
    files_of_metrics,
    folder,
    is_choice,
    parse,
    reading,
    typed,
    values,
    written,
)
from synthgap.options.schema import (
    AFTERWARDS,
    GROUPS,
    PLACES,
    Run,
    declared_in,
    keys,
    notice,
    register,
    types,
)

__all__ = [
    "AFTERWARDS",
    "GROUPS",
    "MOST_RUNS",
    "OF_AVMNIST",
    "PLACES",
    "UNREAD",
    "Run",
    "as_finetuned",
    "as_trained",
    "check_encoders",
    "chosen_by",
    "declared_in",
    "files_of_metrics",
    "folder",
    "get",
    "is_choice",
    "keys",
    "notice",
    "parse",
    "reading",
    "register",
    "resolve",
    "run_id",
    "size_of",
    "typed",
    "types",
    "values",
    "written",
]
