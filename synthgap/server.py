"""The server that workers are forks of: it can load what they need while the command still plans. Quick to import."""

from multiprocessing.context import BaseContext

from data_gen import processes

#: What workers need and takes seconds to load. scikit-learn is not among it: a run needs it only once it is trained.
LOADED_ONCE = ("synthgap.runs.execution",)
#: What processes read when they start. glibc hands a step's large blocks back to the system and faults them in again at the
#: next, a third of a run's time; and libraries of linear algebra, also those that load later, have a thread a worker.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def context() -> BaseContext:
    """How workers start; within `processes.inheriting(ENVIRONMENT)`."""
    return processes.context(*LOADED_ONCE)


def start() -> None:
    """Start it now, where there is one (see `processes.context`): it loads beside whatever this process does next."""
    with processes.inheriting(ENVIRONMENT):
        processes.start_server(*LOADED_ONCE)
