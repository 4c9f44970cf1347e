"""One operation: start, go on, extend, retry. What exists is never trained again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from regsearch.api import Pipeline, load, open_study, run, running
from regsearch.api.planning import Survey
from regsearch.errors import ConflictError, DataError, ExitCode, UnknownName
from regsearch.records import Status, Store
from regsearch.study import work
from regsearch.study.lock import hold
from regsearch.study.stop import StopSwitch
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from tests.invariants import check_invariants
from tests.tiny import (
    TINY,
    StandIn,
    load_tiny,
    marked,
    recorded,
    without_pilot,
    without_report,
    write_tiny,
)


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_report(monkeypatch)
    without_pilot(monkeypatch)
    monkeypatch.setattr(running, "InProcessExecutor", StandIn)
    monkeypatch.setattr(StandIn, "marks", tmp_path / "marks", raising=False)


@pytest.fixture
def really_train(monkeypatch: pytest.MonkeyPatch, stand_in: None) -> None:
    from regsearch.study.executors import InProcessExecutor

    monkeypatch.setattr(running, "InProcessExecutor", InProcessExecutor)


def train(folder: Path, **changes: Any) -> list[str]:
    """Run the tiny study in ``folder``; gives the runs that were trained."""
    before = len(marked(StandIn.marks))
    pipeline = load_tiny(folder, **changes)
    code = run(pipeline, folder / "study", in_process=True)
    assert code is ExitCode.DONE
    check_invariants(
        folder / "study",
        set(recorded(folder / "study")) | planned(pipeline),
        exit_code=None,
    )
    assert planned(pipeline) <= recorded(folder / "study").keys()
    return marked(StandIn.marks)[before:]


def planned(pipeline: Pipeline) -> set[str]:
    return {planned.run for planned in pipeline.expand()}


def survey(pipeline: Pipeline, study: Path) -> tuple[int, int]:
    plan = pipeline.plan(study)
    assert isinstance(plan, Survey)
    return sum(run.run in plan.recorded for run in plan.runs), plan.plan.count


def test_a_second_run_trains_nothing(tmp_path: Path) -> None:
    assert len(train(tmp_path)) == 4
    assert train(tmp_path) == []


DECAYS = {"regularizers": [{"kind": "weight_decay", "decay": [0.0, 0.01, 0.1]}]}
NOISE = {"dataset": {"kind": "digits", "train_size": 32}, "factors": {}}


@pytest.mark.parametrize(
    ("extension", "new"),
    [
        ({"seeds": 5}, 6),
        ({"seeds": [7, 0, 1]}, 2),
        ({"search_space": DECAYS}, 2),
        ({"factors": {"dataset.label_noise": [0.0, 0.4]}}, 4),
        ({"factors": {"train.optimizer.lr": [0.01, 0.1]}, "train": {"optimizer": {"kind": "adam"},
          "epochs": 2, "batch_size": 16}}, 4),
        ({"search_space": DECAYS, "seeds": 3, "factors": {"dataset.label_noise": [0.0, 0.4]}}, 14),
    ],
)  # fmt: skip
def test_an_extension_trains_what_is_missing_and_the_plan_says_so(
    tmp_path: Path, extension: dict[str, Any], new: int
) -> None:
    first = set(train(tmp_path))
    grown = load_tiny(tmp_path, **extension)
    kept = len(planned(grown) & first)
    assert survey(grown, tmp_path / "study") == (kept, new)
    second = train(tmp_path, **extension)
    assert len(second) == len(set(second)) == new
    assert not first & set(second)
    assert survey(grown, tmp_path / "study") == (kept + new, 0)


def test_a_further_noise_level_trains_that_level(tmp_path: Path) -> None:
    train(tmp_path, factors={"dataset.label_noise": [0.0, 0.4]})
    assert len(train(tmp_path, factors={"dataset.label_noise": [0.0, 0.4, 0.8]})) == 4
    assert train(tmp_path, factors={"dataset.label_noise": [0.8, 0.0]}) == [], "a smaller study"
    assert train(tmp_path) == [], "without the factor"


def test_order_of_keys_name_of_the_file_and_place_of_the_folder_do_not_matter(
    tmp_path: Path,
) -> None:
    train(tmp_path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    (tmp_path / "study").rename(other / "moved")
    file = other / "renamed.yaml"
    file.write_text(yaml.safe_dump(dict(reversed(TINY.items())), sort_keys=False))
    assert run(load(file), other / "moved", in_process=True) is ExitCode.DONE
    assert len(marked(StandIn.marks)) == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"train": {**TINY["train"], "epochs": 3}}, r"train.epochs was 2, is 3"),
        ({"model": {"kind": "mlp", "widths": [3]}}, r"model.widths was \[2\], is \[3\]"),
        ({"model": {"kind": "dnn", "width": 4}}, r'model.kind was "mlp", is "dnn"'),
        ({"dataset": {"kind": "digits", "train_size": 40}}, "dataset.train_size was 32, is 40"),
    ],
)
def test_another_task_is_refused_and_nothing_is_changed(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    train(tmp_path)
    files = {file: file.read_bytes() for file in (tmp_path / "study").glob("*.yaml")}
    with pytest.raises(ConflictError, match=f"(?s){told}.*--fresh"):
        run(load_tiny(tmp_path, **change), tmp_path / "study", in_process=True, retry_failed=True)
    assert {file: file.read_bytes() for file in files} == files
    assert len(recorded(tmp_path / "study")) == 4


def test_another_task_is_welcome_before_the_first_record(tmp_path: Path) -> None:
    pipeline = load_tiny(tmp_path, dataset={"kind": "mnist", "data_root": str(tmp_path)})
    with pytest.raises(DataError):
        run(pipeline, tmp_path / "study", in_process=True)
    assert len(train(tmp_path)) == 4


def test_fresh_puts_the_old_study_aside_whole(tmp_path: Path) -> None:
    train(tmp_path)
    for ending in ("wal", "shm"):
        (tmp_path / "study" / f"study.db-{ending}").touch()
    change = {"train": {**TINY["train"], "epochs": 3}}
    for _ in range(2):  # twice within a second
        code = run(load_tiny(tmp_path, **change), tmp_path / "study", in_process=True, fresh=True)
        assert code is ExitCode.DONE
    first, second = sorted(tmp_path.glob("study.2*"))
    assert len(recorded(first)) == len(recorded(second)) == len(recorded(tmp_path / "study")) == 4
    assert {record.task["train"]["epochs"] for record in recorded(first).values()} == {2}
    assert {record.task["train"]["epochs"] for record in recorded(second).values()} == {3}


def test_fresh_starts_where_there_is_nothing(tmp_path: Path) -> None:
    pipeline = load_tiny(tmp_path)
    assert run(pipeline, tmp_path / "study", in_process=True, fresh=True) is ExitCode.DONE
    assert not list(tmp_path.glob("study.2*"))


@pytest.mark.parametrize("fresh", [True, False])
def test_a_live_driver_is_left_alone(tmp_path: Path, fresh: bool) -> None:
    train(tmp_path)
    with hold(tmp_path / "study"), pytest.raises(ConflictError, match=r"run by process \d+ on"):
        run(load_tiny(tmp_path, seeds=9), tmp_path / "study", in_process=True, fresh=fresh)
    assert len(recorded(tmp_path / "study")) == 4


def test_records_and_status_are_of_what_the_file_asks_for(tmp_path: Path) -> None:
    train(tmp_path, seeds=5)
    train(tmp_path, seeds=2)
    status = open_study(tmp_path / "study").status()
    assert (status["planned"], status["completed"], status["missing"]) == (4, 4, 0)
    assert status["running"] is None


def test_a_study_that_was_killed_before_it_began_says_so(tmp_path: Path) -> None:
    with Store.open(tmp_path / "study"):
        pass
    with pytest.raises(UnknownName, match="before it began"):
        open_study(tmp_path / "study").status()


def test_the_executor_that_forgets_runs_is_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StandIn, "run", lambda *ignored: None)
    with pytest.raises(RuntimeError, match="4 runs have no record"):
        run(load_tiny(tmp_path), tmp_path / "study", in_process=True)


def test_a_budget_that_ends_after_the_last_run_is_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StopSwitch, "pulled", lambda switch: switch.pull(ExitCode.BUDGET))
    pipeline = load_tiny(tmp_path, budget={"time_budget_s": 1e6})
    assert run(pipeline, tmp_path / "study", in_process=True) is ExitCode.DONE


@pytest.mark.usefixtures("really_train")
def test_diverged_runs_are_results_and_do_not_touch_their_neighbours(tmp_path: Path) -> None:
    schedule = {"optimizer": {"kind": "sgd"}, "epochs": 3, "batch_size": 16}
    rates = {"train": schedule, "factors": {"train.optimizer.lr": [0.1, 1e38]}, "seeds": 3}
    rates["model"] = {"kind": "mlp", "widths": [16]}
    mixed = load_tiny(tmp_path, pack=12, **rates)
    assert run(mixed, tmp_path / "mixed", in_process=True) is ExitCode.DONE
    mixed_records = recorded(tmp_path / "mixed")
    wild = {
        name
        for name, record in mixed_records.items()
        if record.task["train"]["optimizer"]["lr"] == 1e38
    }
    assert {n for n, r in mixed_records.items() if r.status is Status.DIVERGED} == wild
    assert len(wild) == 6
    status = open_study(tmp_path / "mixed").status()
    assert (status["completed"], status["diverged"]) == (6, 6)

    tame = load_tiny(tmp_path, pack=6, **{**rates, "factors": {"train.optimizer.lr": [0.1]}})
    assert run(tame, tmp_path / "tame", in_process=True) is ExitCode.DONE
    for name, record in recorded(tmp_path / "tame").items():
        for quantity, curve in record.curves.items():
            np.testing.assert_allclose(mixed_records[name].curves[quantity], curve, rtol=1e-5)


@pytest.mark.usefixtures("really_train")
def test_out_of_memory_is_met_with_smaller_packs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Training(PackTraining):
        def __init__(self, tasks: Sequence[Any], engine: Engine) -> None:
            if len(tasks) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            super().__init__(tasks, engine)

    monkeypatch.setattr(work, "PackTraining", Training)
    assert run(load_tiny(tmp_path, pack=4), tmp_path / "s", in_process=True) is ExitCode.DONE
    assert {record.provenance["pack"] for record in recorded(tmp_path / "s").values()} == {2}


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no archive", b"text"])
def test_bad_data_is_found_before_anything_starts(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "mine.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.npz"):
        run(
            load_tiny(tmp_path, dataset={"kind": "arrays", "path": str(file)}),
            tmp_path / "study",
            in_process=True,
        )
    assert marked(StandIn.marks) == []


def test_missing_mnist_is_found_before_anything_starts(tmp_path: Path) -> None:
    pipeline = load_tiny(tmp_path, dataset={"kind": "mnist", "data_root": str(tmp_path)})
    with pytest.raises(DataError, match=r"mnist.*train-images"):
        run(pipeline, tmp_path / "study", in_process=True)
    assert marked(StandIn.marks) == []


def test_too_large_a_validation_set_is_found_before_anything_starts(tmp_path: Path) -> None:
    pipeline = load_tiny(tmp_path, dataset={**TINY["dataset"], "validation": 32})
    with pytest.raises(DataError, match="validation 32 leaves none"):
        run(pipeline, tmp_path / "study", in_process=True)


def test_the_folder_may_lie_next_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = load(write_tiny(tmp_path)).run(in_process=True)
    assert study.folder == tmp_path / "studies" / "tiny"
    assert len(study.records) == 4
    shutil.rmtree(tmp_path / "studies")
