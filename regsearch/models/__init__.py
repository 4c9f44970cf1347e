"""Models: each file holds one, in the order in which they are listed to the user."""

from regsearch.models import mlp, dnn, factorized_mlp, vgg  # noqa: I001 - the order is the user's
from regsearch.models._base import MODELS, Model

__all__ = ["MODELS", "Model", "dnn", "factorized_mlp", "mlp", "vgg"]
