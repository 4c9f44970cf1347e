"""Methods at work on an ordinary model and optimizer: a pack of one, changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_leaves_with_path, tree_map_with_path

from regsearch.cells import Tree
from regsearch.errors import RegsearchError, SpecError
from regsearch.optim import OPTIMIZERS, TorchOptimizer
from regsearch.regularizers import Hparams, Regularizer
from regsearch.space import Kind, per_run_fields

MOMENTA = ("momentum_buffer", "exp_avg")
"""Names of the momentum in the state of torch's optimizers."""


class Use(NamedTuple):
    """What an optimizer does with a parameter in this step."""

    lr: float
    scale: float  # of its gradient, over that of the loss; below 0 where the optimizer ascends


Uses = dict[int, Use]
"""By the ``id`` of each parameter that the optimizer holds."""


class Attached:
    """A regularizer at work on one model and one optimizer.

    It computes in float32, or in float64 if any parameter has that; weights of less precision are
    rounded once they are written back.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, model: nn.Module, method: Regularizer, config: Kind
    ) -> None:
        self._method, self._config = method, config
        self._params: dict[str, nn.Parameter] = {}
        self._others: dict[str, nn.Parameter] = {}
        held = _uses(optimizer)
        for name, param in model.named_parameters():
            mine = param.requires_grad and id(param) in held
            (self._params if mine else self._others)[name] = param
        if not self._params:
            raise SpecError(
                [
                    f"{config.kind}: the optimizer trains no parameter of this model; attach to "
                    "the model whose parameters() it was made from, after any change to them"
                ]
            )
        dtypes = (param.dtype for param in self._params.values())
        self._dtype = reduce(torch.promote_types, dtypes, torch.float32)
        self._plan = method.plan(model, self._stack(self._params), config)
        self._seed, self._step = torch.initial_seed() % 2**63, 0
        self._companions = _hooks_of(optimizer).methods
        self._companions.append(self)

    def remove(self) -> None:
        """Detach; the optimizer goes on as if the regularizer had never been there."""
        if self in self._companions:
            self._companions.remove(self)

    @torch.no_grad()
    def quantize(self) -> None:
        """Make the weights discrete now, as the engine does every few epochs.

        Raises:
            RegsearchError: the regularizer does not quantize.
        """
        quantizer = self._method.quantizer(self._config)
        if quantizer is None:
            raise RegsearchError(
                f"{self._config.kind} does not quantize; attach volumization with quantize='binary'"
            )
        params = self._stack(self._params)
        new = quantizer.weights(params, self._hparams(0.0), self._plan)
        _write(self._params, params, new, list(params))

    def state_dict(self) -> dict[str, Any]:
        """What a loop needs to go on later, beside the states of the model and the optimizer.

        The count of steps, the seed, and what was measured when the regularizer was attached, such
        as the initial weights' volumes. Hyper-parameters are not in it.
        """
        plan = self._measured()
        return {"kind": self._config.kind, "step": self._step, "seed": self._seed, "plan": plan}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``; attach as before first, to the same model.

        Raises:
            RegsearchError: the state is of another regularizer, model or setting.
        """
        kind, plan, own = state.get("kind"), state.get("plan", {}), self._measured()
        if kind != self._config.kind or _shapes(plan) != _shapes(own):
            raise RegsearchError(
                f"{self._config.kind}: cannot go on from the state of {kind} with "
                f"{', '.join(plan) or 'nothing measured'}; attach the regularizer that was saved, "
                "with its settings, to the model that it was saved with"
            )
        self._step, self._seed = state["step"], state["seed"]
        self._plan = tree_map_with_path(
            lambda path, leaf: plan[keystr(path)].to(leaf) if keystr(path) in own else leaf,
            self._plan,
        )

    def _on_grads(self, uses: Uses) -> None:
        self._step += 1
        params, grads = self._stack(self._params), self._grads(uses)
        made = [
            (names, self._method.on_grads(grads, params, hp, self._plan))
            for names, hp in self._by_rate(uses)
        ]
        for names, new in made:
            for name in names:
                if new[name] is not grads[name]:
                    param = self._params[name]
                    param.grad.copy_(new[name][0] * uses[id(param)].scale)  # type: ignore[union-attr]

    def _before_step(self, uses: Uses) -> None:
        params, grads = self._stack(self._params), self._grads(uses)
        made = [
            (names, self._method.before_step(params, grads, hp, self._plan))
            for names, hp in self._by_rate(uses)
        ]
        for names, new in made:
            _write(self._params, params, new, names)

    def _after_step(self, uses: Uses, state: Mapping[Any, Mapping[str, Any]]) -> None:
        slots = {
            name: state[param][slot]
            for name, param in self._params.items()
            for slot in MOMENTA
            if param in state and state[param].get(slot) is not None
        }
        params, momentum = self._stack(self._params), self._stack(slots)
        made = [
            (names, self._method.after_step(params, momentum, hp, self._plan))
            for names, hp in self._by_rate(uses)
        ]
        for names, (new_params, new_momentum) in made:
            _write(self._params, params, new_params, names)
            _write(slots, momentum, new_momentum, [name for name in names if name in slots])

    def _refuse_to_miss(self, uses: Uses) -> None:
        """Raise where the step would pass parameters by without regularizing them."""
        new = [n for n, p in self._others.items() if p.requires_grad and id(p) in uses]
        if new:
            raise RegsearchError(
                f"{self._config.kind}: {', '.join(new)} joined the training after attach and would "
                "not be regularized; call remove() and attach again once the optimizer has them all"
            )
        if all(param.grad is None for param in self._params.values()):
            raise RegsearchError(
                f"{self._config.kind}: no parameter has a gradient; call loss.backward() before "
                "optimizer.step()"
            )

    def _by_rate(self, uses: Uses) -> list[tuple[list[str], Hparams]]:
        """Names of the parameters that move in this step, together where they have one rate."""
        names: dict[float, list[str]] = {}
        for name, param in self._params.items():
            if param.grad is not None and id(param) in uses:
                names.setdefault(uses[id(param)].lr, []).append(name)
        return [(those, self._hparams(lr)) for lr, those in names.items()]

    def _hparams(self, lr: float) -> Hparams:
        device = next(iter(self._params.values())).device
        values = {n: getattr(self._config, n) for n in per_run_fields(type(self._config))}
        reals = {
            name: torch.tensor([value], dtype=self._dtype, device=device)
            for name, value in (values | {"lr": lr}).items()
        }
        counts = {"step": self._step, "seed": self._seed}
        return reals | {name: torch.tensor([c], device=device) for name, c in counts.items()}

    def _grads(self, uses: Uses) -> Tree:
        """Gradients of the loss that the optimizer goes down, zero where there is none."""
        grads: Tree = {}
        for name, param in self._params.items():
            use, grad = uses.get(id(param)), param.grad
            if use is None or grad is None:
                grads[name] = torch.zeros_like(param, dtype=self._dtype)[None]
            else:
                grads |= self._stack({name: grad if use.scale == 1 else grad / use.scale})
        return grads

    def _stack(self, tensors: Mapping[str, Tensor]) -> Tree:
        return {name: tensor.detach().to(self._dtype)[None] for name, tensor in tensors.items()}

    def _measured(self) -> Tree:
        leaves = tree_leaves_with_path(self._plan)
        return {keystr(path): leaf for path, leaf in leaves if isinstance(leaf, Tensor)}


class StepHooks:
    """The methods attached to one optimizer: in each phase of a step they act one after another."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.methods: list[Attached] = []
        self._begun = False
        optimizer.register_step_pre_hook(self._open)
        optimizer.register_step_post_hook(self._close)

    def _open(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Act, or, where the step itself computes the gradients, act as soon as it has."""
        self._begun = False
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure):
            self._begin(optimizer)
            return None

        def regularized() -> Any:
            loss = closure()
            self._begin(optimizer)
            return loss

        if "closure" in kwargs:
            return args, kwargs | {"closure": regularized}
        return (args[0], regularized, *args[2:]), kwargs

    @torch.no_grad()
    def _begin(self, optimizer: torch.optim.Optimizer) -> None:
        if not self.methods or _overflowed(optimizer):
            return
        if self._begun:
            raise RegsearchError(
                f"{self.methods[0]._config.kind}: {type(optimizer).__name__} computes gradients "
                "several times in one step; attach to an optimizer that does so once"
            )
        self._begun, uses = True, _uses(optimizer)
        for method in self.methods:
            method._refuse_to_miss(uses)
        for method in self.methods:
            method._on_grads(uses)
        for method in self.methods:
            method._before_step(uses)

    @torch.no_grad()
    def _close(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        if self._begun:
            uses = _uses(optimizer)
            for method in self.methods:
                method._after_step(uses, optimizer.state)


_HOOKS: WeakKeyDictionary[torch.optim.Optimizer, StepHooks] = WeakKeyDictionary()


def _hooks_of(optimizer: torch.optim.Optimizer) -> StepHooks:
    """The hooks of ``optimizer``, made for the first method that is attached to it."""
    if optimizer not in _HOOKS:
        _HOOKS[optimizer] = StepHooks(optimizer)
    return _HOOKS[optimizer]


def _uses(optimizer: torch.optim.Optimizer) -> Uses:
    """A fused optimizer under a ``GradScaler`` gets scaled gradients and divides them itself."""
    scale = float(getattr(optimizer, "grad_scale", None) or 1)
    uses: Uses = {}
    for group in optimizer.param_groups:
        use = Use(_rate(optimizer, group), -scale if group.get("maximize") else scale)
        uses |= {id(param): use for param in group["params"]}
    return uses


def _rate(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> float:
    """The learning rate of a step, which a rule of ours may not call ``lr``."""
    if not isinstance(optimizer, TorchOptimizer):
        return float(group["lr"])
    rule = OPTIMIZERS[group["kind"]]
    return float(rule.rate(group, rule.config.model_construct(**group)))


def _overflowed(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a fused optimizer under a ``GradScaler`` is about to skip this step."""
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is not None and bool(found_inf)


def _write(targets: Mapping[str, Tensor], old: Tree, new: Tree, names: list[str]) -> None:
    """Copy into the user's tensors what became of ``names``, where anything did."""
    for name in names:
        if new[name] is not old[name]:
            targets[name].copy_(new[name][0])


def _shapes(tensors: Tree) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}
