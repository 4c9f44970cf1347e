"""What an augmentation is: a random change of examples, anew in every step of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from regsearch.augmentations._images import Colours
from regsearch.registry import Registry
from regsearch.space import Kind


def _no_problems(config: Any, side: int) -> list[str]:
    return []


class Augmentation(NamedTuple):
    """Either of two functions of examples and of random ``numbers``, uniform in (0, 1).

    ``change(x, u, config, colours)`` changes each of the images ``[N, C, H, W]`` by itself, into
    one of the same shape, by its own ``u``, ``[N, numbers]`` float64.

    ``mix(x, u, config)`` mixes each example of the batches ``[R, B, ...]`` with its partner, by the
    numbers of its batch, ``[R, numbers]`` float64. It returns the mixtures and what part of them,
    from 0 to 1, the example itself is, ``[R]``: the weight of its own target in the loss.

    ``problems(config, side)`` says what cannot be done to images of this shorter side.
    """

    config: type[Kind]
    description: str
    numbers: int
    change: Callable[[Tensor, Tensor, Any, Colours], Tensor] | None = None
    mix: Callable[[Tensor, Tensor, Any], tuple[Tensor, Tensor]] | None = None
    images: bool = True  # whether it asks for images, or is for all that holds values
    problems: Callable[[Any, int], list[str]] = _no_problems


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")


def partners(batch: Tensor) -> Tensor:
    """What each example is mixed with: the one before it in its batch, ``[R, B, ...]`` alike.

    Batches are in random order, so any fixed choice is a random one (torchvision's, too).
    """
    return batch.roll(1, 1)


def problems(config: Kind, x: Tensor) -> list[str]:
    """What of ``config`` cannot be done to examples ``x``, ``[N, ...]``, in sentences."""
    augmentation, shape = AUGMENTATIONS[config.kind], tuple(x.shape[1:])
    if not x.is_floating_point():
        return [f"{config.kind} changes values, and the examples are words, which have none"]
    if augmentation.images and len(shape) != 3:
        return [
            f"{config.kind} needs images (channels, height, width), and the examples have the "
            f"shape {shape}; mixup is for all shapes"
        ]
    return augmentation.problems(config, min(shape[1:])) if augmentation.images else []
