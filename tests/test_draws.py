"""Counter-based draws: the published generator, the right distributions, and no dependence."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from regsearch import draws
from regsearch.train.compile import INDUCTOR

SEEDS = torch.tensor([0, 1, 2, 12345, -7])
STEP = torch.tensor(3)


def normal(count: int, seeds: Tensor = SEEDS, step: Tensor = STEP, stream: str = "test") -> Tensor:
    return draws.normal(seeds, step, stream, torch.empty(len(seeds), count, dtype=torch.float64))


def splitmix64(state: int, count: int) -> list[int]:
    """The published algorithm, one output after the other, in Python's integers."""
    outputs = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        outputs.append(z ^ (z >> 31))
    return outputs


def test_the_generator_gives_the_published_numbers() -> None:
    """The first outputs for seed 0, as they are printed for the seeding of xoshiro."""
    known = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    ours = [int(word) % 2**64 for word in draws._output(torch.arange(1, 101))]
    assert ours[:4] == known
    assert ours == splitmix64(0, 100)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_draws_are_normal(dtype: torch.dtype) -> None:
    count = 200_000
    z = draws.normal(SEEDS, STEP, "test", torch.empty(len(SEEDS), count, dtype=dtype)).double()
    for run in z:
        assert stats.kstest(run.numpy(), "norm").pvalue > 1e-3
    for power, moment in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)]:
        spread = math.sqrt(stats.norm.moment(2 * power) / z.numel())
        assert abs(float((z**power).mean()) - moment) < 4 * spread


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_draws_are_uniform_and_never_an_end(dtype: torch.dtype) -> None:
    u = draws.uniform(SEEDS, STEP, "test", torch.empty(len(SEEDS), 200_000, dtype=dtype))
    for run in u:
        assert stats.kstest(run.double().numpy(), "uniform").pvalue > 1e-3
    assert 0 < float(u.min()) < 1e-4
    assert 1 - 1e-4 < float(u.max()) < 1


@pytest.mark.parametrize("bits", [0, -1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_extreme_bits_stay_inside(
    bits: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws, "_bits", lambda *_: torch.full((1, 2), bits))
    like = torch.empty(1, 2, dtype=dtype)
    u = draws.uniform(SEEDS[:1], STEP, "", like)
    assert ((u > 0) & (u < 1)).all()
    assert (draws.normal(SEEDS[:1], STEP, "", like).abs() < 6.8).all()


def test_the_dtype_changes_nothing_but_rounding() -> None:
    like = torch.empty(len(SEEDS), 10_000)
    single = draws.normal(SEEDS, STEP, "test", like)
    double = draws.normal(SEEDS, STEP, "test", like.double())
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=2e-4)
    assert draws.normal(SEEDS, STEP, "test", like.bfloat16()).dtype == torch.bfloat16


def test_runs_steps_and_streams_are_independent_of_each_other() -> None:
    """Correlations of 36 draws, also of their squares, and of each with itself a little later."""
    count = 50_000
    rows = torch.cat(
        [
            normal(count, torch.arange(3), torch.tensor(step), stream)
            for step, stream in itertools.product((0, 1, 2, 1000), ("a", "b", "ab"))
        ]
    )
    for values in (rows, rows.square()):
        related = torch.corrcoef(values).fill_diagonal_(0)
        assert related.abs().max() < 5 / math.sqrt(count)
    for lag in (1, 2, 64):
        later = (rows[:, :-lag] * rows[:, lag:]).mean(1)
        assert later.abs().max() < 5 / math.sqrt(count)


def test_neighbours_in_every_argument_never_repeat_a_number() -> None:
    like = torch.empty(8, 2_000)
    words = [
        draws._bits(torch.arange(8), torch.tensor(step), stream, like).flatten()
        for step in range(8)
        for stream in ("a", "b")
    ]
    everything = torch.cat(words)
    assert len(set(everything.tolist())) == len(everything)


def test_a_bit_flips_half_of_the_others() -> None:
    """Avalanche over adjacent elements, steps and seeds: each output bit flips every other time."""
    seeds, like = torch.arange(64), torch.empty(64, 256)
    now = draws._bits(seeds, torch.tensor(5), "a", like)
    for other in (
        draws._bits(seeds, torch.tensor(6), "a", like),
        draws._bits(seeds + 1, torch.tensor(5), "a", like),
        now.roll(1, dims=1),
    ):
        flipped = now ^ other
        shares = torch.stack([((flipped >> bit) & 1).double().mean() for bit in range(64)])
        assert (shares - 0.5).abs().max() < 5 * 0.5 / math.sqrt(now.numel())


def test_a_run_draws_the_same_in_any_pack_and_shape() -> None:
    together = normal(60)
    steps = torch.full_like(SEEDS, int(STEP))
    assert torch.equal(normal(60, step=steps), together)  # a step for each run
    for k in range(len(SEEDS)):
        assert torch.equal(normal(60, SEEDS[k : k + 1])[0], together[k])
    assert torch.equal(normal(20), together[:, :20])  # element i, whatever follows it
    like = torch.empty(len(SEEDS), 3, 4, 5, dtype=torch.float64)
    assert torch.equal(draws.normal(SEEDS, STEP, "test", like).flatten(1), together)
    one = draws.normal(SEEDS, STEP, "test", torch.empty(len(SEEDS), dtype=torch.float64))
    assert torch.equal(one, together[:, 0])


def test_it_compiles_whole_and_draws_the_same() -> None:
    like = torch.empty(len(SEEDS), 1000)

    def draw(seed: Tensor, step: Tensor) -> Tensor:
        return draws.normal(seed, step, "test", like)

    compiled = torch.compile(draw, fullgraph=True, options=INDUCTOR)(SEEDS, STEP)
    torch.testing.assert_close(compiled, draw(SEEDS, STEP), rtol=1e-5, atol=1e-6)
