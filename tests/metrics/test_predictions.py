import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_squared_error,
    top_k_accuracy_score,
)
from torch import Tensor

from regsearch.metrics import METRICS, Observed

RUNS, EXAMPLES, CLASSES = 3, 200, 5


@pytest.fixture
def seen() -> Observed:
    logits = 3 * torch.randn(RUNS, EXAMPLES, CLASSES)
    return Observed({}, logits, torch.randint(CLASSES, (RUNS, EXAMPLES)))


def measure(name: str, seen: Observed) -> Tensor:
    return METRICS[name].measure(seen)


def test_loss_is_scikit_learns_log_loss_of_each_run(seen: Observed) -> None:
    p = seen.outputs.double().softmax(-1).numpy()
    wanted = [log_loss(seen.targets[k], p[k], labels=range(CLASSES)) for k in range(RUNS)]
    np.testing.assert_allclose(measure("loss", seen), wanted, rtol=1e-5)


def test_loss_of_equal_logits_is_log_of_the_number_of_classes() -> None:
    seen = Observed({}, torch.zeros(1, 4, 10), torch.arange(4)[None])
    torch.testing.assert_close(measure("loss", seen), torch.log(torch.tensor([10.0])))


def test_accuracy_is_scikit_learns_of_each_run(seen: Observed) -> None:
    guess = seen.outputs.argmax(-1)
    wanted = [accuracy_score(seen.targets[k], guess[k]) for k in range(RUNS)]
    np.testing.assert_allclose(measure("accuracy", seen), wanted, rtol=1e-6)


def test_accuracy_counts_by_hand() -> None:
    logits = torch.eye(3)[None].repeat(2, 1, 1)
    seen = Observed({}, logits, torch.tensor([[0, 1, 2], [0, 2, 1]]))
    assert measure("accuracy", seen).tolist() == pytest.approx([1, 1 / 3])


def test_half_precision_logits_do_not_coarsen_the_loss(seen: Observed) -> None:
    half = seen._replace(outputs=seen.outputs.bfloat16())
    exact = seen._replace(outputs=half.outputs.double().float())
    torch.testing.assert_close(measure("loss", half), measure("loss", exact))


def test_a_diverged_run_has_no_finite_loss_and_leaves_its_neighbours_alone(seen: Observed) -> None:
    alone = measure("loss", seen)
    seen.outputs[1] = torch.nan
    together = measure("loss", seen)
    assert together.isnan().tolist() == [False, True, False]
    assert torch.equal(together[[0, 2]], alone[[0, 2]])


def test_squared_error_is_scikit_learns_of_each_run() -> None:
    outputs, targets = torch.randn(2, RUNS, EXAMPLES, CLASSES)
    wanted = [mean_squared_error(targets[k], outputs[k]) for k in range(RUNS)]
    seen = Observed({}, outputs, targets)
    np.testing.assert_allclose(measure("squared_error", seen), wanted, rtol=1e-6)


def test_squared_error_by_hand() -> None:
    outputs = torch.tensor([[[1.0, 2.0]], [[3.0, 3.0]]])
    seen = Observed({}, outputs, torch.tensor([[[1.0, 4.0]], [[0.0, 3.0]]]))
    assert measure("squared_error", seen).tolist() == [2.0, 4.5]


def test_top5_accuracy_is_scikit_learns_of_each_run() -> None:
    outputs, targets = torch.randn(RUNS, EXAMPLES, 12), torch.randint(12, (RUNS, EXAMPLES))
    wanted = [
        top_k_accuracy_score(targets[k], outputs[k], k=5, labels=range(12)) for k in range(RUNS)
    ]
    top5 = measure("top5_accuracy", Observed({}, outputs, targets))
    np.testing.assert_allclose(top5, wanted, rtol=1e-6)


def test_with_five_classes_or_fewer_all_are_among_the_top_five(seen: Observed) -> None:
    assert measure("top5_accuracy", seen).tolist() == [1.0] * RUNS


def binned(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Calibration error bin by bin, as the paper prints it."""
    error = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            gap = abs(correct[inside].mean() - confidence[inside].mean())
            error += inside.mean() * gap
    return error


def test_calibration_error_is_that_of_the_definition_bin_by_bin(seen: Observed) -> None:
    p = seen.outputs.double().softmax(-1).numpy()
    wanted = [binned(p[k].max(1), p[k].argmax(1) == seen.targets[k].numpy()) for k in range(RUNS)]
    np.testing.assert_allclose(measure("calibration_error", seen), wanted, rtol=1e-5)
    assert min(wanted) > 0.1


def test_calibration_error_by_hand() -> None:
    even = torch.zeros(1, 4, 2)  # confidence 0.5, the first class is guessed
    certain = torch.tensor([50.0, -50.0]).expand(1, 4, 2)
    right, wrong = torch.zeros(1, 4, dtype=torch.int64), torch.ones(1, 4, dtype=torch.int64)
    half = torch.tensor([[0, 0, 1, 1]])
    cases = [(even, half, 0.0), (even, right, 0.5), (certain, right, 0.0), (certain, wrong, 1.0)]
    for outputs, targets, wanted in cases:
        error = measure("calibration_error", Observed({}, outputs, targets))
        assert error.tolist() == pytest.approx([wanted])


@pytest.mark.parametrize("name", ["top5_accuracy", "calibration_error"])
def test_what_is_not_a_number_is_no_success(name: str) -> None:
    outputs, targets = torch.randn(2, EXAMPLES, 12), torch.randint(12, (2, EXAMPLES))
    alone = measure(name, Observed({}, outputs, targets))
    outputs[0] = torch.nan
    broken, healthy = measure(name, Observed({}, outputs, targets)).tolist()
    assert healthy == alone[1]
    assert broken == 0 if name == "top5_accuracy" else np.isnan(broken)
