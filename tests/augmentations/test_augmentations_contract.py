"""What every augmentation must keep: shapes, other examples, and what it is given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from regsearch.augmentations import AUGMENTATIONS, Colours, problems

NEEDED: dict[str, dict[str, Any]] = {"cutout": {"size": 3}, "crop": {"padding": 2}}
CHANGES = [kind for kind in AUGMENTATIONS if AUGMENTATIONS[kind].change]
MIXES = [kind for kind in AUGMENTATIONS if AUGMENTATIONS[kind].mix]


def config(kind: str) -> Any:
    return AUGMENTATIONS[kind].config.model_validate({"kind": kind, **NEEDED.get(kind, {})})


def change(kind: str, x: Tensor, u: Tensor) -> Tensor:
    of = AUGMENTATIONS[kind].change
    assert of is not None
    return of(x, u, config(kind), Colours(x))


def mix(kind: str, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    of = AUGMENTATIONS[kind].mix
    assert of is not None
    return of(x, u, config(kind))


def numbers(kind: str, count: int) -> Tensor:
    return torch.rand(count, AUGMENTATIONS[kind].numbers, dtype=torch.float64)


def test_each_either_changes_or_mixes() -> None:
    assert sorted(CHANGES + MIXES) == sorted(AUGMENTATIONS)


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("shape", [(3, 8, 6), (1, 7, 7)])
def test_each_image_is_changed_by_itself_and_keeps_its_shape(
    kind: str, shape: tuple[int, ...]
) -> None:
    x, u = torch.rand(40, *shape), numbers(kind, 40)
    before, colours = x.clone(), Colours(x)
    changed = change(kind, x, u)
    assert torch.equal(x, before)
    assert changed.shape == x.shape
    assert changed.dtype == x.dtype
    assert changed.is_contiguous()
    assert not torch.equal(changed, x)
    of = AUGMENTATIONS[kind].change
    assert of is not None
    alone = [of(x[i : i + 1], u[i : i + 1], config(kind), colours) for i in range(40)]
    assert torch.equal(changed, torch.cat(alone))


@pytest.mark.parametrize("kind", MIXES)
def test_each_batch_is_mixed_by_its_own_numbers(kind: str) -> None:
    x, u = torch.rand(5, 6, 2, 8, 8), numbers(kind, 5)
    before = x.clone()
    mixed, share = mix(kind, x, u)
    assert torch.equal(x, before)
    assert mixed.shape == x.shape
    assert share.shape == (5,)
    assert bool(((share >= 0) & (share <= 1)).all())
    assert not torch.equal(mixed, x)
    for run in range(5):
        alone, its = mix(kind, x[run : run + 1], u[run : run + 1])
        assert torch.equal(mixed[run], alone[0])
        assert torch.equal(share[run], its[0])


@pytest.mark.parametrize("kind", list(AUGMENTATIONS))
def test_what_is_no_image_is_refused_where_images_are_needed(kind: str) -> None:
    words, vectors = torch.zeros(2, 5, dtype=torch.int64), torch.zeros(2, 64)
    assert problems(config(kind), torch.zeros(2, 1, 8, 8)) == []
    [refused] = problems(config(kind), words)
    assert refused.startswith(f"{kind} changes values, and the examples are words")
    found = problems(config(kind), vectors)
    if kind == "mixup":
        assert found == []
    else:
        assert "shape (64,)" in found[0]


@pytest.mark.parametrize("kind", list(AUGMENTATIONS))
def test_every_field_is_described(kind: str) -> None:
    fields = AUGMENTATIONS[kind].config.model_fields
    assert all(field.description for name, field in fields.items() if name != "kind")
