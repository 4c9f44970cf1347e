"""Schedules: each file holds one way in which the learning rate changes during training."""

from regsearch.schedules import constant, cosine, exponential, multi_step, sigmoid, step
from regsearch.schedules._base import SCHEDULES, Clock, Gradual, Schedule, ScheduleConfig, problems

__all__ = [
    "SCHEDULES",
    "Clock",
    "Gradual",
    "Schedule",
    "ScheduleConfig",
    "constant",
    "cosine",
    "exponential",
    "multi_step",
    "problems",
    "sigmoid",
    "step",
]
