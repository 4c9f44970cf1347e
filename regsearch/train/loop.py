"""A pack in training: epoch after epoch, from initial weights to one result per run."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from regsearch.cells import Tree
from regsearch.optim import OPTIMIZERS
from regsearch.regularizers import REGULARIZERS
from regsearch.train.augment import Augmenting
from regsearch.train.batches import batches, epoch_order, examples_per_epoch
from regsearch.train.compile import compiled, in_place, overwrite
from regsearch.train.course import Course
from regsearch.train.data import load_data
from regsearch.train.engine import Engine
from regsearch.train.evaluate import Evaluation, finite_runs
from regsearch.train.history import History, RunResult
from regsearch.train.hyper import stack_hyper
from regsearch.train.initial import initial_state, stack_models
from regsearch.train.layout import lay_out
from regsearch.train.measure import Measured, Measurements
from regsearch.train.precision import keep_norms_in_fp32
from regsearch.train.quantize import Quantization, quantized
from regsearch.train.rates import Rates
from regsearch.train.step import Program, Sums, Targets, examples, make_step
from regsearch.train.task import Task, digest
from regsearch.unit_search import find_groups

__all__ = ["PackTraining", "RunResult"]

CHUNK = 4
"""Batches that are evaluated at once: a forward pass alone needs less memory than a step."""


class PackTraining:
    """Trains runs of one structure together.

    What a run is given - initial weights, noise, batches - depends on its task alone, never on
    its pack: another pack gives the same numbers to rounding, the same pack bit for bit.
    """

    def __init__(self, tasks: Sequence[Task], engine: Engine) -> None:
        """Load the data and build the models of ``tasks``.

        Raises:
            ValueError: the tasks differ in more than seeds and values of type ``Real``.
            DataError: the data set is missing, damaged or too small.
        """
        structures = {digest(task.structure()) for task in tasks}
        if len(structures) != 1:
            raise ValueError(f"a pack needs runs of one structure, got {len(structures)}")
        self.tasks, self.config = list(tasks), tasks[0].train
        self._engine, device = engine, engine.prepare()
        self._data = load_data(tasks, device)
        model, params, buffers = stack_models(tasks, self._data, device)
        self.state = initial_state(lay_out(params, device), buffers, self.config.optimizer)
        self._hyper, methods = stack_hyper(tasks, device), tasks[0].regularizers
        self._plans = [REGULARIZERS[m.kind].plan(model, params, m) for m in methods]
        self._quantizations = Quantization.of(methods, self._hyper.regularizers, self._plans)
        self._rates = Rates(tasks, device)
        self.course = Course(methods, self._hyper.regularizers)
        seeds = [task.seed for task in tasks]
        self._augmenting = Augmenting(self.config, seeds, self._data.x_train)
        self._evaluation = Evaluation(
            copy.deepcopy(model).eval(),
            self._data,
            CHUNK * self.config.batch_size,
            find_groups(model),
        )
        self._measurements = Measurements(
            tasks[0].measure,
            self.config.epochs,
            self._evaluation,
            self._hyper.seed,
            chunk=self.config.batch_size,
            examples=self.examples_per_epoch,
        )
        self._sums = Sums(
            torch.zeros(len(tasks), dtype=torch.float64, device=device),
            torch.zeros(len(tasks), dtype=torch.int64, device=device),
        )
        if self.config.precision == "bf16" and len(tasks) > 1:
            keep_norms_in_fp32(model)
        program = Program(
            model,
            self.config.optimizer,
            methods,
            self.config.loss,
            precision=self.config.precision,
            batches=self.config.batches,
        )
        self._eager = in_place(make_step(program))
        self._full = compiled(structures.pop(), program) if engine.compile else self._eager
        self._history = History(len(tasks))

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self._history.epochs

    @property
    def diverged(self) -> int:
        """Number of runs that have become non-finite."""
        return int((self._history.diverged_at > 0).sum())

    @property
    def done(self) -> bool:
        """True after the last epoch, or when no run is left to train."""
        return self.epoch >= self.config.epochs or self.diverged == len(self.tasks)

    @property
    def examples_per_epoch(self) -> int:
        """How many examples each run sees in an epoch."""
        return examples_per_epoch(self._data.y_train.shape[1], self.config)

    def weights(self) -> Tree:
        """The weights to measure and to keep, ``[K, ...]`` each.

        They are the parameters, except between two outer steps of ``entropy_sgd``.
        """
        state, optimizer = self.state, self.config.optimizer
        rule = OPTIMIZERS[optimizer.kind]
        return rule.weights(state.params, state.slots, state.step, optimizer)

    def run_epoch(self) -> Tree:
        """Train one epoch and measure: one value per run, ``[K]``, NaN for diverged runs.

        ``train_loss`` and ``train_accuracy`` are averages while training, each batch seen before
        its update, as Keras and Lightning show them; all else is measured after the epoch. They are
        of augmented examples, and all else of the data as they are.
        """
        began = time.perf_counter()
        self.course.follow(self.config.course, self.epoch + 1)
        self._train()
        float(self._sums.loss.sum())  # waits for the device
        rate = len(self.tasks) * self.examples_per_epoch / (time.perf_counter() - began)
        measured = {"train_loss": self._sums.loss / self.examples_per_epoch}
        if not self._data.y_train.is_floating_point():
            measured["train_accuracy"] = self._sums.correct / self.examples_per_epoch
        evaluated = self._evaluate()
        measured |= evaluated.values
        if self.tasks[0].wanders:
            measured |= self.course.now()
        finite = finite_runs(self.state.params) & finite_runs(self.weights())
        finite &= measured["train_loss"].isfinite()
        on_host = {name: values.float().cpu() for name, values in measured.items()}
        seconds = time.perf_counter() - began
        return self._history.add(on_host, finite.cpu(), seconds, rate, evaluated.histograms)

    def time_steps(self, steps: int) -> tuple[int, float]:
        """Train at most ``steps`` steps of an epoch: steps done and seconds, for the pilot.

        On a CPU they are seconds of this thread's work: other processes do not count.
        """
        clock = self._clock()
        began, done = clock(), 0
        for x, y in islice(self._batches(), steps):
            self._advance(x, y)
            done += 1
        float(self._sums.loss.sum())  # waits for the device
        return done, clock() - began

    def time_evaluation(self) -> float:
        """Seconds that the metrics of every epoch take, likewise for the pilot."""
        clock = self._clock()
        began = clock()
        float(self._metrics(self.weights())["weight_norm"].sum())  # waits for the device
        return clock() - began

    def time_measurements(self, budget: float) -> float:
        """Seconds that all dear measurements take in a whole training, likewise for the pilot.

        Each is made on so few examples that it takes about ``budget`` seconds.
        """
        return self._measurements.time(self.weights(), self.state.buffers, self._clock(), budget)

    def _clock(self) -> Callable[[], float]:
        on_cpu = self._sums.loss.device.type == "cpu"
        return time.thread_time if on_cpu else time.perf_counter

    def _train(self) -> None:
        for total in self._sums:
            total.zero_()
        rates = self._rates.of_epoch(self.epoch, self._steps_per_epoch)
        for number, (x, y) in enumerate(self._batches()):
            if rates is not None:
                self._hyper.optimizer["lr"].copy_(rates[number])
            self._advance(x, y)

    @property
    def _steps_per_epoch(self) -> int:
        return math.ceil(self.examples_per_epoch / self.config.batch_size)

    def _batches(self) -> Iterator[tuple[Tensor, Targets]]:
        x, y = self._data.x_train, self._data.y_train
        seeds = [task.seed for task in self.tasks]
        order = epoch_order(y.shape[1], self.config, seeds, self.epoch + 1)
        plain = batches(x, y, order.to(x.device), self.config)
        return self._augmenting(plain, first=self.epoch * self._steps_per_epoch)

    def _advance(self, x: Tensor, y: Targets) -> None:
        # a shorter last batch is not worth a compilation of its own
        advance = self._full if examples(y) == self.config.batch_size else self._eager
        advance(self.state, self._sums, self._hyper, self._plans, x, y)

    def _evaluate(self) -> Measured:
        """Measure the weights and, where methods make them discrete, the discrete ones."""
        weights, epoch = self.weights(), self.epoch + 1
        dear = self._measurements.after(epoch, weights, self.state.buffers)
        measured = self._metrics(weights) | dear.values
        due = [q for q in self._quantizations if q.is_due(epoch, self.config.epochs)]
        if due:
            self._go_on_from(quantized(weights, due))
        return Measured(measured, dear.histograms)

    def _metrics(self, weights: Tree) -> Tree:
        measured = self._evaluation.measure(weights, self.state.buffers)
        if self._quantizations:
            discrete = quantized(weights, self._quantizations)
            measured |= self._evaluation.on_test("quantized", discrete, self.state.buffers)
        return measured

    def _go_on_from(self, params: Tree) -> None:
        state, optimizer = self.state, self.config.optimizer
        slots = OPTIMIZERS[optimizer.kind].restart(params, state.slots, optimizer)
        overwrite(state.params, params)
        for slot, averages in state.slots.items():
            overwrite(averages, slots[slot])

    def best_now(self) -> dict[str, float]:
        """Best value over the runs of each measured quantity after the last epoch."""
        return self._history.best_now()

    def results(self) -> list[RunResult]:
        """One result per run; a run that is not done yet is ``stopped``."""
        return self._history.results(self.config.epochs, self._engine.peak_memory())

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed pack needs, as tensors; batches and noise follow from the tasks.

        The tensors are those in use, as in torch: save them before the next epoch.
        """
        state = {"state": self.state._asdict(), "history": self._history.state_dict()}
        return state | {"course": self.course.state_dict()} if self.tasks[0].wanders else state

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from ``saved``, bit for bit as if there had been no interruption.

        Raises:
            ValueError: ``saved`` is of another pack.
        """
        _restore(self.state._asdict(), saved["state"])
        self._history.load_state_dict(saved["history"])
        if self.tasks[0].wanders:
            self.course.load_state_dict(saved["course"])


def _restore(old: dict[str, Any], new: dict[str, Any]) -> None:
    if old.keys() != new.keys():
        raise ValueError(f"saved state has {sorted(new)}, this pack needs {sorted(old)}")
    for name, value in old.items():
        if isinstance(value, dict):
            _restore(value, new[name])
        elif value.shape != new[name].shape:
            raise ValueError(f"saved {name} is {list(new[name].shape)}, not {list(value.shape)}")
        else:
            value.copy_(new[name])
