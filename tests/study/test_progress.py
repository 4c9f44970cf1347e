"""What a person is told while a study runs."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from regsearch.study.progress import ProgressDisplay, Tally


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only the test lets pass."""
    now = [1000.0]
    monkeypatch.setattr("regsearch.study.progress.time.monotonic", lambda: now[0])
    return now


def make_tally(**changes: object) -> Tally:
    counts = {"runs": 1200, "recorded": 200, "epochs": 1000, "goal": "test_accuracy"}
    return Tally(**{**counts, "higher_is_better": True, **changes})  # type: ignore[arg-type]


def test_the_line_counts_runs_of_this_start_and_of_earlier_ones(clock: list[float]) -> None:
    tally = make_tally()
    assert tally.line() == "200/1,200 runs"
    tally.finished, tally.diverged, tally.failed = 34, 2, 1
    tally.advance(0, 0.5)
    clock[0] += 10
    tally.advance(100, 0.91234)
    tally.advance(0, 0.8)
    assert tally.line() == (
        "234/1,200 runs · 10 epochs/s · 1 min 30 s left · 2 diverged · 1 failed · "
        "best test_accuracy 0.9123"
    )


def test_the_best_of_a_loss_is_the_smallest_and_nan_is_no_best(clock: list[float]) -> None:
    tally = make_tally(higher_is_better=False)
    for value in (float("nan"), 2.0, 1.5, float("nan"), 1.8, None):
        tally.advance(1, value)
    assert tally.best == 1.5


def test_the_rate_is_that_of_the_last_half_minute(clock: list[float]) -> None:
    tally = make_tally(epochs=10_000)
    for _ in range(60):
        clock[0] += 1
        tally.advance(1, None)
    for _ in range(31):
        clock[0] += 1
        tally.advance(20, None)
    assert tally.rate == pytest.approx(20)
    assert tally.eta_s == pytest.approx((10_000 - 60 - 31 * 20) / 20)


def test_epochs_that_take_minutes_have_a_rate_too(clock: list[float]) -> None:
    tally = make_tally()
    for _ in range(3):
        clock[0] += 120
        tally.advance(6, None)
    assert tally.rate == pytest.approx(0.05)


def test_elsewhere_than_on_a_terminal_it_is_a_plain_line_now_and_then(clock: list[float]) -> None:
    told = StringIO()
    tally = make_tally(runs=8, recorded=2)
    with ProgressDisplay(tally, Console(file=told, width=20)) as display:
        for _ in range(24):
            clock[0] += 1
            display.update()
        tally.finished = 3
        clock[0] += 11
        display.update()
    assert told.getvalue().splitlines() == ["2/8 runs", "2/8 runs", "5/8 runs"]


def test_on_a_terminal_it_is_one_line_that_is_gone_at_the_end(clock: list[float]) -> None:
    told = StringIO()
    tally = make_tally(runs=8, recorded=2)
    console = Console(file=told, force_terminal=True, width=80)
    with ProgressDisplay(tally, console) as display:
        for tally.finished in range(4):
            clock[0] += 1
            display.update()
    text = told.getvalue()
    assert [f"{done}/8 runs" in text for done in (2, 3, 4, 5)] == [True] * 4
    assert "\x1b[?25l" in text, "the cursor is hidden while it is live"
    assert text.rstrip("\r\n").endswith("\x1b[2K"), "the line is not erased at the end"


def test_a_flood_of_reports_is_shown_ten_times_a_second(clock: list[float]) -> None:
    told = StringIO()
    with ProgressDisplay(make_tally(), Console(file=told, force_terminal=True)) as display:
        for _ in range(1000):
            clock[0] += 0.001
            display.update()
    assert told.getvalue().count("runs") < 15


def test_a_quiet_console_is_told_nothing(clock: list[float]) -> None:
    told = StringIO()
    with ProgressDisplay(make_tally(), Console(file=told, quiet=True)) as display:
        clock[0] += 60
        display.update()
    assert told.getvalue() == ""
