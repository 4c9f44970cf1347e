import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import cauchy, kstest, uniform

from regsearch.datasets import DATASETS, Drawn
from regsearch.datasets.teacher_student import TeacherStudent, fingerprint, load
from regsearch.train.data import PackData, load_data
from regsearch.train.engine import Engine
from regsearch.train.loop import PackTraining
from regsearch.train.task import Task


@pytest.fixture(autouse=True)
def torch_as_before() -> Iterator[None]:
    """Training sets up the process; give it back as it was."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def drawn(seed: int = 0, **config: Any) -> Drawn:
    settings = TeacherStudent(**config)
    return DATASETS["teacher_student"].draw(load(settings), settings, seed)


def test_one_example_has_a_target_for_every_weight() -> None:
    data = load(TeacherStudent(parameters=7))
    assert data.x_train.tolist() == data.x_test.tolist() == [[1.0]]
    assert data.classes == 7
    one = drawn(parameters=7)
    assert one.y_train.shape == one.y_test.shape == (1, 7)
    assert one.y_train.dtype == one.y_test.dtype == torch.float32


@pytest.mark.parametrize("noise", ["uniform", "cauchy"])
def test_teacher_and_shifts_have_their_distributions_and_are_independent(noise: Any) -> None:
    one = drawn(parameters=50_000, noise=noise, sigma=2.0)
    u = one.y_test[0].double().numpy()
    shift = (one.y_train - one.y_test)[0].double().numpy()
    wanted = uniform(-2, 4) if noise == "uniform" else cauchy(scale=2)
    assert kstest(u, uniform(-1, 2).cdf).pvalue > 0.001
    assert kstest(shift, wanted.cdf).pvalue > 0.001
    ranks = [values.argsort().argsort() for values in (u, shift)]
    assert abs(np.corrcoef(ranks)[0, 1]) < 4 / np.sqrt(len(u))


def test_runs_of_one_seed_share_the_teacher_and_scale_the_shifts() -> None:
    weak, strong = drawn(sigma=0.5), drawn(sigma=1.5)
    assert torch.equal(weak.y_test, strong.y_test)
    torch.testing.assert_close(
        3 * (weak.y_train - weak.y_test), strong.y_train - strong.y_test, rtol=0, atol=1e-6
    )
    other = drawn(noise="cauchy", sigma=0.5)
    assert torch.equal(other.y_test, weak.y_test)
    signs = (torch.sign(one.y_train - one.y_test) for one in (weak, other))
    assert torch.equal(*signs)


def test_no_noise_shows_the_teacher_itself() -> None:
    one = drawn(sigma=0.0, noise="cauchy")
    assert torch.equal(one.y_train, one.y_test)


def test_a_draw_follows_from_the_seed_alone() -> None:
    state = torch.get_rng_state()
    first, again, other = drawn(3), drawn(3), drawn(4)
    assert torch.equal(first.y_train, again.y_train)
    assert not torch.equal(first.y_test, other.y_test)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_scheme_gives_the_numbers_that_it_names() -> None:
    one = drawn(12345, parameters=3, sigma=0.5)
    generator = torch.Generator().manual_seed(_first_seven_bytes("12345/teacher-student-1"))
    u, r = 2 * torch.rand(2, 1, 3, generator=generator, dtype=torch.float64) - 1
    torch.testing.assert_close(one.y_test, u.float())
    torch.testing.assert_close(one.y_train, (u + 0.5 * r).float())


def test_sigma_is_no_part_of_the_fingerprint_or_of_the_structure() -> None:
    assert fingerprint(TeacherStudent(sigma=0.5)) == fingerprint(TeacherStudent(sigma=2.0))
    structures = [task(sigma=sigma).structure() for sigma in (0.5, 2.0)]
    assert structures[0] == structures[1]
    assert task(noise="cauchy").structure() != task(noise="uniform").structure()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"label_noise": 0.4}, "label_noise\n.*must be 0 for teacher_student.*got 0.4.*set sigma"),
        ({"validation": 1}, "validation\n.*one training example, got 1"),
        ({"label_noise_kind": "pairwise"}, "label_noise_kind\n.*should be 'symmetric'"),
        ({"validation": "rest"}, "validation\n.*valid integer"),
        ({"clean_validation": True}, "clean_validation\n"),
        ({"sigma": -0.1}, "greater than or equal to 0"),
        ({"noise": "normal"}, "'uniform' or 'cauchy'"),
    ],
)
def test_what_does_not_apply_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TeacherStudent.model_validate_json(json.dumps(setting))


def test_a_pack_holds_what_each_run_drew() -> None:
    tasks = [task(seed, sigma=sigma) for seed in (0, 1) for sigma in (0.5, 1.0)]
    data = load_data(tasks, torch.device("cpu"))
    assert data.y_train.shape == data.y_test.shape == (4, 1, 5)
    assert data.y_validation.shape == (4, 0, 5)
    assert data.classes == 5
    for k, one in enumerate(tasks):
        alone = load_data([one], torch.device("cpu"))
        assert torch.equal(alone.y_train[0], data.y_train[k])
        assert torch.equal(alone.y_test[0], data.y_test[k])


@pytest.mark.parametrize("noise", ["uniform", "cauchy"])
def test_volumized_training_ends_at_the_clipped_shifted_weights(noise: str) -> None:
    boxes = [0.0, 0.3, 0.8, 2.0]
    tasks = [
        task(seed, HARD | {"v": v}, noise=noise, sigma=sigma, parameters=300)
        for seed, (v, sigma) in enumerate(zip(boxes, [0.5, 1.0, 0.7, 2.0], strict=True))
    ]
    weights, measured, data = trained(tasks)
    for k, v in enumerate(boxes):
        clipped = data.y_train[k, 0].clamp(-v, v)
        torch.testing.assert_close(weights[k], clipped, rtol=1e-5, atol=1e-6)
        error = (clipped - data.y_test[k, 0]).square().mean()
        torch.testing.assert_close(measured[k], error, rtol=1e-5, atol=0)


def test_weight_decay_is_ridge_at_convergence() -> None:
    decays = [0.25, 1.0, 4.0]
    tasks = [task(0, {"kind": "weight_decay", "decay": d}, sigma=1.5) for d in decays]
    weights, _, data = trained(tasks)
    for k, decay in enumerate(decays):
        torch.testing.assert_close(weights[k], data.y_train[k, 0] / (1 + decay), rtol=0, atol=1e-5)


HARD = {"kind": "volumization", "alpha": 0.0, "volume": "absolute"}


def trained(tasks: list[Task]) -> tuple[torch.Tensor, torch.Tensor, PackData]:
    """Weights ``[K, d]`` and test errors ``[K]`` at the end, and the data."""
    training = PackTraining(tasks, Engine())
    while not training.done:
        measured = training.run_epoch()
    [weight] = training.state.params.values()
    return weight[..., 0], measured["test_squared_error"], load_data(tasks, torch.device("cpu"))


def task(seed: int = 0, regularizer: dict[str, Any] | None = None, **dataset: Any) -> Task:
    return Task.model_validate(
        {
            "dataset": {"kind": "teacher_student", "parameters": 5, **dataset},
            "model": {"kind": "mlp", "widths": [], "bias": False},
            "train": {
                "optimizer": {"kind": "sgd", "lr": 0.33},
                "loss": {"kind": "squared_error"},
                "batch_size": 1,
                "epochs": 40,
            },
            "regularizers": [regularizer or {"kind": "none"}],
            "seed": seed,
        }
    )


def _first_seven_bytes(key: str) -> int:
    from hashlib import sha256

    return int.from_bytes(sha256(key.encode()).digest()[:7], "big")
