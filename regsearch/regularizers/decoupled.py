"""Decoupled decay: a factor ``1 - lr * decay`` on the weights in every step."""

from __future__ import annotations


def too_strong(decay: float, lr: float, most: int = 1) -> list[str]:
    """What is wrong where a step takes weights to zero, or past it.

    Args:
        decay: strength.
        lr: learning rate, the largest of the training.
        most: largest multiple of the decay that an element gets.
    """
    if most * lr * decay < 1:
        return []
    product = "lr * decay" if most == 1 else f"{most} * lr * decay"
    return [
        f"decay {decay:g}, decoupled, at the learning rate {lr:g} multiplies weights by "
        f"1 - {product} = {1 - most * lr * decay:g} in a step; lower one of the two until "
        f"{product} is below 1, or write coupled: true"
    ]
