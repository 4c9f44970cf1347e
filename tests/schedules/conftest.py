"""A schedule's rates over a whole training without warm-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from regsearch.schedules import SCHEDULES, Clock
from regsearch.space import per_run_fields

WholeTraining = Callable[..., Tensor]


@pytest.fixture
def whole_training() -> WholeTraining:
    """Rates ``[epochs * steps, K]`` of runs that differ in ``lr`` and real-valued settings."""

    def rates(
        lr: Sequence[float], settings: Sequence[dict[str, Any]], epochs: int, steps: int = 1
    ) -> Tensor:
        schedule = SCHEDULES[settings[0]["kind"]]
        configs = [schedule.config.model_validate(setting) for setting in settings]
        hp = {
            name: torch.tensor([getattr(c, name) for c in configs], dtype=torch.float64)
            for name in per_run_fields(schedule.config)
        }
        count = epochs * steps
        step = torch.arange(count, dtype=torch.float64)[:, None].expand(count, len(lr))
        clock = Clock(step, torch.full((len(lr),), float(count), dtype=torch.float64), steps)
        return schedule.rates(torch.tensor(lr, dtype=torch.float64), clock, hp, configs[0])

    return rates
