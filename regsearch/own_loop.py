"""Regularizers in a plain PyTorch loop, on any torch optimizer: one model is a pack of one."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from torch import nn
from torch.utils.hooks import RemovableHandle

from regsearch.cells import Tree
from regsearch.errors import SpecError
from regsearch.regularizers import REGULARIZERS, Hparams, Plan, Regularizer
from regsearch.space import Kind, per_run_fields

MOMENTA = ("momentum_buffer", "exp_avg")
"""Names of the momentum in the state of torch's optimizers."""


class Attached:
    """A regularizer at work; ``remove()`` takes it off again."""

    def __init__(self, hooks: list[RemovableHandle]) -> None:
        self._hooks = hooks

    def remove(self) -> None:
        """Detach; the optimizer goes on as if the regularizer had never been there."""
        for hook in self._hooks:
            hook.remove()


class _Part(NamedTuple):
    """The parameters of one param group, and what the regularizer planned for the model."""

    group: dict[str, Any]
    params: dict[str, nn.Parameter]
    plan: Plan


def attach(optimizer: torch.optim.Optimizer, model: nn.Module, kind: str, **hp: Any) -> Attached:
    """Make every ``optimizer.step()`` apply the regularizer ``kind`` to the weights of ``model``.

    Gradients and weights are changed just before the step, weights and momentum just after it;
    learning rates are read from the param groups, so schedulers work. Parameters without a
    gradient are left alone. Attach once the weights have their initial values.

    Raises:
        UnknownName: there is no regularizer ``kind``.
        SpecError: a hyper-parameter is unknown, missing or out of range.
    """
    method, config = REGULARIZERS[kind], _config(kind, hp)
    groups = [{id(param) for param in group["params"]} for group in optimizer.param_groups]
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    held = {name: p for name, p in trained.items() if any(id(p) in ids for ids in groups)}
    plan = method.plan(model, _stack(held), config)  # of the whole: a bias looks at its weight
    parts = []
    for group, ids in zip(optimizer.param_groups, groups, strict=True):
        params = {name: param for name, param in held.items() if id(param) in ids}
        own = {part: {n: t for n, t in tree.items() if n in params} for part, tree in plan.items()}
        parts.append(_Part(group, params, own))

    @torch.no_grad()
    def before(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for part in parts:
            _before_step(method, config, part)

    @torch.no_grad()
    def after(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for part in parts:
            _after_step(method, config, part, optimizer)

    return Attached(
        [optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after)]
    )


def constrain(model: nn.Module, kind: str, **hp: Any) -> nn.Module:
    """Re-parametrise ``model`` as ``kind`` wants it; methods that do not, leave it as it is.

    Call it before the optimizer is made, since the parameters may be other ones afterwards.

    Raises:
        UnknownName: there is no regularizer ``kind``.
        SpecError: a hyper-parameter is unknown, missing or out of range.
    """
    return REGULARIZERS[kind].build(model, _config(kind, hp))


def _before_step(method: Regularizer, config: Kind, part: _Part) -> None:
    params, hp = _stack(part.params), _hparams(config, part)
    grads = {
        name: (torch.zeros_like(param) if param.grad is None else param.grad)[None]
        for name, param in part.params.items()
    }
    new_grads = method.on_grads(grads, params, hp, part.plan)
    new_params = method.before_step(params, new_grads, hp, part.plan)
    _write(part, grads, new_grads)
    _write(part, params, new_params)


def _after_step(
    method: Regularizer, config: Kind, part: _Part, optimizer: torch.optim.Optimizer
) -> None:
    params = _stack(part.params)
    momentum = _stack(
        {
            name: optimizer.state[param][slot]
            for name, param in part.params.items()
            for slot in MOMENTA
            if optimizer.state[param].get(slot) is not None
        }
    )
    hp = _hparams(config, part)
    new_params, new_momentum = method.after_step(params, momentum, hp, part.plan)
    _write(part, params, new_params)
    _write(part, momentum, new_momentum)


def _write(part: _Part, old: Tree, new: Tree) -> None:
    """Copy what is new into ``old``, which are views of the user's tensors."""
    for name, tensor in old.items():
        if new[name] is not tensor and part.params[name].grad is not None:
            tensor.copy_(new[name])


def _stack(tensors: dict[str, Any]) -> Tree:
    return {name: tensor.detach()[None] for name, tensor in tensors.items()}


def _hparams(config: Kind, part: _Part) -> Hparams:
    like = next(iter(part.params.values()), torch.empty(0))
    values = {name: getattr(config, name) for name in per_run_fields(type(config))}
    values["lr"] = part.group["lr"]
    return {
        name: torch.as_tensor(value, dtype=like.dtype, device=like.device)[None]
        for name, value in values.items()
    }


def _config(kind: str, hp: dict[str, Any]) -> Kind:
    try:
        return REGULARIZERS[kind].config.model_validate({"kind": kind, **hp})
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, (kind, *problem['loc'])))}: {problem['msg']}, "
            f"got {problem['input']!r}"
            for problem in error.errors()
        ]
        raise SpecError(problems) from None
