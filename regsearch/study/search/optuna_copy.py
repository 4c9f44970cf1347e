"""A copy of what is known in Optuna's own form beside the records, for optuna-dashboard.

``optuna-dashboard studies/NAME/optuna.journal`` shows it. It is written anew at every start, from
the records, and nothing reads it.
"""

from __future__ import annotations

from contextlib import suppress

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from regsearch.study.search._base import Scope

NAME = "optuna.journal"


class Copy:
    """The trials of one combination of levels, as a study of Optuna's in the common file."""

    def __init__(self, scope: Scope) -> None:
        self._study: optuna.Study | None = None
        if scope.folder is None:
            return
        file = scope.folder / NAME
        with suppress(OSError):  # a disk that refuses it will refuse the records, which matter
            if scope.number == 0:
                for old in (file, file.with_name(f"{NAME}.lock")):
                    old.unlink(missing_ok=True)
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(file))),
                study_name=scope.name,
                directions=list(scope.goals.values()),
            )
            self._study.set_metric_names(list(scope.goals))

    def add(self, trial: FrozenTrial) -> None:
        """Add a finished trial."""
        if self._study is not None:
            with suppress(OSError):
                self._study.add_trial(trial)
