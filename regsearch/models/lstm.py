"""Recurrent classifiers of token sequences: LSTM, and LSTM with attention (volumization, IMDB)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from regsearch.errors import SpecError
from regsearch.models._base import MODELS, Model, Words
from regsearch.models.mlp import Width
from regsearch.space import Kind


class Lstm(Kind):
    """Sizes, attention, and what is known of the padding; the defaults are the paper's LSTMATT."""

    kind: Literal["lstm"] = "lstm"
    vocabulary: Annotated[
        int, Field(ge=1, le=10_000_000, description="number of tokens; those of the data are below")
    ] = 25_000
    dimension: Annotated[Width, Field(description="numbers that stand for a token")] = 300
    hidden: Annotated[Width, Field(description="units of the recurrent layer")] = 256
    attention: Annotated[
        bool, Field(description="average the states, weighted by likeness to the last one")
    ] = True
    embedding: Annotated[
        Literal["random", "known"],
        Field(description="first vectors of the tokens: N(0, 1), or those of `dataset.vectors`"),
    ] = "random"
    trainable: Annotated[bool, Field(description="whether the vectors of the tokens learn")] = True
    mask_padding: Annotated[
        bool, Field(description="stop at a text's own end; the released code reads on to the limit")
    ] = False
    padding: Annotated[int, Field(ge=0, description="token that fills up short texts")] = 1


class Frozen(nn.Module):
    """Embedding whose table ``[V, d]`` is a buffer, so that nothing trains or decays it."""

    table: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[N, T]`` to ``[N, T, d]``."""
        return F.embedding(tokens, self.table)


class Recurrent(nn.Module):
    r"""One LSTM layer over the tokens, then a linear layer.

    With attention the linear layer reads :math:`\sum_t a_t h_t`, :math:`a =
    \operatorname{softmax}_t(h_t \cdot h_T)`, otherwise the last state :math:`h_T`. The released
    code lets texts be padded at their end and reads the padding like words; with ``mask_padding``,
    T is each text's own length.
    """

    def __init__(self, config: Lstm, embed: nn.Module, classes: int) -> None:
        super().__init__()
        self.attention = config.attention
        self.padding = config.padding if config.mask_padding else None
        self.embed = embed
        self.cell = nn.LSTMCell(config.dimension, config.hidden)
        self.head = nn.Linear(config.hidden, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[N, T]``, int64, to ``[N, C]``."""
        states = self._states(self.embed(tokens))
        if self.padding is None:
            ends = torch.full_like(tokens[:, 0], tokens.shape[1] - 1)
        else:
            ends = (tokens != self.padding).sum(1).clamp_min(1) - 1
        last = states.gather(1, ends[:, None, None].expand(-1, 1, states.shape[2]))
        if not self.attention:
            return self.head(last[:, 0])
        likeness = (states * last).sum(2)
        beyond = torch.arange(tokens.shape[1], device=tokens.device) > ends[:, None]
        weights = likeness.masked_fill(beyond, -torch.inf).softmax(1)
        return self.head((weights[:, None] @ states)[:, 0])

    def _states(self, x: Tensor) -> Tensor:
        """``[N, T, d]`` to ``[N, T, hidden]``, from a zero state on.

        In tensor operations, as fast here as ``nn.LSTM``, whose kernels know no run axis.
        """
        cell = self.cell
        gates = F.linear(x, cell.weight_ih, cell.bias_ih + cell.bias_hh)
        state = memory = x.new_zeros(len(x), cell.hidden_size)
        states = []
        for now in gates.unbind(1):
            entry, forget, new, out = (now + F.linear(state, cell.weight_hh)).chunk(4, 1)
            memory = forget.sigmoid() * memory + entry.sigmoid() * new.tanh()
            state = out.sigmoid() * memory.tanh()
            states.append(state)
        return torch.stack(states, 1)


def build(config: Lstm, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network for texts of ``input_shape[0]`` tokens; torch's default initialisation.

    Raises:
        SpecError: the examples are no sequences.
    """
    if len(input_shape) != 1:
        raise SpecError(
            [
                "lstm needs sequences of tokens, the data set's examples have the shape "
                f"{input_shape}; use a model for images"
            ]
        )
    table = nn.Embedding(config.vocabulary, config.dimension)
    embedding = table if config.trainable else Frozen(table.weight.detach())
    return Recurrent(config, embedding, classes)


@torch.no_grad()
def embed(model: nn.Module, config: Lstm, words: Words) -> None:
    """Put the known vectors in place, in words of which nothing is known the random ones.

    Raises:
        SpecError: there are more words than ``vocabulary``, or no vectors of this ``dimension``.
    """
    if words.number > config.vocabulary:
        raise SpecError(
            [f"lstm: vocabulary {config.vocabulary} is less than the data's {words.number} words"]
        )
    if config.embedding == "random":
        return
    if words.vectors is None or words.vectors.shape[1] != config.dimension:
        there = "none" if words.vectors is None else f"{words.vectors.shape[1]} numbers a word"
        raise SpecError(
            [
                f"lstm: embedding: known needs vectors of dimension {config.dimension}, there is "
                f"{there}; name a file of them in dataset.vectors, and its dimension here"
            ]
        )
    table = next(t for name, t in model.state_dict().items() if name.startswith("embed."))
    if not table.is_meta:
        table[: words.number] = words.vectors


MODELS.add(
    "lstm",
    Model(
        Lstm,
        "LSTM over words, with attention (volumization) or without",
        build,
        compiles=False,
        embed=embed,
    ),
)
