r"""Homogeneous units: hidden neurons whose incoming and outgoing weights trade scale.

Two layers form a group where only channel-wise maps with :math:`f(cx) = c f(x)` for all
:math:`c > 0` join them: ReLU, leaky ReLU, pooling, dropout, flatten. Unit i has the incoming
weights ``w_i``, row i of the first layer, and the outgoing ``v_i``, its columns in the second. Its
path norm :math:`\lVert w_i \rVert \lVert v_i \rVert` is what weight decay makes of both at its
minimum (Yang and others, "PathProx: A Proximal Gradient Algorithm for Weight Decay Regularized Deep
Neural Networks").
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from regsearch.cells import Tree
from regsearch.errors import SpecError

WAY_OUT = (
    "use weight_decay, or a network in which only ReLU, leaky ReLU, pooling, dropout or flatten "
    "stand between linear or convolution layers (no batch norm)"
)

LAYERS = nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d

ELEMENTWISE = {
    *(nn.ReLU, nn.LeakyReLU, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(F.relu, torch.relu, F.leaky_relu, F.dropout, F.dropout1d, F.dropout2d, F.dropout3d),
    *("relu", "relu_", "contiguous"),
}
"""Modules, functions and tensor methods that are homogeneous element by element."""

POOLING = {
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(F.max_pool1d, F.max_pool2d, F.max_pool3d, F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
    *(F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d),
    *(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
}
"""Homogeneous within a channel; after a linear layer they would mix units."""


class UnitGroup(NamedTuple):
    """The parameters of two layers with units between them, by name; ``None``: no such bias."""

    first: str
    first_bias: str | None
    second: str
    second_bias: str | None


class Units(NamedTuple):
    """Where the homogeneous units of a model are.

    The groups of one chain follow one another with homogeneous maps between, so that scale can be
    moved from group to group as well. ``rest`` are the weights outside all groups.
    """

    chains: list[list[UnitGroup]]
    rest: list[str]

    @property
    def groups(self) -> list[UnitGroup]:
        """All groups, from input to output."""
        return [group for chain in self.chains for group in chain]


def find_groups(model: nn.Module) -> list[UnitGroup]:
    """The groups of ``model``, from input to output; empty where there are none.

    Layers pair up in order, each in one group at most: (1, 2), (3, 4) and so on between two breaks
    of homogeneity; of an odd number the last is left over. What breaks it: any other map, such as
    batch norm or GELU; a value used twice, as in residual networks; a layer used twice or with a
    tied weight; a grouped convolution.
    """
    return [group for chain in _find_chains(model)[0] for group in chain]


def split(model: nn.Module, params: Tree, weights: Sequence[str]) -> Units:
    """The units of ``model``, and those of ``weights`` that belong to none.

    Raises:
        SpecError: there are no units, with what stands between the layers; or their weights are
            not among ``params``, because they are frozen or re-parametrised.
    """
    chains, breaks = _find_chains(model)
    if not chains:
        problem = "; ".join(breaks) or "it has no linear or convolution layer"
        raise SpecError([f"the model has no homogeneous units: {problem}. Instead {WAY_OUT}"])
    names = [name for chain in chains for group in chain for name in group if name is not None]
    missing = [name for name in names if name not in params]
    if missing:
        raise SpecError(
            [
                f"the homogeneous units need {', '.join(missing)}, which are frozen or "
                "re-parametrised (by enc, for one); train them as they are, or use weight_decay"
            ]
        )
    return Units(chains, [name for name in weights if name not in names])


def norms(params: Tree, group: UnitGroup) -> tuple[Tensor, Tensor]:
    r""":math:`\lVert w_i \rVert` and :math:`\lVert v_i \rVert`, ``[K, N]`` each, without biases."""
    first, second = params[group.first], params[group.second]
    incoming = first.flatten(2).square().sum(2).sqrt()
    by_unit = second.reshape(*second.shape[:2], first.shape[1], -1)
    return incoming, by_unit.square().sum((1, 3)).sqrt()


def path_norms(params: Tree, group: UnitGroup) -> Tensor:
    r""":math:`\lVert w_i \rVert \lVert v_i \rVert` of every unit, ``[K, N]``."""
    incoming, outgoing = norms(params, group)
    return incoming * outgoing


def inverse(norm: Tensor) -> Tensor:
    """One over ``norm``, and 0 where that is 0: the subgradient of a norm there."""
    return torch.where(norm > 0, norm.reciprocal(), torch.zeros_like(norm))


def scale_incoming(first: Tensor, factor: Tensor) -> Tensor:
    """Multiply every unit's row of ``first``, ``[K, N, ...]``, by its ``factor``, ``[K, N]``."""
    return first * factor.view(*factor.shape, *[1] * (first.ndim - 2))


def scale_outgoing(second: Tensor, factor: Tensor) -> Tensor:
    """Multiply every unit's columns of ``second`` by its ``factor``, ``[K, N]``.

    ``second`` is ``[K, out, N, ...]``, or ``[K, out, N * positions]`` behind flattened channels.
    """
    by_unit = second.reshape(*second.shape[:2], factor.shape[1], -1)
    return (by_unit * factor[:, None, :, None]).view(second.shape)


def _find_chains(model: nn.Module) -> tuple[list[list[UnitGroup]], list[str]]:
    """The groups, chain by chain, and what ended each chain."""
    try:
        graph = _Tracer().trace(model)
    except Exception as error:  # whatever the model's own code raises on a symbolic input
        reason = str(error).partition("\n")[0]
        return [], [f"its forward cannot be traced by torch.fx ({reason})"]
    walk = _Walk(graph, dict(model.named_modules()))
    chains, breaks, seen = [], [], set()
    for start in walk.layers():
        if start in seen:
            continue
        chain, end = walk.chain(start)
        breaks.append(end)
        seen.update(chain)
        modules = [str(node.target) for node in chain]
        groups = [_group(model, *pair) for pair in zip(modules[::2], modules[1::2], strict=False)]
        chains += [groups] if groups else []
    return chains, breaks


def _group(model: nn.Module, first: str, second: str) -> UnitGroup:
    def bias(layer: str) -> str | None:
        return None if model.get_submodule(layer).bias is None else f"{layer}.bias"

    return UnitGroup(f"{first}.weight", bias(first), f"{second}.weight", bias(second))


class _Tracer(fx.Tracer):
    """Sees the layers as they are, subclasses and parametrized ones included."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _acts_as_layer(m) or super().is_leaf_module(m, module_qualified_name)


class _Walk:
    """Follows a model's graph from layer to layer."""

    def __init__(self, graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
        self._graph, self._modules = graph, modules
        self._calls = Counter(node.target for node in graph.nodes)
        self._holders = Counter(
            id(param) for m in set(modules.values()) for param in m.parameters(recurse=False)
        )

    def layers(self) -> Iterator[fx.Node]:
        """Linear and convolution layers, in the order of computation."""
        return (node for node in self._graph.nodes if _acts_as_layer(self._module(node)))

    def chain(self, start: fx.Node) -> tuple[list[fx.Node], str]:
        """The layers from ``start`` on that homogeneous maps join, and what comes after them."""
        if unfit := self._unfit(start):
            return [], unfit
        chain = [start]
        while isinstance(following := self._next(chain[-1]), fx.Node):
            chain.append(following)
        return chain, f"after {self._name(chain[-1])}: {following}"

    def _next(self, layer: fx.Node) -> fx.Node | str:
        """The next layer of the chain, or why there is none."""
        node, form = layer, _form(self._module(layer))
        while True:
            users = [user for user in node.users if not _reads_shape(user)]
            if len(users) != 1:
                return f"its output is used {len(users)} times ({', '.join(map(str, users))})"
            value, node = node, users[0]
            if node.op == "output":
                return "the network ends"
            if _acts_as_layer(self._module(node)):
                return self._unfit(node) or self._mismatch(layer, form, node) or node
            following = self._form_after(node, value, form)
            if following is None:
                return f"{self._name(node)} is not positively homogeneous in every unit"
            form = following

    def _form_after(self, node: fx.Node, value: fx.Node, form: str) -> str | None:
        """How units lie in the result of ``node``; ``None``: it mixes them or bends the scale."""
        module = self._module(node)
        what = type(module) if module is not None else node.target
        if any(not _reads_shape(source) for source in node.all_input_nodes if source is not value):
            return None
        if what in ELEMENTWISE or (what in POOLING and form == "channels"):
            return form
        if _flattens(node, module):
            return "blocks" if form == "channels" else form
        return None

    def _mismatch(self, layer: fx.Node, form: str, node: fx.Node) -> str:
        """Why the units of ``layer`` are not what ``node`` sums over, or nothing."""
        units, module = self._module(layer).weight.shape[0], self._module(node)
        if isinstance(module, nn.Linear):
            size = module.in_features
            fits = size == units if form == "features" else form == "blocks" and size % units == 0
        else:
            fits = form == "channels" and module.in_channels == units
        return "" if fits else f"{self._name(node)} does not take its {units} units as inputs"

    def _unfit(self, node: fx.Node) -> str:
        """Why ``node``, a layer, is none for a group, or nothing."""
        module, name = self._module(node), self._name(node)
        if getattr(module, "groups", 1) > 1:
            return f"{name} is a grouped convolution"
        if self._calls[node.target] > 1:
            return f"{name} is used twice"
        held = [self._holders[id(param)] for param in module.parameters()]
        if max(held) > 1 or f"{node.target}.weight" in self._calls:
            return f"{name} shares its weight"
        return ""

    def _module(self, node: fx.Node) -> Any:
        return self._modules[str(node.target)] if node.op == "call_module" else None

    def _name(self, node: fx.Node) -> str:
        module = self._module(node)
        return str(node) if module is None else f"{node.target} ({type(module).__name__})"


def _acts_as_layer(module: nn.Module | None) -> bool:
    return any(isinstance(module, t) and type(module).forward is t.forward for t in LAYERS)


def _form(layer: nn.Module | None) -> str:
    """How units lie in a layer's output: on the last axis or on axis 1, before the positions."""
    return "features" if isinstance(layer, nn.Linear) else "channels"


def _flattens(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether ``node`` joins all axes but the batch's, so that a channel becomes a block."""
    if isinstance(module, nn.Flatten):
        return (module.start_dim, module.end_dim) == (1, -1)
    if node.target in (torch.flatten, "flatten"):
        axes = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | node.kwargs
        return (axes.get("start_dim", 0), axes.get("end_dim", -1)) == (1, -1)
    if node.target in ("view", "reshape"):
        sizes = node.args[1:]
        return len(sizes) == 2 and isinstance(sizes[0], fx.Node) and sizes[1:] == (-1,)
    return False


def _reads_shape(node: fx.Node) -> bool:
    """Whether ``node`` is a size, or picks from one, rather than a value of the network."""
    if node.target is operator.getitem:
        return _reads_shape(node.all_input_nodes[0])
    return node.target == "size" or (node.target is getattr and "shape" in node.args)
