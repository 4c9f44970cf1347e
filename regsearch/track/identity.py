"""Which study it is that MLflow shows: an id of its own, for two studies may share a name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from regsearch.errors import UnknownName
from regsearch.records import Store


class Identity(NamedTuple):
    """The ``id`` is drawn when a study begins and stays; the ``name`` is for people."""

    id: str
    name: str


def identify(folder: Path) -> Identity:
    """What the study's store says of itself; where it says nothing, the folder's name."""
    try:
        with Store.open(folder, read_only=True) as store:
            facts = store.facts()
    except UnknownName:
        facts = {}
    name = str(facts.get("name") or folder.resolve().name)
    return Identity(str(facts.get("id") or name), name)
