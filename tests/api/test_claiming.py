"""Whose study a folder is, and what of it is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from regsearch.api import Pipeline, Study, load, reporting
from regsearch.errors import ConflictError
from tests.recorded import accuracy, record_all
from tests.tiny import load_tiny, write_tiny

QUESTION = "# Where does \u03b1 stop memorising?\n#\n# And how: does it move?\n"


def go_on(study: Path, pipeline: Pipeline) -> Study:
    return record_all(study, pipeline, lambda run: accuracy(0.5))


@pytest.fixture
def begun(tmp_path: Path) -> Study:
    file = write_tiny(tmp_path)
    file.write_text(f"# yaml-language-server: $schema=x\n{QUESTION}{file.read_text()}# mine\n")
    return go_on(tmp_path / "study", load(file))


@pytest.mark.parametrize("overrides", [[], ["seeds=3"]])
def test_a_study_that_is_run_from_its_own_file_keeps_what_was_written(
    begun: Study, overrides: list[str]
) -> None:
    written = (begun.folder / "spec.yaml").read_text()
    assert written.endswith("# mine\n")
    for _ in range(2):
        again = go_on(begun.folder, load(begun.folder / "resolved.yaml", overrides))
    assert (begun.folder / "spec.yaml").read_text() == written
    asked = "Where does \u03b1 stop memorising?\n\nAnd how: does it move?"
    assert again.facts["question"] == again.pipeline.spec.question == asked
    assert reporting.gather(again).question == asked
    assert len(again.records) == (6 if overrides else 4)


def test_a_new_file_is_the_one_that_was_written(begun: Study, tmp_path: Path) -> None:
    changed = load_tiny(tmp_path, seeds=3)
    assert go_on(begun.folder, changed).facts["question"] == ""
    assert (begun.folder / "spec.yaml").read_text() == changed.spec.text


def test_a_study_has_an_id_of_its_own_and_keeps_it(begun: Study, tmp_path: Path) -> None:
    first = begun.facts["id"]
    assert go_on(begun.folder, load_tiny(tmp_path, seeds=3)).facts["id"] == first
    other = go_on(tmp_path / "other", load_tiny(tmp_path))
    assert other.facts["name"] == begun.facts["name"]
    assert other.facts["id"] != first


def write_arrays(file: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    x, y = draw.random((40, 3)).astype(np.float32), np.arange(40) % 2
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)


def test_other_data_under_the_same_path_are_another_task(tmp_path: Path) -> None:
    mine = tmp_path / "mine.npz"
    write_arrays(mine, 0)
    changes = {"dataset": {"kind": "arrays", "path": str(mine)}}
    noisy = {**changes, "factors": {"dataset.label_noise": [0.0, 0.2]}}
    go_on(tmp_path / "study", load_tiny(tmp_path, **changes))
    go_on(tmp_path / "study", load_tiny(tmp_path, **noisy))
    write_arrays(mine, 1)
    for asked in (changes, noisy):
        with pytest.raises(ConflictError, match=r"dataset\.fingerprint was \"\w+\", is"):
            go_on(tmp_path / "study", load_tiny(tmp_path, **asked))


def test_data_may_be_a_factor(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    for seed, path in enumerate(paths):
        write_arrays(Path(path), seed)
    study = tmp_path / "study"
    for levels in (paths[:1], paths[::-1]):
        changes = {"dataset": {"kind": "arrays"}, "factors": {"dataset.path": levels}}
        found = go_on(study, load_tiny(tmp_path, **changes))
    assert len(found.records) == 8
