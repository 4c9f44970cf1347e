"""Our update rules as ``torch.optim.Optimizer``, for anybody's own training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from regsearch.cells import Tree
from regsearch.mistakes import sentences
from regsearch.optim._base import OPTIMIZERS
from regsearch.space import Kind, per_run_fields


class TorchOptimizer(torch.optim.Optimizer):
    """Any registered rule on the parameters of one model, which is a pack of one.

    Settings are those of the rule's config, in every param group, so that learning-rate schedulers
    work; moving averages are in ``state`` under torch's names. A parameter without a gradient is
    left alone, and its own ``step`` does not count.

    Args:
        params: parameters, named parameters, or param groups.
        kind: name of the rule in ``OPTIMIZERS``.
        seed: of the random numbers that the rule draws, if it draws any.
        settings: hyper-parameters of the rule; those left out have the rule's defaults.

    Raises:
        UnknownName: there is no optimizer ``kind``.
        ValueError: a setting is unknown, missing or out of range.
    """

    def __init__(self, params: ParamsT, kind: str, seed: int = 0, **settings: Any) -> None:
        config = _checked({"kind": kind, **settings})
        super().__init__(params, config.model_dump() | {"seed": seed})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with settings of their own where ``param_group`` names any.

        Raises:
            ValueError: a setting is out of range.
        """
        _checked(_settings(self.defaults | param_group))
        super().add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state, settings included, as torch's optimizers do.

        Raises:
            ValueError: the state is of another rule.
        """
        rule = self.defaults["kind"]
        for group in state_dict["param_groups"]:
            if group.get("kind") != rule:
                raise ValueError(
                    f"the saved state is of {group.get('kind', 'an optimizer of torch')}, not of "
                    f"{rule}; load it into the optimizer that it was saved from"
                )
        super().load_state_dict(state_dict)

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update every parameter that has a gradient; ``closure`` computes loss and gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for name, param, group in self._parameters():
            if param.grad is not None:
                self._update(name, param, group)
        return loss

    @contextmanager
    def weights_to_keep(self) -> Iterator[None]:
        """Inside the block, parameters hold the weights to measure and to save.

        They are the parameters themselves, except between two outer steps of ``entropy_sgd``.
        Afterwards training goes on as if nothing had been, so what the block does to the parameters
        is lost: ``Attached.quantize`` in it makes the discrete weights to measure and to save.
        """
        own = []
        for name, param, group in self._parameters():
            if slots := self._slots(name, param):
                own.append((param, param.detach().clone()))
                params = {name: param.detach()[None]}
                step, config = self.state[param]["step"], _config(group)
                kept = OPTIMIZERS[group["kind"]].weights(params, slots, step, config)
                param.data.copy_(kept[name][0])
        try:
            yield
        finally:
            for param, value in own:
                param.data.copy_(value)

    def _update(self, name: str, param: nn.Parameter, group: dict[str, Any]) -> None:
        rule, config, state = OPTIMIZERS[group["kind"]], _config(group), self.state[param]
        params, grads = {name: param.detach()[None]}, {name: cast(Tensor, param.grad)[None]}
        if not state:
            state["step"] = torch.tensor(0)
            state |= {slot: tree[name][0] for slot, tree in rule.slots(params, config).items()}
        state["step"] += 1
        step, slots = state["step"].to(param.device), self._slots(name, param)
        new, slots = rule.update(params, grads, slots, step, _reals(group, param), config)
        param.copy_(new[name][0])
        state |= {slot: tree[name][0] for slot, tree in slots.items()}

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter, dict[str, Any]]]:
        """Every parameter with its place, which is its name to the rule, and its group."""
        for g, group in enumerate(self.param_groups):
            for i, param in enumerate(group["params"]):
                yield f"{g}.{i}", param, group

    def _slots(self, name: str, param: nn.Parameter) -> dict[str, Tree]:
        state = self.state.get(param, {})
        return {slot: {name: value[None]} for slot, value in state.items() if slot != "step"}


def _reals(group: dict[str, Any], like: Tensor) -> dict[str, Tensor]:
    """The rule's hyper-parameters in float64 and the seed, ``[1]`` each."""
    reals = {
        name: torch.tensor([float(group[name])], dtype=torch.float64, device=like.device)
        for name in per_run_fields(OPTIMIZERS[group["kind"]].config)
    }
    return reals | {"seed": torch.tensor([group["seed"]], device=like.device)}


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {name: group[name] for name in OPTIMIZERS[group["kind"]].config.model_fields}


def _checked(settings: dict[str, Any]) -> Kind:
    config = OPTIMIZERS[settings["kind"]].config
    try:
        return config.model_validate(settings)
    except ValidationError as failed:
        raise ValueError("\n".join(sentences(failed, config, settings))) from None


def _config(group: dict[str, Any]) -> Kind:
    """Unchecked, since a schedule may take the learning rate to 0."""
    return OPTIMIZERS[group["kind"]].config.model_construct(**_settings(group))


class LaProp(TorchOptimizer):
    """Averages of normalised gradients (Liu, Wang and Ueda, 2020).

    Equations are in ``optim.laprop``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 4e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-15,
    ) -> None:
        super().__init__(params, "laprop", lr=lr, betas=betas, eps=eps)


class EntropySGD(TorchOptimizer):
    """Noisy inner steps, and one in ``inner_steps`` towards their average (Chaudhari and others).

    Equations and fields are in ``optim.entropy_sgd``. Call ``step`` once for each mini-batch, and
    evaluate in ``with optimizer.weights_to_keep():``. To train on from changed weights, change
    them right after an outer step, when the parameters are the weights to keep.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.1,
        inner_steps: int = 5,
        inner_lr: float = 0.1,
        momentum: float = 0.9,
        gamma: float = 1e-4,
        scoping: float = 1e-3,
        noise: float = 1e-4,
        averaging: float = 0.75,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            params,
            "entropy_sgd",
            seed,
            lr=lr,
            inner_steps=inner_steps,
            inner_lr=inner_lr,
            momentum=momentum,
            gamma=gamma,
            scoping=scoping,
            noise=noise,
            averaging=averaging,
            weight_decay=weight_decay,
        )


class AcceleratedSGD(TorchOptimizer):
    """Short steps coupled with an average of long ones (Kidambi and others, 2018).

    Equations and fields are in ``optim.accelerated_sgd``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.1,
        kappa: float = 1000.0,
        xi: float = 10.0,
        c: float = 0.7,
    ) -> None:
        super().__init__(params, "accelerated_sgd", lr=lr, kappa=kappa, xi=xi, c=c)
