"""Mirror images, as torchvision's ``RandomHorizontalFlip``."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from regsearch.augmentations._base import AUGMENTATIONS, Augmentation
from regsearch.augmentations._images import Colours
from regsearch.space import Kind


class Flip(Kind):
    """Left and right exchanged."""

    kind: Literal["flip"] = "flip"
    probability: Annotated[
        float, Field(gt=0, le=1, description="share of the images that are mirrored")
    ] = 0.5


def change(x: Tensor, u: Tensor, config: Flip, colours: Colours) -> Tensor:
    """Mirror each image or leave it."""
    return torch.where((u < config.probability)[..., None, None], x.flip(-1), x)


AUGMENTATIONS.add("flip", Augmentation(Flip, "left and right exchanged", numbers=1, change=change))
