"""Attacks against closed forms and against loops over one model and one example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from regsearch.metrics import METRICS, Observed, Subject
from regsearch.metrics.attack import Fgsm, Pgd, measure, names

MakeSubject = Callable[..., Subject]


def trained(seed: int, x: Tensor, y: Tensor) -> nn.Sequential:
    """Fits its data well enough for attacks to have something to break."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


@pytest.fixture
def subject(make_subject: MakeSubject) -> Subject:
    """Two runs on images of three channels, normalised, with a rule that can be learnt."""
    x = (torch.rand(120, 3, 2, 2) - torch.tensor([0.3, 0.5, 0.6]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.25, 0.5]
    ).view(3, 1, 1)
    y = x.flatten(2).mean(2).argmax(1)
    models = [trained(seed, x[:80], y[:80]) for seed in range(2)]
    return make_subject(
        *models,
        x_train=x[:80],
        y_train=y[:80].expand(2, -1),
        x_test=x[80:],
        y_test=y[80:].expand(2, -1),
        chunk=16,
    )


def one_model(subject: Subject, k: int) -> nn.Sequential:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3))
    model.load_state_dict({name: tensor[k] for name, tensor in subject.params.items()})
    return model


def attacked(
    model: nn.Module, x: Tensor, y: Tensor, low: Tensor, high: Tensor, eps: Tensor, step: Tensor
) -> Callable[[int], Tensor]:
    """PGD as anybody would write it; returns a function of the number of steps."""

    def after(steps: int) -> Tensor:
        moved = x.clone()
        for _ in range(steps):
            moved.requires_grad_()
            (gradient,) = torch.autograd.grad(F.cross_entropy(model(moved), y), moved)
            moved = moved.detach() + step * gradient.sign()
            moved = (x + (moved - x).clamp(-eps, eps)).clamp(low, high)
        return model(moved).argmax(1)

    return after


@pytest.mark.parametrize(("scale", "clip"), [("range", True), ("input", False), ("range", False)])
def test_equal_to_a_loop_over_one_model(subject: Subject, scale: str, clip: bool) -> None:
    channels = subject.x_train.transpose(0, 1).flatten(1)
    low, high = channels.amin(1).view(3, 1, 1), channels.amax(1).view(3, 1, 1)
    unit = high - low if scale == "range" else torch.ones(3, 1, 1)
    if not clip:
        low, high = torch.full_like(low, -1e9), torch.full_like(low, 1e9)
    low, high = torch.minimum(low, subject.x_test), torch.maximum(high, subject.x_test)
    shared: dict[str, Any] = {"scale": scale, "clip": clip, "eps": [0.1]}
    for k in range(2):
        x, y = subject.x_test, subject.y_test[k]
        loops = [
            attacked(one_model(subject, k), x, y, low, high, 0.1 * unit, step * unit)(steps)
            for steps, step in ((1, 0.1), (7, 0.03))
        ]
        configs: list[Fgsm | Pgd] = [Fgsm(**shared), Pgd(**shared, steps=7, step_size=0.03)]
        for guess, config in zip(loops, configs, strict=True):
            accuracy = measure(subject, config)[f"{config.kind}_0.1_accuracy"][k]
            assert float(accuracy) == pytest.approx(float((guess == y).float().mean()))


def test_attacks_of_size_zero_are_clean_accuracy_and_larger_ones_hurt(subject: Subject) -> None:
    logits = torch.stack([one_model(subject, k)(subject.x_test) for k in range(2)]).detach()
    clean = METRICS["accuracy"].measure(Observed({}, logits, subject.y_test))
    assert float(clean.min()) > 0.8
    for config in (Fgsm(eps=[0.0, 0.05, 0.15]), Pgd(eps=[0.0, 0.05, 0.15])):
        none, small, large = measure(subject, config).values()
        torch.testing.assert_close(none, clean)
        assert bool((large < small).all())
        assert bool((small < none).all())


def test_test_examples_beyond_the_training_range_are_clean_at_size_zero(subject: Subject) -> None:
    far = subject._replace(x_test=5 * subject.x_test)
    logits = torch.stack([one_model(far, k)(far.x_test) for k in range(2)]).detach()
    clean = METRICS["accuracy"].measure(Observed({}, logits, far.y_test))
    torch.testing.assert_close(measure(far, Pgd(eps=[0.0]))["pgd_0_accuracy"], clean)


def test_pgd_is_at_least_as_strong_as_fgsm(subject: Subject) -> None:
    eps = [0.02, 0.05, 0.1, 0.15]
    once, often = measure(subject, Fgsm(eps=eps)), measure(subject, Pgd(eps=eps))
    for size in eps:
        difference = often[f"pgd_{size:g}_accuracy"] - once[f"fgsm_{size:g}_accuracy"]
        assert float(difference.max()) <= 0.05


def test_of_a_linear_model_fgsm_is_the_exact_worst_case(make_subject: MakeSubject) -> None:
    """The margin of two classes falls by eps times the 1-norm of the difference of their rows."""
    models = [nn.Linear(6, 2).double() for _ in range(4)]
    x = torch.randn(200, 6).double()
    y = torch.stack([model(x).argmax(1) for model in models])
    subject = make_subject(*models, x_test=x, y_test=y)
    eps, clip = 0.2, False
    measured = measure(subject, Fgsm(eps=[eps], scale="input", clip=clip))["fgsm_0.2_accuracy"]
    for k, model in enumerate(models):
        apart = model(x).detach()
        margin = (apart[:, 0] - apart[:, 1]).abs()
        norm = (model.weight[0] - model.weight[1]).abs().sum().detach()
        robust = (margin > eps * norm).double().mean()
        assert 0 < float(robust) < 1
        assert float(measured[k]) == pytest.approx(float(robust))


def test_sizes_are_those_of_pixels_however_the_data_are_normalised(
    make_subject: MakeSubject,
) -> None:
    pixels = torch.rand(50, 3, 2, 2)
    pixels[0], pixels[1] = 0, 1
    mean = torch.tensor([0.1, 0.5, 0.9]).view(3, 1, 1)
    deviation = torch.tensor([0.1, 0.5, 2.0]).view(3, 1, 1)
    plain, normal = nn.Linear(12, 3), nn.Linear(12, 3)
    with torch.no_grad():  # the same function of the pixels
        normal.weight.copy_(plain.weight * deviation.expand(3, 2, 2).flatten())
        shift = (plain.weight * mean.expand(3, 2, 2).flatten()).sum(1)
        normal.bias.copy_(plain.bias + shift)
    accuracies = []
    y = plain(pixels.flatten(1)).argmax(1)[None]
    for layer, x in ((plain, pixels), (normal, (pixels - mean) / deviation)):
        model = nn.Sequential(nn.Flatten(), layer)
        subject = make_subject(model, x_train=x, x_test=x, y_test=y)
        accuracies.append(measure(subject, Pgd(eps=[0.1], steps=5, step_size=0.03)))
    assert accuracies[0] == accuracies[1]
    assert 0 < float(accuracies[0]["pgd_0.1_accuracy"]) < 1


def test_flat_features_share_one_range(make_subject: MakeSubject) -> None:
    """A pixel that no training image lights can still be moved."""
    model = nn.Linear(4, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0, 0, 1], [0, 0, 0, -1]]))
        model.bias.copy_(torch.tensor([0.1, 0.0]))
    x = torch.rand(10, 4)
    x[:, 3], x[0, 0], x[1, 0] = 0, 0, 1
    y = torch.zeros(1, 10, dtype=torch.int64)
    subject = make_subject(model, x_train=x, x_test=x, y_test=y)
    low = measure(subject, Fgsm(eps=[0.3]))["fgsm_0.3_accuracy"]
    assert float(low) == 1, "nothing lies below the range"
    free = measure(subject, Fgsm(eps=[0.3], clip=False))["fgsm_0.3_accuracy"]
    assert float(free) == 0


def test_only_what_is_also_correct_when_clean_counts_if_asked(make_subject: MakeSubject) -> None:
    """Class 0 where abs(x) > 0.5: a long step down from 0.3 leads out on the other side."""
    first, second = nn.Linear(1, 2, bias=False), nn.Linear(2, 2)
    model = nn.Sequential(first, nn.ReLU(), second)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        second.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
        second.bias.copy_(torch.tensor([-0.5, 0.0]))
    x = torch.tensor([[0.3], [2.0]])
    subject = make_subject(model, x_train=x, x_test=x, y_test=torch.zeros(1, 2, dtype=torch.int64))
    accuracies = [
        measure(
            subject, Fgsm(eps=[1.0], scale="input", clip=False, require_clean_correct=required)
        )["fgsm_1_accuracy"].item()
        for required in (False, True)
    ]
    assert accuracies == [1.0, 0.5]


def test_names_carry_the_size_as_it_is_written() -> None:
    assert names(Fgsm(eps=[0, 0.03])) == ["fgsm_0_accuracy", "fgsm_0.03_accuracy"]
    assert names(Pgd(eps=[0.15])) == ["pgd_0.15_accuracy"]


def test_a_size_that_the_steps_never_reach_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"20 steps of 0.007843 reach 0.1569, less than"):
        Pgd(eps=[0.03, 0.3])
    assert Pgd(eps=[0.3], steps=40).steps == 40
