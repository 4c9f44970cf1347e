"""Whose study a folder is: made this pipeline's, refused to another task, or put aside."""

from __future__ import annotations

import json
import time
import uuid
from datetime import datetime
from pathlib import Path

import yaml

from regsearch import disk
from regsearch.api.pipeline import Pipeline
from regsearch.errors import ConflictError
from regsearch.records import Store
from regsearch.study.lock import hold
from regsearch.study.provenance import git_commit, versions


def claim(folder: Path, store: Store, pipeline: Pipeline) -> None:
    """Make the folder this pipeline's, unless it holds records of another task.

    Raises:
        ConflictError: it does; the message names every value that differs.
    """
    task = pipeline.task_in_common()
    facts = store.facts()
    before = facts.get("task")
    if before is not None and store.statuses():
        # a key that only one of them has belongs to a factor, or to a kind that differs
        changed = [key for key in before if key in task and before[key] != task[key]]
        if changed:
            shown = "; ".join(
                f"{key} was {json.dumps(before[key])}, is {json.dumps(task[key])}"
                for key in changed
            )
            raise ConflictError(
                f"{folder} holds records of another task: {shown}. Give the file another name:, "
                "or --fresh to put the old study aside"
            )
    store.set_facts(
        id=facts.get("id") or uuid.uuid4().hex,
        name=pipeline.spec.name,
        task=task,
        question=pipeline.spec.question,
        versions=versions(),
        git_commit=git_commit(),
    )
    if not _is_own_file(folder, pipeline):
        disk.write_atomically(folder / "spec.yaml", pipeline.spec.text.encode())
    disk.write_atomically(folder / "resolved.yaml", to_yaml(pipeline))


def put_aside(folder: Path) -> Path | None:
    """Rename the study in ``folder``, whole, and say to what; ``None`` if there is none.

    Raises:
        ConflictError: a driver is running it.
    """
    if not any(folder.glob("study.db*")):
        return None
    with hold(folder), disk.storage_faults(folder, "rename"):
        while (aside := _named_now(folder)).exists():
            time.sleep(0.1)
        return folder.rename(aside)


def _named_now(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.{datetime.now():%Y%m%d-%H%M%S}")


def _is_own_file(folder: Path, pipeline: Pipeline) -> bool:
    """Whether the pipeline was read from the study's own file: then ``spec.yaml`` is older."""
    resolved = folder / "resolved.yaml"
    return (
        (folder / "spec.yaml").exists()
        and resolved.exists()
        and resolved.read_text(encoding="utf-8") == pipeline.spec.text
    )


def to_yaml(pipeline: Pipeline) -> bytes:
    """The question as a comment, as in the file that it came from, and every value."""
    question = "".join(f"# {line}".rstrip() + "\n" for line in pipeline.spec.question.splitlines())
    values = yaml.safe_dump(pipeline.spec.resolved(), sort_keys=False, allow_unicode=True)
    return f"{question}{values}".encode()
