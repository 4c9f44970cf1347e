"""The plain thing a user would write: Ray Tune, one run a trial, a DataLoader, torch's Adam.

The peer of the benchmarks here. It is given what costs it nothing: one thread a worker, flushed
denormals, no checkpoints, no loggers. Not given: packing, which is what is measured.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def train_digits(space: dict[str, Any]) -> None:
    """One run: 64-128-10 on digits, Adam, volumization, test accuracy after each epoch."""
    import torch
    from ray import tune
    from sklearn.datasets import load_digits
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    config = space["trial"]
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(config["seed"])
    pixels, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels)
    x_train, y_train, x_test, y_test = x[:1000], y[:1000].clone(), x[1000:], y[1000:]
    wrong = torch.rand(1000) < config["label_noise"]
    y_train[wrong] = (y_train[wrong] + torch.randint(1, 10, (int(wrong.sum()),))) % 10
    train = DataLoader(TensorDataset(x_train, y_train), 128, shuffle=True, drop_last=True)
    test = DataLoader(TensorDataset(x_test, y_test), 256)

    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    walls = {p: config["v"] * (6 / p.shape[1]) ** 0.5 for p in model.parameters() if p.ndim == 2}
    for _ in range(config["epochs"]):
        for inputs, targets in train:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for p, wall in walls.items():
                    outside = p.abs() > wall
                    kept = p.sign() * (wall + config["alpha"] * (p.abs() - wall))
                    p.copy_(torch.where(outside, kept, p))
        with torch.no_grad():
            hits = sum(int((model(a).argmax(1) == b).sum()) for a, b in test)
        tune.report({"test_accuracy": hits / len(x_test)})


def run_trials(
    trials: list[dict[str, Any]], trainable: Any = train_digits, **tune_config: Any
) -> None:
    """Run one trial per config on the Ray that is up."""
    import logging

    from ray import tune

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"trial": tune.grid_search(trials)},
        tune_config=tune.TuneConfig(**tune_config),
        run_config=tune.RunConfig(verbose=0),
    ).fit()
