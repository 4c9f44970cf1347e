from collections.abc import Callable

import pytest
import torch
from torch import nn

from regsearch.metrics import Subject
from regsearch.metrics.objectives import Objectives, measure

STRENGTH = 0.3


def perceptron() -> nn.Sequential:
    """Two layers that form units, and a third that is left over."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)
    ).double()


def layers(model: nn.Sequential) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
    first, second, last = (layer for layer in model if isinstance(layer, nn.Linear))
    return first, second, last


def balance(model: nn.Sequential) -> None:
    """Move scale until both norms of every unit are equal; the function stays as it is."""
    first, second, _ = layers(model)
    with torch.no_grad():
        factor = (second.weight.norm(dim=0) / first.weight.norm(dim=1)).sqrt()
        first.weight.mul_(factor[:, None])
        first.bias.mul_(factor)
        second.weight.div_(factor)


def test_by_hand(make_subject: Callable[..., Subject]) -> None:
    models = [perceptron(), perceptron()]
    subject = make_subject(*models)
    found = measure(subject, Objectives(strength=STRENGTH))
    for k, model in enumerate(models):
        first, second, last = (layer.weight for layer in layers(model))
        loss = nn.functional.cross_entropy(model(subject.x_train), subject.y_train[k])
        squares = sum(w.square().sum() for w in (first, second, last))
        paths = sum(first[i].norm() * second[:, i].norm() for i in range(5))
        whole = loss + STRENGTH * squares / 2
        path = loss + STRENGTH * (paths + last.square().sum() / 2)
        assert found["weight_decay_objective"][k].item() == pytest.approx(whole.item(), rel=1e-9)
        assert found["path_objective"][k].item() == pytest.approx(path.item(), rel=1e-9)


def test_they_meet_where_units_are_balanced(make_subject: Callable[..., Subject]) -> None:
    uneven, even = perceptron(), perceptron()
    even.load_state_dict(uneven.state_dict())
    balance(even)
    subject = make_subject(uneven, even)
    same = subject._replace(y_train=subject.y_train[:1].expand(2, -1))
    found = measure(same, Objectives(strength=STRENGTH))
    decay, path = found["weight_decay_objective"], found["path_objective"]
    assert path[0] < decay[0]
    torch.testing.assert_close(path[1], decay[1])
    torch.testing.assert_close(path[0], path[1])


def test_without_units_they_are_one(make_subject: Callable[..., Subject]) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    found = measure(make_subject(model), Objectives(strength=STRENGTH, samples=6))
    torch.testing.assert_close(found["path_objective"], found["weight_decay_objective"])
