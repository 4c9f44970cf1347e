"""Regularizers in a plain PyTorch loop, on any torch optimizer: one model is a pack of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from regsearch.cells import Tree
from regsearch.errors import RegsearchError, SpecError
from regsearch.regularizers import REGULARIZERS, Hparams, Regularizer
from regsearch.space import Kind, per_run_fields

MOMENTA = ("momentum_buffer", "exp_avg")
"""Names of the momentum in the state of torch's optimizers."""


class Attached:
    """A regularizer at work on one model and one optimizer."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, model: nn.Module, method: Regularizer, config: Kind
    ) -> None:
        self._method, self._config = method, config
        groups = [{id(param) for param in group["params"]} for group in optimizer.param_groups]
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._params = {n: p for n, p in trained.items() if any(id(p) in ids for ids in groups)}
        self._group_of = {
            name: next(number for number, ids in enumerate(groups) if id(param) in ids)
            for name, param in self._params.items()
        }
        self._plan = method.plan(model, _stack(self._params), config)
        self._seed, self._step = torch.initial_seed() % 2**63, 0
        self._hooks = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def remove(self) -> None:
        """Detach; the optimizer goes on as if the regularizer had never been there."""
        for hook in self._hooks:
            hook.remove()

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
        params = _stack(self._params)
        for name, discrete in quantizer.weights(params, self._hparams(0.0), self._plan).items():
            params[name].copy_(discrete)

    @torch.no_grad()
    def _before(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        if all(param.grad is None for param in self._params.values()):
            raise RegsearchError(
                f"{self._config.kind}: no parameter has a gradient; call loss.backward() before "
                "optimizer.step()"
            )
        self._step += 1
        params = _stack(self._params)
        grads = {
            name: (torch.zeros_like(param) if param.grad is None else param.grad)[None]
            for name, param in self._params.items()
        }
        new_grads, new_params = [], []
        for group in optimizer.param_groups:
            hp = self._hparams(group["lr"])
            new_grads.append(self._method.on_grads(grads, params, hp, self._plan))
            new_params.append(self._method.before_step(params, new_grads[-1], hp, self._plan))
        self._write(grads, new_grads)
        self._write(params, new_params)

    @torch.no_grad()
    def _after(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        params, momentum = _stack(self._params), _stack(self._momentum(optimizer))
        new_params, new_momentum = [], []
        for group in optimizer.param_groups:
            new = self._method.after_step(params, momentum, self._hparams(group["lr"]), self._plan)
            new_params.append(new[0])
            new_momentum.append(new[1])
        self._write(params, new_params)
        self._write(momentum, new_momentum)

    def _momentum(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        return {
            name: optimizer.state[param][slot]
            for name, param in self._params.items()
            for slot in MOMENTA
            if optimizer.state[param].get(slot) is not None
        }

    def _hparams(self, lr: float | Tensor) -> Hparams:
        like = next(iter(self._params.values()), torch.empty(0))
        values = {
            name: getattr(self._config, name) for name in per_run_fields(type(self._config))
        } | {"lr": lr}
        reals = {
            name: torch.as_tensor(value, dtype=like.dtype, device=like.device)[None]
            for name, value in values.items()
        }
        counts = {"step": self._step, "seed": self._seed}
        return reals | {n: torch.tensor([c], device=like.device) for n, c in counts.items()}

    def _write(self, old: Tree, new: list[Tree]) -> None:
        """Copy into ``old``, views of the user's tensors, what each one's param group made of it.

        Parameters without a gradient are left alone.
        """
        for name, tensor in old.items():
            changed = new[self._group_of[name]][name]
            if changed is not tensor and self._params[name].grad is not None:
                tensor.copy_(changed)


def attach(optimizer: torch.optim.Optimizer, model: nn.Module, kind: str, **hp: Any) -> Attached:
    """Make every ``optimizer.step()`` apply the regularizer ``kind`` to the weights of ``model``.

    Gradients and weights are changed just before the step, weights and momentum just after it;
    learning rates are read from the param groups, so schedulers work. Parameters without a
    gradient are left alone. Attach once the weights have their initial values; random methods
    draw from the seed that torch has at that moment.

    Raises:
        UnknownName: there is no regularizer ``kind``.
        SpecError: a hyper-parameter is unknown, missing or out of range, or the model has not
            what the method needs.
    """
    return Attached(optimizer, model, REGULARIZERS[kind], _config(kind, hp))


def constrain(model: nn.Module, kind: str, **hp: Any) -> nn.Module:
    """Re-parametrise ``model`` as ``kind`` wants it; methods that do not, leave it as it is.

    Call it before the optimizer is made, since the parameters may be other ones afterwards.

    Raises:
        UnknownName: there is no regularizer ``kind``.
        SpecError: a hyper-parameter is unknown, missing or out of range.
    """
    return REGULARIZERS[kind].build(model, _config(kind, hp))


def _stack(tensors: Mapping[str, Tensor]) -> Tree:
    return {name: tensor.detach()[None] for name, tensor in tensors.items()}


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
