"""The step that writes into its state, compiled once for each structure and shape."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from regsearch.cells import Tree
from regsearch.regularizers import Plan
from regsearch.train.step import Hyper, Program, State, Step, Sums, Targets, make_step

Advance = Callable[[State, Sums, Hyper, list[Plan], Tensor, Targets], None]
"""A step that replaces the state and adds to the sums, in place."""

SHAPES = 64
"""Pack sizes for which one process compiles the same structure; torch's default is 8."""

INDUCTOR: dict[str, Any] = {
    "cpp.vec_isa_ok": True,  # no trial program that proves the vector units: 7 s of CPU less
    "compile_threads": 1,  # no pool of compilers: each would import torch again, for 5 small files
}
"""Settings that make the first call short; measured with a cold cache on a loaded 2-core EPYC.

Precompiled headers, inductor's default, are the largest gain: 8 s of g++ instead of 33.
"""

COMPILE: dict[str, Any] = {
    "fullgraph": True,
    "dynamic": False,
    "options": INDUCTOR | {"guard_filter_fn": torch.compiler.keep_tensor_guards_unsafe},
    "recompile_limit": SHAPES,
    "isolate_recompiles": True,
}

_compiled: dict[str, Advance] = {}


def compiler_found() -> bool:
    """Whether this machine has the C++ compiler that torch's own compiler calls."""
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def in_place(step: Step) -> Advance:
    """The same step without new memory: the compiler fuses the copies into the update."""

    def advance(
        state: State, sums: Sums, hyper: Hyper, plans: list[Plan], x: Tensor, y: Targets
    ) -> None:
        new, seen = step(state, hyper, plans, x, y)
        overwrite(state.params, new.params)
        overwrite(state.buffers, new.buffers)
        for slot, averages in state.slots.items():
            overwrite(averages, new.slots[slot])
        state.step.copy_(new.step)
        sums.loss.add_(seen.loss)
        sums.correct.add_(seen.correct)

    return advance


def compiled(structure: str, program: Program) -> Advance:
    """The compiled step of ``program``; packs of one ``structure`` share it within a process.

    Only shapes are checked at each call: modules and configs are the same by construction, and
    checking them would cost as much as a small step. Where torch's compiler fails, which it does
    before anything is computed, the state is written by the step's caller instead: the compiler of
    torch 2.15 cannot always fuse a mean over a run's weights with what overwrites them
    (``KeyError: 'buf40'``). Where that fails as well, the step runs as it is.
    """
    if structure not in _compiled:
        step = make_step(program)
        whole = torch.compile(in_place(step), **COMPILE)
        pure = in_place(torch.compile(step, **COMPILE))
        _compiled[structure] = _first_to_compile(whole, pure, in_place(step))
    return _compiled[structure]


def _first_to_compile(*ways: Advance) -> Advance:
    """The first of ``ways`` on which the compiler does not fail; the last needs no compiler."""
    left = list(ways)

    def advance(
        state: State, sums: Sums, hyper: Hyper, plans: list[Plan], x: Tensor, y: Targets
    ) -> None:
        try:
            left[0](state, sums, hyper, plans, x, y)
        except RuntimeError as failure:
            if len(left) == 1 or not _is_the_compilers(failure):
                raise
            del left[0]
            if len(left) == 1:
                reason = getattr(failure, "inner_exception", failure)
                warnings.warn(f"not compiled, so slower: {reason!r}", RuntimeWarning, stacklevel=2)
            advance(state, sums, hyper, plans, x, y)

    return advance


def _is_the_compilers(failure: RuntimeError) -> bool:
    from torch._dynamo.exc import BackendCompilerFailed  # takes seconds where nothing compiles

    return isinstance(failure, BackendCompilerFailed)


def overwrite(old: Tree, new: Tree) -> None:
    """Copy the values of ``new`` into the tensors of ``old``."""
    for name, tensor in old.items():
        tensor.copy_(new[name])
