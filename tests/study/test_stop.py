"""Signals and budgets pull the switch."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time

import pytest

from regsearch.errors import ExitCode
from regsearch.study import stop
from regsearch.study.stop import StopSwitch, listening, restore_handlers
from tests.faults import run_child, start_child

SIGNALS = [
    (signal.SIGINT, ExitCode.INTERRUPTED),
    (signal.SIGHUP, ExitCode.INTERRUPTED),
    (signal.SIGTERM, ExitCode.TERMINATED),
]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_pulls_the_switch_and_the_handler_is_put_back(
    number: signal.Signals, code: ExitCode, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    switch = StopSwitch()
    with listening(switch):
        assert not switch.pulled()
        os.kill(os.getpid(), number)
        assert switch.pulled()
    assert switch.code is code
    assert signal.getsignal(number) is before
    assert ("Ctrl-C again" in capfd.readouterr().err) == (number == signal.SIGINT)


def test_handlers_that_native_code_replaced_are_restored() -> None:
    def work() -> None:
        switch = StopSwitch()
        with listening(switch):
            faulthandler.register(signal.SIGTERM)  # a handler that Python does not know of
            os.kill(os.getpid(), signal.SIGTERM)
            assert not switch.pulled()
            restore_handlers()
            os.kill(os.getpid(), signal.SIGTERM)
            assert switch.pulled()

    assert run_child(work) == 0


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(second: signal.Signals) -> None:
    def work() -> None:
        with listening(StopSwitch()):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), second)
            time.sleep(60)

    began = time.monotonic()
    assert run_child(work) == dict(SIGNALS)[second]
    assert time.monotonic() - began < 10


def test_sigterm_ends_a_process_that_does_not_come_to_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stop, "GRACE_S", 0.2)

    def work() -> None:
        with listening(StopSwitch()):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    assert run_child(work) == ExitCode.TERMINATED


def test_nothing_ends_the_process_once_the_study_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stop, "GRACE_S", 0.2)

    def work() -> None:
        with listening(StopSwitch()):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.5)

    assert run_child(work) == 0


def test_ctrl_c_gives_a_long_epoch_all_the_time_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "GRACE_S", 0.1)

    def work() -> None:
        with listening(StopSwitch()):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.4)

    assert run_child(work) == 0


def test_the_first_reason_counts() -> None:
    switch = StopSwitch()
    switch.pull(ExitCode.TERMINATED)
    switch.pull(ExitCode.INTERRUPTED)
    assert switch.code is ExitCode.TERMINATED


def test_the_budget_runs_from_the_start_of_the_study() -> None:
    switch = StopSwitch(time_budget_s=0.05)
    assert not switch.pulled()
    time.sleep(0.06)
    assert switch.pulled()
    assert switch.code is ExitCode.BUDGET


def test_a_thread_leaves_the_handlers_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with listening(StopSwitch()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_signal_from_outside_ends_a_waiting_process_with_its_code() -> None:
    def work() -> None:
        switch = StopSwitch()
        with listening(switch):
            while not switch.pulled():
                time.sleep(0.01)
        os._exit(switch.code or 0)

    child = start_child(work)
    time.sleep(0.3)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == ExitCode.TERMINATED
