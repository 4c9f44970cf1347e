"""Accuracy on corrupted images against loops over one model, one family and one severity."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from pydantic import ValidationError
from torch import Tensor, nn

from regsearch.api import load
from regsearch.corruptions import BENCHMARKS, corrupt
from regsearch.datasets import DATASETS, Data
from regsearch.errors import DataError, SpecError
from regsearch.metrics import MEASUREMENTS, Outline, Subject, _corrupted, reading
from regsearch.metrics.corruptions import Corruptions, check, fingerprint, measure, names
from regsearch.pixels import Pixels
from regsearch.study.preflight import check_runs
from regsearch.train.task import Task

MakeSubject = Callable[..., Subject]
NORMAL = Pixels((0.3,), (0.4,))


@pytest.fixture(scope="module")
def digits() -> Data:
    dataset = DATASETS["digits"]
    return dataset.load(dataset.config(kind="digits"))


@pytest.fixture(scope="module")
def model(digits: Data) -> nn.Sequential:
    """Knows digits fairly well."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        F.cross_entropy(model(digits.x_train), digits.y_train).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


@pytest.fixture
def subject(digits: Data, model: nn.Sequential, make_subject: MakeSubject) -> Subject:
    """The model that has learnt, and one that has not."""
    torch.manual_seed(1)
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    x, y = digits.x_test.clone(), digits.y_test  # a test set of its own: nothing is kept of it
    return make_subject(model, other, x_test=x, y_test=y.expand(2, -1), chunk=50)


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float((model(x).argmax(1) == y).double().mean())


def configured(**settings: Any) -> Corruptions:
    return Corruptions.model_validate({"benchmark": "mnist_c"} | settings)


def test_it_is_the_mean_over_families_of_the_mean_over_severities(
    subject: Subject, model: nn.Sequential
) -> None:
    families, severities = ["zigzag", "impulse_noise"], [1, 3, 5]
    config = configured(families=families, severities=severities, samples=None)
    found = {name: float(values[0]) for name, values in measure(subject, config).items()}
    x, y, rows = subject.x_test, subject.y_test[0], torch.arange(len(subject.x_test))
    known = {
        family: np.mean(
            [
                accuracy(model, corrupt(x, rows, family, "mnist_c", 28, severity) / 255, y)
                for severity in ([1] if family == "zigzag" else severities)
            ]
        )
        for family in families
    }
    assert list(found) == [
        *("corruption_accuracy", "corruption_impulse_noise_accuracy"),
        "corruption_zigzag_accuracy",
    ]
    for family in families:
        assert found[f"corruption_{family}_accuracy"] == pytest.approx(known[family])
    assert found["corruption_accuracy"] == pytest.approx(np.mean(list(known.values())))
    assert 0.15 < found["corruption_accuracy"] < 0.95


def test_a_sample_holds_the_same_images_as_all(subject: Subject, model: nn.Sequential) -> None:
    few = configured(families=["shot_noise"], samples=40)
    measured = measure(subject, few)["corruption_accuracy"]
    made = _corrupted.corrupted(subject, next(iter(_corrupted._MADE[subject.x_test])))
    x, rows = subject.x_test, torch.arange(len(subject.x_test))
    whole = corrupt(x, rows, "shot_noise", "mnist_c", 28, 5)
    assert len(made.rows) == 40
    assert torch.equal(made.images["shot_noise"][0], whole[made.rows])
    y = subject.y_test[0, made.rows]
    assert float(measured[0]) == pytest.approx(accuracy(model, whole[made.rows] / 255, y))


def test_more_noise_does_more_harm_to_real_digits(subject: Subject, model: nn.Sequential) -> None:
    clean = accuracy(model, subject.x_test, subject.y_test[0])
    assert clean > 0.85
    for family in ("shot_noise", "impulse_noise", "rotate", "shear", "scale"):
        harmed = [
            float(
                measure(subject, configured(families=[family], severities=[severity]))[
                    "corruption_accuracy"
                ][0]
            )
            for severity in (1, 3, 5)
        ]
        assert clean + 0.01 > harmed[0] > harmed[1] > harmed[2] > 0.05


def test_pixels_are_corrupted_however_inputs_are_normalised(
    subject: Subject, model: nn.Sequential, make_subject: MakeSubject
) -> None:
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    state = model.state_dict()  # the same function of the pixels
    state["1.bias"] = state["1.bias"] + state["1.weight"].sum(1) * NORMAL.mean[0]
    state["1.weight"] = state["1.weight"] * NORMAL.deviation[0]
    other.load_state_dict(state)
    normal = make_subject(
        other, x_test=NORMAL.inputs(subject.x_test), y_test=subject.y_test[:1], pixels=NORMAL
    )
    config = configured(families=["impulse_noise", "brightness", "stripe", "motion_blur"])
    plain = measure(subject, config)
    for name, values in measure(normal, config).items():
        assert float(values[0]) == pytest.approx(float(plain[name][0]), abs=0.002)


def test_images_are_made_once_for_a_test_set(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(*arguments: Any) -> Tensor:
        made.append(arguments[2])
        return corrupt(*arguments)

    monkeypatch.setattr(_corrupted, "corrupt", counted)
    config = configured(families=["stripe", "fog"], samples=20, every=1)
    first = measure(subject, config)
    assert sorted(made) == ["fog", "stripe"]
    again = measure(subject._replace(seed=subject.seed + 5), config.model_copy(update={"every": 2}))
    assert len(made) == 2
    assert all(torch.equal(first[name], again[name]) for name in first)
    measure(subject._replace(x_test=subject.x_test.clone()), config)
    assert len(made) == 4


def test_names_are_the_benchmarks_and_can_be_read() -> None:
    mnist, cifar = configured(), configured(benchmark="cifar10_c")
    assert len(names(mnist)) == 1 + 15
    assert len(names(cifar)) == 1 + 14, "without frost"
    assert len(names(configured(benchmark="cifar10_c", families="all"))) == 1 + 14 + 3
    every = configured(benchmark="cifar10_c", families="all", source="files", folder="there")
    assert len(names(every)) == 1 + 19
    assert names(cifar)[:2] == ["corruption_accuracy", "corruption_gaussian_noise_accuracy"]
    for name in {*names(mnist), *names(every)}:
        assert name in MEASUREMENTS["corruptions"].quantities
        quantity = reading(name)
        assert quantity is not None
        assert quantity.higher_is_better
    assert cifar.measured()["fog"] == [1, 2, 3, 4, 5]
    assert mnist.measured()["fog"] == [5]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"families": ["fogg"]}, "'fogg' is no family of mnist_c. Did you mean 'fog'"),
        ({"families": ["snow"]}, "'snow' is no family of mnist_c"),
        ({"families": ["fog", "fog"]}, "families names one twice"),
        ({"severities": [1, 1]}, "severities names one twice"),
        ({"severities": [6]}, "less than or equal to 5"),
        ({"benchmark": "cifar10_c", "families": ["frost"]}, "frost cannot be generated: it over"),
        ({"folder": "x"}, "folder is of files, and source: generated reads none"),
        ({"source": "files", "severities": [2]}, "severities cannot be chosen from MNIST-C's"),
    ],
)
def test_what_there_is_not_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        configured(**settings)


IMAGE, CLASS = torch.zeros(1, 1, 28, 28), torch.zeros(1, dtype=torch.int64)


@pytest.mark.parametrize(
    ("x", "y", "pixels", "problem"),
    [
        (torch.zeros(1, 9, dtype=torch.int64), CLASS, None, r"not words of shape \[9\]"),
        (torch.zeros(1, 64), CLASS, Pixels(), r"needs images, .* not examples of shape \[64\]"),
        (torch.zeros(1, 2, 8, 8), CLASS, Pixels(), r"not examples of shape \[2, 8, 8\]"),
        (IMAGE, torch.zeros(1, 3), Pixels(), "needs classes"),
        (IMAGE, CLASS, None, "needs to know which inputs are black and white"),
    ],
)
def test_data_that_have_no_pixels_are_refused(
    x: Tensor, y: Tensor, pixels: Pixels | None, problem: str
) -> None:
    with pytest.raises(SpecError, match=problem):
        check(configured(), Outline(nn.Flatten(), x, y, pixels))


@pytest.fixture
def fog_files(tmp_path: Path) -> Path:
    """MNIST-C of six examples, black but for one: white."""
    (tmp_path / "mnist_c" / "fog").mkdir(parents=True)
    pixels = np.zeros((6, 28, 28, 1), np.uint8)
    pixels[2] = 255
    np.save(tmp_path / "mnist_c" / "fog" / "test_images.npy", pixels)
    np.save(tmp_path / "mnist_c" / "fog" / "test_labels.npy", np.array([0, 0, 1, 1, 0, 0]))
    return tmp_path / "mnist_c"


def test_files_are_measured_as_they_are(fog_files: Path, make_subject: MakeSubject) -> None:
    """A model that tells white from black is wrong once; on inputs that are normalised, too."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 2, bias=False))
    model.load_state_dict({"1.weight": torch.tensor([[-1.0], [1.0]]).expand(2, 784)})
    y = torch.tensor([[0, 0, 1, 1, 0, 0]])
    pixels = Pixels((0.5,), (0.25,))
    subject = make_subject(model, x_test=torch.rand(6, 1, 28, 28), y_test=y, pixels=pixels)
    config = configured(families=["fog"], source="files", folder=str(fog_files))
    assert float(measure(subject, config)["corruption_fog_accuracy"]) == pytest.approx(5 / 6)


def test_files_must_be_of_the_test_set(fog_files: Path) -> None:
    config = configured(families=["fog"], source="files", folder=str(fog_files))
    outline = Outline(nn.Flatten(), IMAGE, CLASS, Pixels(), torch.tensor([0, 0, 1, 1, 0, 0]))
    check(config, outline)
    with pytest.raises(SpecError, match="the 6 labels of MNIST-C's files are not those of the 5"):
        check(config, outline._replace(y_test=torch.tensor([0, 0, 1, 1, 0])))
    with pytest.raises(SpecError, match=r"MNIST-C holds images of \[1, 28, 28\], not \[1, 8, 8\]"):
        check(config, outline._replace(x=torch.zeros(1, 1, 8, 8)))


def test_the_folder_is_named_or_lies_where_data_do(
    fog_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(families=["fog"], source="files")
    monkeypatch.delenv("REGSEARCH_DATA", raising=False)
    with pytest.raises(DataError, match=r"write folder, or set \$REGSEARCH_DATA"):
        fingerprint(config)
    monkeypatch.setenv("REGSEARCH_DATA", str(fog_files.parent))
    assert fingerprint(config) == fingerprint(config.model_copy(update={"folder": str(fog_files)}))
    assert fingerprint(configured()) is None


def test_what_files_hold_is_part_of_a_run_and_where_they_lie_is_not(
    fog_files: Path,
) -> None:
    def content(folder: Path) -> dict[str, Any]:
        config = {"kind": "corruptions", "benchmark": "mnist_c", "families": ["fog"]}
        train = {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 1}
        parts = {"dataset": {"kind": "digits"}, "model": {"kind": "mlp"}, "train": train}
        measure = [config | {"source": "files", "folder": str(folder)}]
        task = Task.model_validate(parts | {"regularizers": [], "measure": measure, "seed": 0})
        return task.content()["measure"][0]

    first = content(fog_files)
    moved = fog_files.rename(fog_files.with_name("moved"))
    assert content(moved) == first
    assert "folder" not in first
    pixels = np.load(moved / "fog" / "test_images.npy")
    np.save(moved / "fog" / "test_images.npy", pixels + 1)
    assert content(moved)["fingerprint"] != first["fingerprint"]


STUDY = {
    "name": "corrupted",
    "search_space": {"regularizers": [{"kind": "none"}]},
    "train": {"optimizer": {"kind": "sgd", "lr": 0.1}, "epochs": 1},
}


def test_all_is_found_out_before_anything_is_trained(fog_files: Path, tmp_path: Path) -> None:
    x, y = np.zeros((4, 1, 8, 8)), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "values.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    wanted = {"kind": "corruptions", "benchmark": "mnist_c"}
    studies = [
        ({"kind": "arrays", "path": "values.npz"}, wanted, "corruptions of the model .* black and"),
        (
            {"kind": "digits"},
            wanted | {"families": ["fog"], "source": "files", "folder": "mnist_c"},
            r"measure\[0\]: .*MNIST-C holds images of \[1, 28, 28\]",
        ),
    ]
    for dataset, measured, problem in studies:
        file = tmp_path / "study.yaml"
        file.write_text(yaml.safe_dump(STUDY | {"dataset": dataset, "measure": [measured]}))
        pipeline = load(file)
        with pytest.raises(SpecError, match=problem):
            check_runs(pipeline.spec, pipeline.expand())


def test_every_benchmark_can_be_written_in_a_file() -> None:
    for benchmark in BENCHMARKS:
        config = configured(benchmark=benchmark, severities=[1])
        assert Corruptions.model_validate_json(json.dumps(config.model_dump(mode="json"))) == config
