"""Models of the user's own."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from regsearch.errors import SpecError
from regsearch.models.custom import Custom, build
from regsearch.models.dropout import Dropout

OWN = "tests.own_models"


def model(path: str, shape: tuple[int, ...] = (1, 8, 8), **values: Any) -> Any:
    return build(Custom(path=path, **values), shape, 4)


def test_it_is_called_with_what_it_names_and_with_the_arguments() -> None:
    flat, layer = model(f"{OWN}:linear", arguments={"bias": False})
    assert isinstance(flat, nn.Flatten)
    assert (layer.in_features, layer.out_features, layer.bias) == (64, 4, None)
    layer = model("torch.nn:Linear", arguments={"in_features": 3, "out_features": 2})
    assert layer.weight.shape == (2, 3)
    little = model(f"{OWN}:Little", arguments={"width": 2, "classes": 5})
    assert little.head.weight.shape == (5, 2 * 36)


def test_its_dropout_becomes_the_runs_own() -> None:
    little = model(f"{OWN}:Little")
    found = [(float(m.p), m.axes) for m in little.modules() if isinstance(m, Dropout)]
    assert found == [(pytest.approx(0.2), 2), (pytest.approx(0.4), None)]


def test_what_needs_no_gradient_is_not_trained() -> None:
    little = model(f"{OWN}:Little")
    assert set(dict(little.named_parameters())) == {"head.weight", "head.bias"}
    assert {"first.weight", "first.bias"} <= set(dict(little.named_buffers()))
    assert little(torch.randn(2, 1, 8, 8)).shape == (2, 4)


def test_a_file_in_the_current_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets_of_mine.py").write_text(
        "from torch import nn\nclass nets:\n    small = staticmethod(lambda: nn.Linear(2, 2))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    try:
        assert isinstance(model("nets_of_mine:nets.small"), nn.Linear)
    finally:
        sys.modules.pop("nets_of_mine", None)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("not_there:Net", r"no module not_there; it must be installed, or lie in"),
        ("torch.not_there:Net", r"no module torch.not_there; it must"),
        (f"{OWN}:Litle", r"own_models:Litle is not there. Did you mean 'Little'\?"),
        (f"{OWN}:ANSWER", r"own_models:ANSWER is int, which cannot be called"),
        (f"{OWN}:tensor", r"own_models:tensor must return an nn.Module, not Tensor"),
        (f"{OWN}:failing", r"raised RuntimeError: no luck with 4 \(own_models.py:\d+\)"),
        ("torch.nn:Linear", r"raised TypeError: .*missing 2 required .*in_features"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(path: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        model(path)


def test_a_module_that_fails_when_imported_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_net.py").write_text("import torch\n\nWIDTH = 1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpecError, match=r"ZeroDivisionError: .*\(broken_net.py:3\)"):
        model("broken_net:Net")
    (tmp_path / "needing_net.py").write_text("\nimport not_there\n")
    with pytest.raises(SpecError, match=r"importing needing_net raised .*\(needing_net.py:2\)"):
        model("needing_net:Net")


@pytest.mark.parametrize("path", ["", "net", "net.py", "my/net.py:Net", "net:", ":Net", "a:b c"])
def test_paths_of_another_form_are_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        Custom(path=path)
