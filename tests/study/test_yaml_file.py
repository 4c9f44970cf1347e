"""What no case of the corpus can hold: files as files, limits, lines, and random texts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from regsearch.errors import SpecError
from regsearch.mistakes import show_path
from regsearch.study.yaml_file import Document, parse_value, parse_yaml, read_yaml

EXAMPLE = """\
# which question?
name: example
search_space:
  regularizers:
    - {kind: volumization, v: [0.1,
         0.2], alpha: 0}
    - kind: none
factors: {dataset.label_noise: [0.0, 0.4]}
"""


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as refused:
        parse_yaml(text, "f.yaml")
    return str(refused.value)


def test_lines_are_those_of_the_text() -> None:
    document = parse_yaml(EXAMPLE, "f.yaml")
    lines = EXAMPLE.splitlines()
    for where, word in [
        (("name",), "name:"),
        (("search_space", "regularizers"), "regularizers:"),
        (("search_space", "regularizers", 0, "v", 0), "[0.1,"),
        (("search_space", "regularizers", 0, "v", 1), "0.2]"),
        (("search_space", "regularizers", 0, "alpha"), "alpha: 0"),
        (("search_space", "regularizers", 1), "- kind: none"),
        (("factors", "dataset.label_noise", 1), "0.4]"),
    ]:
        assert word in lines[document.line(where) - 1], where


def test_a_place_that_was_not_written_has_the_line_of_its_nearest_ancestor() -> None:
    document = parse_yaml(EXAMPLE, "f.yaml")
    assert document.line(("search_space", "regularizers", 1, "decay", 0)) == 7
    assert document.problem(("factors", "x"), "is odd") == "f.yaml:8: factors.x: is odd"
    assert Document("-o a=1", 1).problem((), "is odd") == "-o a=1: is odd"


def test_paths_are_shown_as_one_writes_them() -> None:
    assert show_path(("regularizers", 0, "v", 2)) == "regularizers[0].v[2]"
    assert show_path(()) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: " + "[" * 500 + "]" * 500, "nested more than 32 levels"),
        ("a: [" + "1," * 100_000 + "1]", "more than 20,000 values"),
        ("a: {" + ",".join(f"k{i}: 1" for i in range(15_000)) + "}", "more than 20,000 values"),
        ("a: " + "9" * 200_000, "at most 2^53 in size, got 9999"),
        ("a: '" + "x" * 6_001 + "'", "at most 6,000 characters"),
        ("k" * 251 + ": 1", "a key of more than 250 characters"),
        (
            "a: &a {x: 1}\n" + "".join(f"b{i}: {{<<: [{'*a, ' * 9}]}}\n" for i in range(9)),
            "merge keys",
        ),
    ],
    ids=["depth", "values", "keys", "digits", "text", "key", "merge-bomb"],
)
def test_what_could_explode_is_refused_quickly(text: str, why: str) -> None:
    start = time.perf_counter()
    assert why in refusal(text)
    assert time.perf_counter() - start < 2  # naive loaders: seconds to years


def test_depth_32_is_allowed() -> None:
    assert parse_yaml("a: " + "[" * 31 + "]" * 31, "f.yaml").value["a"] != []


def test_files_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it to read would wait for ever
    for name, why in [
        ("pipe", "not a regular file"),
        (".", "cannot be read"),
        ("missing.yaml", "No such file"),
    ]:
        with pytest.raises(SpecError, match=why):
            read_yaml(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a: 1\nb: \xff\xfe\n", ":2: is not UTF-8 text; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), ":1: is not UTF-8 text"),
        (b"a: 1\n" * 60_000, "at most 256 KiB"),
    ],
    ids=["bytes", "utf-16", "large"],
)
def test_contents_that_are_no_text(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "f.yaml").write_bytes(content)
    with pytest.raises(SpecError) as refused:
        read_yaml(tmp_path / "f.yaml")
    assert why in str(refused.value)


def test_a_byte_order_mark_at_the_start_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfname: caf\xc3\xa9\n")
    document = read_yaml(tmp_path / "f.yaml")
    assert document.value == {"name": "café"}
    assert document.text == "name: café\n"


@pytest.mark.parametrize(
    "secret",
    [
        "gh" + "p_" + "a1B2" * 9,
        "AKI" + "A" + "ABCD" * 4,
        "s" + "k-" + "abcd1234" * 4,
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "https://user:" + "hunter22@example.org/mlflow",
        "postgresql://me:" + "hunter22@db/mlflow",
        "https://" + "token123@example.org",
    ],
)
def test_secrets_are_refused_and_never_repeated(secret: str) -> None:
    said = refusal(f"name: x\n# {secret}\nnested: {{uri: '{secret}'}}\n")
    assert said.count("holds what looks like") == 2
    assert said.startswith("f.yaml:2: ")
    assert "f.yaml:3: " in said
    assert "hunter22" not in said
    assert secret not in said


def test_uris_without_secrets_are_no_secrets() -> None:
    uris = ["http://localhost:5000", "sqlite:///mlflow.db", "postgresql://db.example.org/mlflow"]
    assert parse_yaml(f"uris: {uris}", "f.yaml").value == {"uris": uris}


def test_a_single_value_follows_the_same_rules() -> None:
    assert parse_value("[1e-4, true]", "-o a=…", ("a",)).value == [0.0001, True]
    assert parse_value("", "-o a=", ("a",)).value is None
    with pytest.raises(SpecError, match=r"^-o a\.b=010: a\.b: 010 has a leading zero"):
        parse_value("010", "-o a.b=010", ("a", "b"))


words = st.text(st.characters(categories=["L"]), min_size=1, max_size=8)  # never digits
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)
    | words
)
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=4) | st.dictionaries(words, v, max_size=4)
)


@settings(max_examples=40)
@given(st.dictionaries(words, values, max_size=5), st.booleans())
def test_what_pyyaml_writes_is_read_back(value: dict[str, Any], flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert parse_yaml(text, "f.yaml").value == value


@settings(max_examples=100)
@given(st.data())
def test_no_text_crashes_the_reader(data: st.DataObject) -> None:
    text = list(EXAMPLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.text(st.sampled_from("[]{}:,-&*!|>'\"#%@`?\n\t 0aé\0"), max_size=3)
        )
        if not text:
            break
    try:
        parse_yaml("".join(text), "f.yaml")
        problems = []
    except SpecError as refused:
        problems = refused.problems
    assert all(problem.startswith("f.yaml:") for problem in problems)
