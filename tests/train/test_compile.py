"""A compiler that fails costs speed, never a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from regsearch.train import compile as compiling
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining


def refuse(error: Exception) -> Callable[..., Any]:
    def compiled(*_: object, **__: object) -> Callable[..., Any]:
        def step(*_: object) -> None:
            raise error

        return step

    return compiled


def broken_backend() -> BackendCompilerFailed:
    return BackendCompilerFailed(lambda: None, KeyError("buf40"), None)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_compiled", {})


def test_where_the_compiler_fails_the_step_runs_as_it_is(
    make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager = PackTraining([make_task()], Engine())
    eager.run_epoch()
    monkeypatch.setattr(torch, "compile", refuse(broken_backend()))
    pack = PackTraining([make_task()], Engine(compile=True))
    with pytest.warns(RuntimeWarning, match="not compiled, so slower: .*buf40"):
        pack.run_epoch()
    pack.run_epoch()  # once it is known, nothing more is said
    eager.run_epoch()
    for name, value in eager.state.params.items():
        assert torch.equal(pack.state.params[name], value)


def test_what_cannot_be_compiled_whole_is_compiled_without_its_writing(
    make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Callable[..., Any]] = []

    def compiled(function: Callable[..., Any], **_: object) -> Callable[..., Any]:
        tried.append(function)
        return refuse(broken_backend())() if len(tried) == 1 else function

    eager = PackTraining([make_task()], Engine())
    monkeypatch.setattr(torch, "compile", compiled)
    pack = PackTraining([make_task()], Engine(compile=True))
    for training in (eager, pack):  # and nothing warns
        training.run_epoch()
        training.run_epoch()
    assert [function.__name__ for function in tried] == ["advance", "step"]
    for name, value in eager.state.params.items():
        assert torch.equal(pack.state.params[name], value)


def test_an_error_of_the_step_itself_is_no_matter_of_the_compiler(
    make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", refuse(RuntimeError("shapes differ")))
    pack = PackTraining([make_task()], Engine(compile=True))
    with pytest.raises(RuntimeError, match="shapes differ"):
        pack.run_epoch()
