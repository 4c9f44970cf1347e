"""The files of a study that MLflow keeps with its parent run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FILES = ("spec.yaml", "resolved.yaml", "records.csv", "report.html", "figures/*")


class StudyFile(NamedTuple):
    """One file with its place in the study folder and a hash of its content."""

    file: Path
    path: str  # "figures/plane.svg"
    digest: str

    @property
    def folder(self) -> str:
        """The folder among the artifacts, empty for their root."""
        return self.path.rpartition("/")[0]


def study_files(folder: Path) -> Iterator[StudyFile]:
    """The files to keep, as far as there are any."""
    for pattern in FILES:
        for file in sorted(folder.glob(pattern)):
            if file.is_file():
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                yield StudyFile(file, file.relative_to(folder).as_posix(), digest)
