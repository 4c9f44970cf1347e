"""What convolutional networks ask of a data set's examples."""

from __future__ import annotations

from regsearch.errors import SpecError


def check_images(model: str, input_shape: tuple[int, ...], least: int = 1) -> None:
    """Refuse what is no image, or one with a side below ``least`` pixels.

    Raises:
        SpecError: with the shape that the examples have.
    """
    if len(input_shape) != 3:
        raise SpecError(
            [
                f"{model} needs images (channels, height, width), the data set's examples have the "
                f"shape {input_shape}; use the model mlp"
            ]
        )
    if min(input_shape[1:]) < least:
        raise SpecError(
            [
                f"{model} needs images of {least}x{least} pixels or more, the data set's have "
                f"{input_shape[1]}x{input_shape[2]}; use the model vgg, with fewer poolings"
            ]
        )
