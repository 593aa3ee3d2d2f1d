"""How a shortage of memory shows: not as a MemoryError alone. Quick to import, as others cannot be loaded then."""

import errno
import sys

#: bytes of address space that any command needs, and one with workers. With less, linear algebra libraries wait forever.
OF_COMMANDS, OF_WORKERS = 2**30, 2**32
LINE = "memory is short; end other programs, or ask for less (workers=1, smaller mad.images, …)"
_OF_LIBRARIES = (
    "failed to map segment",
    "cannot allocate memory",
    "can't allocate memory",
    "not enough memory",
    "failed to launch worker thread",
    "can't start new thread",
)


def lacking(needed: int) -> str:
    """What to tell where a process may have less address space than that, as `ulimit -v` can say on Linux; else nothing."""
    if sys.platform != "linux":
        return ""
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed == resource.RLIM_INFINITY or allowed >= needed:
        return ""
    may = f"{allowed / 2**30:.1f} GB of address space (ulimit -v)"
    return f"memory is short: a process may have {may} here, and {needed >> 30} GB are needed"


def is_short(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that there is no memory left."""
    while error is not None:
        text = str(error).lower()
        of_system = isinstance(error, OSError) and error.errno == errno.ENOMEM
        of_library = any(said in text for said in _OF_LIBRARIES)
        if isinstance(error, MemoryError) or of_system or of_library:
            return True
        error = error.__cause__ or error.__context__
    return False
