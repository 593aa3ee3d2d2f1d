"""The one error a user's mistake raises: what was wrong, where, and what would be right."""

from collections.abc import Iterable
from difflib import get_close_matches


class DrawingFailedError(RuntimeError):
    """A dataset could not be drawn through no fault of what was asked: a process of it died, or memory was short."""


class NotStartedError(RuntimeError):
    """Worker processes could not be started through no fault of what was asked."""


class InputError(ValueError):
    """A mistake in what the user gave (an option, a file, a claim), explained in one line."""


def one_line(text: str) -> str:
    """The text on one line, and what cannot be printed, as bytes of a damaged file, spelled out: \\x1b, not an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))


def first_line(error: Exception) -> str:
    """The first line of what an error says, or else its name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def unknown(what: str, name: object, allowed: Iterable[object], meant: str | None = None) -> InputError:
    """An `InputError` for a name that is not among the allowed ones, with the one that is meant, or the nearest, suggested."""
    names = [str(option) for option in allowed]
    near = [meant] if meant in names else get_close_matches(str(name), names, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InputError(f"unknown {what} {str(name)!r}{hint} (allowed: {', '.join(names)})")
