"""Where the homogeneous units of a model are: found in its graph of computation."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from regsearch.cells import Tree
from regsearch.errors import SpecError
from regsearch.units import UnitGroup, Units

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
"""Modules, functions and tensor methods that are homogeneous element by element.

Any other module can say so of itself, by ``positively_homogeneous = True`` in its class.
"""

POOLING = {
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(F.max_pool1d, F.max_pool2d, F.max_pool3d, F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
    *(F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d),
    *(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
}
"""Homogeneous within a channel; after a linear layer they would mix units."""


def find_groups(model: nn.Module) -> list[UnitGroup]:
    """The groups of ``model``, from input to output; empty where there are none.

    Layers pair up in order, each in one group at most: (1, 2), (3, 4) and so on between two breaks
    of homogeneity; of an odd number the last is left over. What breaks it: any other map, such as
    batch norm or GELU; a value used twice, as in residual networks; a layer used twice or with a
    tied weight; a grouped convolution.
    """
    return [group for chain in _find_chains(model)[0] for group in chain]


def split(model: nn.Module, params: Tree, weights: Sequence[str], kind: str) -> Units:
    """The units of ``model`` for the method ``kind``, and those of ``weights`` that belong to none.

    Raises:
        SpecError: there are no units, with what stands between the layers; or parameters of theirs
            are not among ``params``, with why not.
    """
    if any(isinstance(getattr(m, "_orig_mod", None), nn.Module) for m in model.modules()):
        raise SpecError(
            [
                f"{kind}: the model is compiled, and its layers can no longer be followed; attach "
                "before torch.compile"
            ]
        )
    chains, breaks = _find_chains(model)
    if not chains:
        problem = "; ".join(breaks) or "it has no linear or convolution layer"
        raise SpecError(
            [f"{kind}: the model has no homogeneous units: {problem}. Instead {WAY_OUT}"]
        )
    names = [name for chain in chains for group in chain for name in group if name is not None]
    if missing := [f"{n} ({_why_not_trained(model, n)})" for n in names if n not in params]:
        raise SpecError(
            [
                f"{kind}: the layers on both sides of homogeneous units have to be trained as they "
                f"are, and these are not: {', '.join(missing)}. Change that, or use weight_decay"
            ]
        )
    return Units(chains, [name for name in weights if name not in names])


def _why_not_trained(model: nn.Module, name: str) -> str:
    param = dict(model.named_parameters()).get(name)
    if param is None:
        return "re-parametrised, by enc for one"
    return "not given to the optimizer" if param.requires_grad else "frozen"


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
        return (
            _acts_as_layer(m)
            or _is_homogeneous(m)
            or super().is_leaf_module(m, module_qualified_name)
        )


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
        if (
            _is_homogeneous(module)
            or what in ELEMENTWISE
            or (what in POOLING and form == "channels")
        ):
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


def _is_homogeneous(module: nn.Module | None) -> bool:
    """Whether ``module`` says so of itself, as our own dropout does."""
    return getattr(type(module), "positively_homogeneous", False)


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
