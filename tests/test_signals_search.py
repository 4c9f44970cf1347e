"""Ctrl-C and SIGTERM while a scheduler or a search that learns is at work on Ray."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from regsearch.errors import ExitCode
from regsearch.study.checkpoints import begun
from tests.invariants import check_invariants
from tests.subjects import ASHA, TPE, Subject

pytestmark = [pytest.mark.slow, pytest.mark.ray]


def interrupt(subject: Subject, *signals: int) -> tuple[int, float]:
    """Start, train for a while, send ``signals``; the exit code and the seconds that it took."""
    heard = subject.trained()
    subject.start()
    subject.wait_for(lambda: subject.trained() >= heard + 4)
    before = {run: record.status for run, record in subject.records().items()}
    began = time.monotonic()
    for number in signals:
        subject.send(number)
        time.sleep(0.02)
    code, seconds = subject.end(), time.monotonic() - began
    clean = code if len(signals) == 1 else None
    check_invariants(subject.study, subject.planned().keys(), acknowledged=before, exit_code=clean)
    assert len(subject.records()) < 16, "the signal came too late to mean anything"
    return code, seconds


@pytest.mark.parametrize("search", [ASHA, TPE], ids=["asha", "tpe"])
def test_signals_save_what_trains_and_the_study_ends_as_if_there_had_been_none(
    search: dict[str, object], tmp_path: Path
) -> None:
    with Subject(tmp_path, **search) as subject:
        code, seconds = interrupt(subject, signal.SIGTERM)
        assert (code, seconds < 10) == (ExitCode.TERMINATED, True), (code, seconds, subject.told)
        saved = {run for names in begun(subject.study / "checkpoints") for run in names}
        assert saved, "what was in training is saved"
        assert saved.isdisjoint(subject.records())
        code, _ = interrupt(subject, signal.SIGINT)
        assert code == ExitCode.INTERRUPTED, subject.told
        assert "Ctrl-C again stops at once" in subject.told
        assert "give the same command again to go on" in subject.told
        code, seconds = interrupt(subject, signal.SIGINT, signal.SIGINT)
        assert (code, seconds < 5) == (ExitCode.INTERRUPTED, True), (code, seconds, subject.told)
        subject.start()
        assert subject.end() == ExitCode.DONE, subject.told
        assert str(subject.account()) == "16 runs finished, 0 lost, 0 trained twice, 0 wrong"
