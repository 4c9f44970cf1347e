"""Models: each file holds one family, in the order in which they are listed to the user."""

# isort: off
from regsearch.models import mlp, dnn, nn2_nn3, dropout_mlp, factorized_mlp
from regsearch.models import vgg, vgg9, vgg19, lenet4, resnet, googlenet, densenet
from regsearch.models import imagenet, lstm, custom

# isort: on
from regsearch.models._base import MODELS, Model, Words

__all__ = [
    "MODELS",
    "Model",
    "Words",
    "custom",
    "densenet",
    "dnn",
    "dropout_mlp",
    "factorized_mlp",
    "googlenet",
    "imagenet",
    "lenet4",
    "lstm",
    "mlp",
    "nn2_nn3",
    "resnet",
    "vgg",
    "vgg9",
    "vgg19",
]
