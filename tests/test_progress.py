"""Progress: a bar on a terminal, a line now and then in a log, and nothing of what is quick."""

import io

import pytest
from rich.console import Console

from synthgap import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def advanced(clock, seconds, **how):
    with progress.bar("planning", len(seconds), **how) as advance_to:
        for done, at in enumerate(seconds):
            clock[0] = at
            advance_to(done + 1)


def test_a_log_has_a_line_each_quarter_of_a_minute_with_the_time_left(clock, capsys):
    advanced(clock, [1, 11, 21, 31, 41])
    first, last = capsys.readouterr().err.splitlines()
    assert first == "planning: 3 of 5, 21 s, about 21 s left"
    assert last == "planning: 5 of 5, 41 s, about 0 s left"


def test_what_is_usually_quick_is_told_in_a_log_only_if_it_is_not(clock, capsys):
    advanced(clock, [1, 2, 3], after=progress.SOON)
    assert capsys.readouterr().err == ""
    clock[0] = 0
    advanced(clock, [1, 10, 20], after=progress.SOON)
    assert capsys.readouterr().err == "planning: 3 of 3, 20 s, about 0 s left\n"


@pytest.mark.parametrize(("seconds", "shown"), [([1, 2], False), ([1, 5], True)])
def test_a_bar_of_what_is_usually_quick_comes_after_seconds(seconds, shown, clock, monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=written, force_terminal=True, width=80))
    advanced(clock, seconds, after=progress.SOON)
    assert ("planning" in written.getvalue()) == shown
