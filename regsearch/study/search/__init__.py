"""How the cells of a study are chosen: algorithms by name, each one file and one registry line."""

from regsearch.study.search import boundary_search, drawn, grid, optuna_search
from regsearch.study.search._base import (
    ALGORITHMS,
    Answer,
    Candidate,
    Direction,
    Goals,
    Learned,
    Listed,
    Scope,
    Searching,
    Strategy,
)
from regsearch.study.search.samplers import SAMPLERS

__all__ = [
    "ALGORITHMS",
    "SAMPLERS",
    "Answer",
    "Candidate",
    "Direction",
    "Goals",
    "Learned",
    "Listed",
    "Scope",
    "Searching",
    "Strategy",
    "boundary_search",
    "drawn",
    "grid",
    "optuna_search",
]
