"""How many runs `boundary` needs to find a boundary, replayed on a dense grid that was measured.

The grid is data/boundary_digits.csv: 17 x 17 cells of (v, alpha) on digits with 40 % wrong labels,
made by data/boundary_digits.yaml. The finder asks for runs and the table answers. What is printed:
the share of cells on the wrong side, and the mean distance of the boundary in grid steps, against
the dense grid with all its seeds; for the finder, and for the same number of runs spread otherwise:
on the dense grid with fewer seeds, on coarser grids, at random. All but the dense grid infer the
cells they have not measured by the finder's own rule. Run by hand:

    python benchmarks/bench_boundary.py [--replays 4]
    python benchmarks/bench_boundary.py --table STUDY/records.csv    # writes the table anew
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import machine
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regsearch.study.coarse_to_fine import coarse_to_fine
from regsearch.study.search.boundary import Boundary
from regsearch.study.search.level_map import Place

DATA = Path(__file__).parent / "data" / "boundary_digits.csv"
ROUND = 25
"""Runs asked at once."""
AXES = ["alpha", "v"]
Array = NDArray[np.float64]
Measured = dict[Place, dict[int, float | None]]


class Plane(NamedTuple):
    """Margins over a level, [alpha, v, seeds], and how the level is said."""

    name: str
    margins: Array

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Which cells lie above, by all seeds."""
        return np.asarray(self.margins.mean(axis=-1) > 0)

    def turned(self, number: int) -> Plane:
        """The same plane, begun with another seed."""
        return self._replace(margins=np.roll(self.margins, number, axis=-1))

    def answer(self, asked: list[tuple[Place, int]], runs: Measured) -> None:
        """Enter what the table says of these runs."""
        for place, seed in asked:
            assert seed not in runs.get(place, {}), "a run was asked for twice"
            runs.setdefault(place, {})[seed] = float(self.margins[(*place, seed)])


class Score(NamedTuple):
    """What a number of runs tell of the boundary."""

    runs: float
    wrong: float  # share of cells on the other side than all seeds of the dense grid say
    distance: float  # between the boundaries, in grid steps


def write_table(records: Path) -> None:
    """Keep of a study's records what the replay needs."""
    frame = pd.read_csv(records)
    frame = frame.rename(columns={f"volumization.{axis}": axis for axis in AXES})
    value = frame["test_accuracy_last10"].where(frame["status"] == "completed")
    frame = frame.assign(test_accuracy_last10=value.round(5))
    kept = frame[["regularizer", *AXES, "seed", "test_accuracy_last10"]]
    kept = kept.sort_values(["regularizer", *AXES, "seed"], ignore_index=True)
    DATA.parent.mkdir(exist_ok=True)
    kept.to_csv(DATA, index=False)
    print(f"{len(kept)} runs in {DATA.name}")


def read_planes() -> list[Plane]:
    """The plane over two thresholds, and over no regularizer (paired by seed)."""
    table = pd.read_csv(DATA)
    baseline = table[table["regularizer"] == "none"].set_index("seed")["test_accuracy_last10"]
    cells = table[table["regularizer"] == "volumization"]
    wide = cells.pivot_table("test_accuracy_last10", AXES, "seed", dropna=False)
    lengths = [cells[axis].nunique() for axis in AXES]
    values = wide.fillna(-np.inf).to_numpy().reshape(*lengths, -1)
    return [
        Plane("accuracy above 0.85", values - 0.85),
        Plane("accuracy above 0.80", values - 0.80),
        Plane("3 points better than none", values - baseline.sort_index().to_numpy() - 0.03),
    ]


def finder(plane: Plane, error: float) -> Boundary:
    """The finder for a plane, with all seeds."""
    *lengths, seeds = plane.margins.shape
    return Boundary(lengths, seeds, error)


def replay(plane: Plane, error: float = 0.05) -> Iterator[Score]:
    """The finder's score after each round until it asks for nothing."""
    boundary, runs = finder(plane, error), Measured()
    while asked := boundary.ask(runs, ROUND):
        plane.answer(asked, runs)
        yield score(plane, boundary.above(runs), runs)


def inferred(plane: Plane, asked: list[tuple[Place, int]]) -> Score:
    """The score of runs that were not chosen by the finder, by the finder's rule of inference."""
    runs = Measured()
    plane.answer(asked, runs)
    return score(plane, finder(plane, 0.05).above(runs), runs)


def raw(plane: Plane, seeds: int) -> Score:
    """The dense grid, each cell on the side of its own mean over the first seeds."""
    mean = plane.margins[..., :seeds].mean(axis=-1)
    runs = mean.size * seeds
    return Score(runs, float((plane.truth != (mean > 0)).mean()), distance(plane.truth, mean > 0))


def coarse(plane: Plane, level: int, seeds: int) -> Score:
    """A coarser grid with some seeds."""
    places = [p for at, p in coarse_to_fine(plane.truth.shape) if at <= level]
    return inferred(plane, list(itertools.product(places, range(seeds))))


def at_random(plane: Plane, count: int, seed: int) -> Score:
    """Distinct runs at random: any cell, any seed."""
    cells, seeds = plane.truth.size, plane.margins.shape[-1]
    drawn = np.random.default_rng(seed).permutation(cells * seeds)[:count]
    places = list(np.ndindex(*plane.truth.shape))
    return inferred(plane, [(places[run % cells], int(run // cells)) for run in drawn])


def score(plane: Plane, above: NDArray[np.bool_], runs: Measured) -> Score:
    """Compare the sides of all cells with those that all seeds tell."""
    count = sum(len(seeds) for seeds in runs.values())
    return Score(count, float((above != plane.truth).mean()), distance(plane.truth, above))


def distance(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Mean distance from the edges of either boundary to the nearest of the other, grid steps."""
    mine, others = edges(a), edges(b)
    if not len(mine) or not len(others):
        return 0.0 if len(mine) == len(others) else float("inf")
    apart = np.linalg.norm(mine[:, None] - others[None], axis=-1)
    return float((apart.min(axis=0).mean() + apart.min(axis=1).mean()) / 2)


def edges(above: NDArray[np.bool_]) -> Array:
    """Middles of the edges between cells on different sides, [edges, 2]."""
    across = np.argwhere(above[1:] != above[:-1]) + np.array([0.5, 0])
    along = np.argwhere(above[:, 1:] != above[:, :-1]) + np.array([0, 0.5])
    return np.concatenate([across, along])


def mean_of(scores: list[Score]) -> Score:
    """Mean over replays."""
    return Score(*np.mean(scores, axis=0).tolist())


def show(name: str, result: Score) -> None:
    """One line."""
    print(
        f"  {name:<34}{result.runs:7.0f} runs{100 * result.wrong:7.2f} % wrong"
        f"{result.distance:7.2f} steps"
    )


def compare(plane: Plane, replays: int) -> None:
    """All contestants on one plane, means over the orders of its seeds."""
    above, between = 100 * plane.truth.mean(), len(edges(plane.truth))
    print(f"\n{plane.name}: {above:.0f} % of cells are above, {between} edges between sides")
    planes = [plane.turned(number) for number in range(replays)]
    dense = show_rivals(planes)
    start = time.perf_counter()
    courses = [list(replay(each)) for each in planes]
    seconds = (time.perf_counter() - start) / sum(map(len, courses))
    for runs in (50, 75, 100, 125, 150):
        reached = [next((s for s in course if s.runs >= runs), course[-1]) for course in courses]
        show("boundary", mean_of(reached))
    show("boundary, when it stops by itself", mean_of([course[-1] for course in courses]))
    print(f"  a round of {ROUND} runs is chosen in {seconds:.2f} s")
    for name, score in dense.items():
        tell_ratio(name, score, courses)


def show_rivals(planes: list[Plane]) -> dict[str, Score]:
    """The scores of runs that are spread otherwise; gives those of the dense grid."""
    seeds = planes[0].margins.shape[-1]
    dense = {}
    for count in range(1, seeds):
        name = f"dense grid, {count} of {seeds} seeds"
        dense[name] = mean_of([raw(each, count) for each in planes])
        show(name, dense[name])
    for level, count in ((9, 1), (3, 1), (3, 2), (2, seeds)):
        side = min(2**level + 1, len(planes[0].truth))
        found = mean_of([coarse(each, level, count) for each in planes])
        show(f"grid {side} x {side} inferred, seeds: {count}", found)
    for runs in (100, 150, 289):
        drawn = [at_random(each, runs, number) for number, each in enumerate(planes)]
        show("runs at random", mean_of(drawn))
    return dense


def tell_ratio(name: str, rival: Score, courses: list[list[Score]]) -> None:
    """After how many runs the finder is as good, and stays so on average."""
    longest = max(map(len, courses))
    means = [mean_of([c[min(i, len(c) - 1)] for c in courses]) for i in range(longest)]
    good = [mean for mean in means if mean.wrong <= rival.wrong]
    if good:
        print(
            f"  as good as {name}: {good[0].runs:.0f} runs, {good[0].runs / rival.runs:.2f} of it"
        )
    else:
        best = min(means, key=lambda mean: mean.wrong)
        print(f"  not as good as {name}: {100 * best.wrong:.2f} % after {best.runs:.0f} runs")


def main() -> None:
    """Print all numbers."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--replays", type=int, default=4, help="orders of the seeds")
    options.add_argument("--table", type=Path, help="records.csv to make the table from")
    given = options.parse_args()
    if given.table:
        write_table(given.table)
        return
    print(machine.describe(), flush=True)
    for plane in read_planes():
        compare(plane, given.replays)


if __name__ == "__main__":
    main()
