"""Runs: planned, claimed, trained, kept; then gathered into one tidy table."""

from synthgap.runs.estimate import estimate, held
from synthgap.runs.plan import Plan, Task, missing_datasets, plan, to_train_again, with_starts
from synthgap.runs.prepare import prepare
from synthgap.runs.results import collect, failure_in, failures, record_failure, verify, verify_all
from synthgap.runs.worker import limit_threads, pass_on, running, work, workers_in

__all__ = [
    "Plan",
    "Task",
    "collect",
    "estimate",
    "failure_in",
    "failures",
    "held",
    "limit_threads",
    "missing_datasets",
    "pass_on",
    "plan",
    "prepare",
    "record_failure",
    "running",
    "to_train_again",
    "verify",
    "verify_all",
    "with_starts",
    "work",
    "workers_in",
]
