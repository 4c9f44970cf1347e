"""Pack size and engine: measured once, kept with the study, as the file says where it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from regsearch.errors import DataError, RegsearchError, SpecError
from regsearch.study import packing
from regsearch.study.packing import Chooser
from regsearch.study.ray_session import Node, Resources
from regsearch.train.engine import Engine
from regsearch.train.pilot import Advice
from regsearch.train.task import Task
from tests.tiny import load_tiny


@pytest.fixture
def pilots(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int | None]]:
    """Runs, workers and upper bound of each pilot; it always advises packs of 3, compiled."""
    asked: list[tuple[int, int, int | None]] = []

    def pilot(
        tasks: Sequence[Task], workers: int, engine: Engine, most: int | None, sharing: None
    ) -> Advice:
        asked.append((len(tasks), workers, most))
        return Advice(3, compile=True, seconds=10.0, bytes_per_run=100)

    monkeypatch.setattr(packing, "pilot", pilot)
    return asked


def choose(folder: Path, remembered: dict[str, Any], **changes: Any) -> tuple[Chooser, int, Engine]:
    pipeline = load_tiny(folder, **changes)
    chooser = Chooser(pipeline.spec, 2, remembered)
    most, engine = chooser.choose("structure", pipeline.expand())
    return chooser, most, engine


AUTO = {"pack": "auto", "compile": "auto", "seeds": 4}


def test_auto_follows_the_pilot(tmp_path: Path, pilots: list[Any]) -> None:
    chooser, most, engine = choose(tmp_path, {}, **AUTO)
    assert (most, engine.compile, engine.device, engine.threads) == (3, True, "cpu", 1)
    assert (chooser.seconds, chooser.bytes) == (10.0, 300)
    assert pilots == [(8, 2, None)]


@pytest.mark.parametrize(("pack", "most", "bound"), [("off", 3, 1), (5, 5, 5), (999, 8, 999)])
def test_the_file_bounds_packs(
    tmp_path: Path, pilots: list[Any], pack: object, most: int, bound: int
) -> None:
    assert choose(tmp_path, {}, **{**AUTO, "pack": pack})[1] == most
    assert pilots == [(8, 2, bound)]


@pytest.mark.parametrize("compile_it", [True, False])
def test_the_file_decides_about_compiling(
    tmp_path: Path, pilots: list[Any], compile_it: bool
) -> None:
    assert choose(tmp_path, {}, **{**AUTO, "compile": compile_it})[2].compile is compile_it


def test_what_was_chosen_is_kept_for_the_rest_of_the_study(
    tmp_path: Path, pilots: list[Any]
) -> None:
    first = choose(tmp_path, {}, **AUTO)[0]
    second, most, engine = choose(tmp_path, first.remembered, **{**AUTO, "seeds": 2})
    assert len(pilots) == 1
    assert (most, engine.compile) == (3, True)
    assert second.seconds == 5.0, "half of the runs take half of the time"


def test_the_time_of_a_structure_counts_once_however_often_its_runs_are_packed(
    tmp_path: Path, pilots: list[Any]
) -> None:
    runs = load_tiny(tmp_path, **AUTO).expand()
    chooser = Chooser(load_tiny(tmp_path, **AUTO).spec, 2, {})
    for batch in (runs[:2], runs[2:4]):
        chooser.choose("structure", batch, amount=8)
    assert chooser.seconds == 10.0
    chooser.choose("another", runs)
    assert chooser.seconds == 20.0


@pytest.mark.parametrize("change", [{"seeds": 5}, {"pack": 2}, {"compile": False}])
def test_a_study_that_grows_or_asks_for_other_packs_is_measured_again(
    tmp_path: Path, pilots: list[Any], change: dict[str, Any]
) -> None:
    first = choose(tmp_path, {}, **AUTO)[0]
    choose(tmp_path, first.remembered, **{**AUTO, **change})
    assert len(pilots) == 2


def test_a_pilot_that_fails_leaves_it_to_the_packs_to_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pilot(*ignored: object, **too: object) -> Advice:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(packing, "pilot", pilot)
    assert choose(tmp_path, {}, **AUTO)[1] == 4, "an equal share for each of two workers"


def test_a_mistake_of_the_user_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pilot(*ignored: object, **too: object) -> Advice:
        raise DataError("no such file")

    monkeypatch.setattr(packing, "pilot", pilot)
    with pytest.raises(DataError, match="no such file"):
        choose(tmp_path, {}, **AUTO)


@pytest.mark.parametrize(
    ("cpu", "gpu", "nodes", "slots", "sharing"),
    [
        (1, 0, [(2, 0)], 2, 2),
        (0.1, 0, [(1, 0)], 10, 10),
        (3, 0, [(8, 0)], 2, 2),
        (1, 0.25, [(64, 2)], 8, 4),
        (4, 1, [(8, 8)], 2, 1),
        (3, 0, [(2, 0), (4, 0)], 1, 1),  # not 6 CPUs
        (1, 0.5, [(4, 0), (2, 1)], 2, 2),  # the CPUs of the one, the GPU of the other
        (2, 0.5, [(4, 0), (2, 1)], 1, 1),
        (1, 0.4, [(8, 2)], 4, 2),  # what is left of two GPUs is not one
        (1, 2, [(8, 3), (8, 2)], 2, 1),
        (1, 0, [(4, 0), (2, 1)], 6, 4),
    ],
)
def test_as_many_trials_as_fit_on_each_node(
    cpu: float, gpu: float, nodes: list[Node], slots: int, sharing: int
) -> None:
    assert Resources(cpu, gpu).slots(nodes) == slots
    assert Resources(cpu, gpu).sharing(nodes) == sharing


def test_what_no_single_node_has_is_told_node_by_node() -> None:
    told = r"asks for 3 CPUs and 1 GPUs, but there are 4 CPUs and 0 GPUs and 2 CPUs and 1 GPUs on 2"
    with pytest.raises(RegsearchError, match=told):
        Resources(3, 1).slots([(4, 0), (2, 1)])


def test_a_pilot_here_knows_how_many_share_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    def pilot(*ignored: object, sharing: int) -> Advice:
        told.append(sharing)
        return Advice(1, compile=False, seconds=1.0, bytes_per_run=1)

    monkeypatch.setattr(packing, "pilot", pilot)
    pipeline = load_tiny(tmp_path)
    Chooser(pipeline.spec, 8, {}, sharing=4).choose("structure", pipeline.expand())
    assert told == [4]


def test_ray_divides_one_gpu_and_no_second(tmp_path: Path) -> None:
    for gpu in (0.25, 1.0, 2.0):
        load_tiny(tmp_path, resources_per_trial={"gpu": gpu}, device="cpu")
    with pytest.raises(SpecError, match=r"resources_per_trial.gpu: needs a fraction .* got 1.5"):
        load_tiny(tmp_path, resources_per_trial={"gpu": 1.5})
