"""Domains of values, against NumPy and against the values written out."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, Literal

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from regsearch.regularizers import REGULARIZERS
from regsearch.space import Kind, Real
from regsearch.study.domains import choices, is_listed, linspace, logspace, searched


class Leaf(Kind):
    """Fields of every form that a leaf may have."""

    kind: Literal["leaf"] = "leaf"
    rate: Annotated[Real, Field(ge=0, le=1)]
    steps: Annotated[int, Field(ge=1)] = 3
    mode: Literal["soft", "hard"] = "soft"
    on: bool = True
    widths: list[int] = Field(default=[8], description="of each layer")
    betas: tuple[float, float] = (0.9, 0.99)
    scale: float | None = None


def axes(**fields: Any) -> dict[str, list[Any]]:
    return searched(Leaf).model_validate({"kind": "leaf", "rate": 0.5} | fields).axes()


def test_every_field_becomes_an_axis_and_defaults_have_one_value() -> None:
    assert axes() == {
        "rate": [0.5],
        "steps": [3],
        "mode": ["soft"],
        "on": [True],
        "widths": [[8]],
        "betas": [(0.9, 0.99)],
        "scale": [None],
    }


@pytest.mark.parametrize(
    ("field", "written", "values"),
    [
        ("rate", 1, [1.0]),
        ("rate", [0, 1], [0.0, 1.0]),
        ("rate", {"linspace": [0, 1, 3]}, [0.0, 0.5, 1.0]),
        ("steps", {"linspace": [1, 9, 3]}, [1, 5, 9]),
        ("steps", {"logspace": [1, 100, 3]}, [1, 10, 100]),
        ("mode", ["hard", "soft"], ["hard", "soft"]),
        ("on", [True, False], [True, False]),
        ("widths", [16, 16], [[16, 16]]),
        ("widths", [[16, 16], [32]], [[16, 16], [32]]),
        ("widths", [], [[]]),
        ("widths", [[]], [[]]),
        ("betas", [0.5, 0.9], [(0.5, 0.9)]),
        ("betas", [[0.5, 0.9], [0, 1]], [(0.5, 0.9), (0.0, 1.0)]),
        ("scale", [None, 0.1], [None, 0.1]),
    ],
)
def test_how_values_may_be_written(field: str, written: Any, values: list[Any]) -> None:
    got = axes(**{field: written})[field]
    assert got == values
    assert [type(value) for value in got] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("field", "written"),
    [("rate", [0.5, 2]), ("steps", {"linspace": [1, 2, 3]}), ("widths", [[1], ["a"]]), ("on", 1)],
)
def test_each_value_is_checked_as_the_leaf_checks_it(field: str, written: Any) -> None:
    with pytest.raises(ValidationError):
        axes(**{field: written})


def test_lists_are_told_from_grids_by_the_type() -> None:
    for annotation in (
        list[int],
        tuple[float, float],
        Annotated[list[int], Field()],
        list[int] | None,
    ):
        assert is_listed(annotation), annotation
    for other in (int, str, float | None, Literal["a", "b"], Annotated[str, Field()]):
        assert not is_listed(other), other


bounds = st.floats(-1e6, 1e6).map(lambda x: float(f"{x:.6g}"))


@settings(max_examples=100)
@given(bounds, bounds, st.integers(2, 50))
def test_linspace_is_numpys_to_twelve_digits(low: float, high: float, count: int) -> None:
    if low < high:
        np.testing.assert_allclose(
            linspace(low, high, count), np.linspace(low, high, count), rtol=1e-11, atol=1e-9
        )
        assert linspace(low, high, count)[0] == low
        assert linspace(low, high, count)[-1] == high


@settings(max_examples=100)
@given(st.floats(1e-9, 1e3), st.floats(1.01, 1e6), st.integers(2, 50))
def test_logspace_has_equal_ratios_between_its_bounds(low: float, ratio: float, n: int) -> None:
    values = logspace(low, low * ratio, n)
    assert values[0] == pytest.approx(low, rel=1e-11)
    assert values[-1] == pytest.approx(low * ratio, rel=1e-11)
    steps = [math.log(b / a) for a, b in itertools.pairwise(values)]
    assert steps == pytest.approx([math.log(ratio) / (n - 1)] * (n - 1), rel=1e-6, abs=1e-9)


def test_grids_have_the_values_that_one_would_write() -> None:
    assert linspace(0, 1, 11) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert logspace(1e-5, 1e-1, 5) == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    assert math.copysign(1, linspace(-1, 1, 3)[1]) == 1  # never minus zero


def test_a_mapping_of_several_keys_is_left_to_the_field() -> None:
    assert choices({"kind": "mlp", "widths": [1]}) == [{"kind": "mlp", "widths": [1]}]


def test_the_schema_allows_what_the_reader_allows() -> None:
    schema = jsonschema.Draft202012Validator(searched(Leaf).model_json_schema())
    good: list[dict[str, Any]] = [
        {"rate": 0.5},
        {"rate": [0.1, 0.2], "widths": [[1], [2]], "mode": ["soft"]},
        {"rate": {"linspace": [0, 1, 3]}, "widths": [1, 2]},
        {"rate": {"uniform": [0, 1]}, "steps": {"randint": [1, 9]}},
        {"rate": {"choice": [0, 1]}, "scale": {"quniform": [0, 1, 0.5]}},
    ]
    for fields in good:
        schema.validate({"kind": "leaf"} | fields)
    bad: list[dict[str, Any]] = [
        {"rate": []},
        {"rate": {"linspace": [0, 1]}},
        {"rate": {"uniform": [0]}},
        {"rate": {"uniform": [0, 1], "choice": [1]}},
        {"steps": {"randint": [0.5, 3]}, "rate": 1},
        {"rate": 0.5, "mode": "firm"},
        {"rate": 0.5, "extra": 1},
        {},
    ]
    for fields in bad:
        assert not schema.is_valid({"kind": "leaf"} | fields), fields


@pytest.mark.parametrize("name", list(REGULARIZERS))
def test_defaults_are_written_as_their_type(name: str) -> None:
    """A default 0 of a real field would hash unlike the 0.0 that a file's 0 is read as."""
    config = REGULARIZERS[name].config
    for key, field in config.model_fields.items():
        if not field.is_required():
            default = field.get_default(call_default_factory=True)
            assert not (isinstance(default, int) and field.annotation is float), key
