"""Pipelines as a whole: built-ins, overrides, what is kept, what is filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from regsearch.errors import SpecError
from regsearch.report import REPORTS
from regsearch.study.expand import count_cells, examples, expand, is_open
from regsearch.study.sources import SWITCHES, Sources, built_ins
from regsearch.study.spec import (
    Pipeline,
    builtin_names,
    check,
    json_schema,
    load_pipeline,
    load_search_space,
)
from regsearch.study.yaml_file import parse_yaml, read_yaml

LEAST: dict[str, Any] = {
    "name": "least",
    "search_space": {"regularizers": [{"kind": "volumization", "v": [0.5, 1], "alpha": 0}]},
    "train": {"optimizer": {"kind": "adam", "lr": 0.001}, "epochs": 2},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str = "p.yaml", **fields: Any) -> str:
    text = yaml.safe_dump(LEAST | fields, sort_keys=False)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("# Does it\n#   work?\n\n" + text)
    return name


def problems_of(file: str, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as refused:
        load_pipeline(file, overrides)
    return refused.value.problems


PLANES = ("quickstart", "volumization_digits_noise", "volumization_mnist_noise")
"""Pipelines that draw a whole (v, alpha) plane."""


@pytest.mark.parametrize("name", built_ins("pipelines"))
def test_built_in_pipelines_load_and_say_what_they_ask(name: str) -> None:
    pipeline = load_pipeline(name)
    assert pipeline.name.replace("-", "_") == name
    assert "?" in pipeline.question
    listed = examples(pipeline) if is_open(pipeline) else expand(pipeline)
    cells = count_cells(pipeline) if is_open(pipeline) else len({run.cell for run in listed})
    assert listed
    assert cells >= (100 if name in PLANES else 10)


@pytest.mark.parametrize("name", built_ins("search_spaces"))
def test_built_in_search_spaces_load(name: str) -> None:
    assert load_search_space(name).regularizers[-1][0].kind == "none"  # the baseline


def test_built_ins_are_the_files_of_the_repository() -> None:
    root = Path(__file__).parents[2]
    for folder in ("pipelines", "search_spaces"):
        assert list(builtin_names(folder)) == sorted(f.stem for f in (root / folder).iterdir())
        assert all(len(asked) > 20 for asked in builtin_names(folder).values())


def test_the_question_and_the_text_are_kept_as_written() -> None:
    pipeline = load_pipeline(write())
    assert pipeline.question == "Does it\nwork?"
    assert pipeline.text == Path("p.yaml").read_text()


def test_a_line_for_the_editor_is_no_question() -> None:
    Path("p.yaml").write_text(
        "# yaml-language-server: $schema=x.json\n# Why?\nname: p # not this\n"
        + yaml.safe_dump({key: LEAST[key] for key in ("search_space", "train")})
    )
    assert load_pipeline("p.yaml").question == "Why?"


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("train.epochs=5", "train.epochs", 5),
        ("train.optimizer.lr=1e-4", "train.optimizer.lr", 1e-4),
        ("train.optimizer={kind: sgd, lr: 1}", "train.optimizer.kind", "sgd"),
        ("dataset.label_noise=0.4", "dataset.label_noise", 0.4),
        ("model={kind: dnn, width: 8}", "model.width", 8),
        ("pack=off", "pack", "off"),
        ("budget.time_budget_s=60", "budget.time_budget_s", 60.0),
        ("tracking.mlflow.experiment=x=y", "tracking.mlflow.experiment", "x=y"),
        ("seeds=[3, 5]", "seeds", [3, 5]),
        ("search_space.regularizers[0].v=3", "search_space.regularizers.0.v", 3.0),
    ],
)
def test_overrides_replace_one_value(override: str, path: str, value: Any) -> None:
    before, after = load_pipeline(write()).resolved(), load_pipeline(write(), [override]).resolved()
    at: Any = after
    for step in path.split("."):
        at = at[int(step)] if isinstance(at, list) else at[step]
    assert at == value
    root = path.split(".")[0]
    assert {k: v for k, v in before.items() if k != root} == {
        k: v for k, v in after.items() if k != root
    }


def test_a_factor_is_overridden_by_its_path() -> None:
    file = write(factors={"dataset.label_noise": [0.0, 0.4]})
    pipeline = load_pipeline(file, ["factors.dataset.label_noise={linspace: [0, 0.8, 5]}"])
    assert [run.factors["dataset.label_noise"] for run in expand(pipeline)[:5]] == pytest.approx(
        [0, 0.2, 0.4, 0.6, 0.8]
    )


def test_the_last_override_wins() -> None:
    assert load_pipeline(write(), ["train={epochs: 1}", "train.epochs=3"][1:]).train.epochs == 3
    assert load_pipeline(write(), ["train.epochs=3", "train.epochs=4"]).train.epochs == 4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.epochs=0", "-o train.epochs=0: train.epochs: needs 1 or more, got 0"),
        ("train.epochs=010", "-o train.epochs=010: train.epochs: 010 has a leading zero"),
        ("train.epocs=5", "-o train.epocs=5: train.epocs: unknown key. Did you mean 'epochs'?"),
        ("trian.epochs=5", "-o trian.epochs=5: trian: unknown key. Did you mean 'train'?"),
        ("seeds.x=1", "-o seeds.x=1: seeds.x: 'x' needs a mapping, but there is 2"),
        ("train.epochs", "-o train.epochs: needs PATH=VALUE, such as -o train.epochs=5"),
        ("=5", "-o =5: needs PATH=VALUE"),
        (
            "search_space.regularizers[4].v=1",
            "search_space.regularizers[4].v: there is no entry [4]; the list has 1, from [0]",
        ),
        ("name[0]=1", '-o name[0]=1: name[0]: [0] needs a list, but there is "least"'),
        ("search_space=nowhere", "-o search_space=nowhere: search_space: nowhere: nothing built"),
        ("dataset=[", "-o dataset=[: is not YAML at column"),
    ],
)
def test_problems_of_overrides_are_located_at_the_override(override: str, said: str) -> None:
    problems = problems_of(write(seeds=2), override)
    assert any(said in problem for problem in problems), problems
    assert len(problems) == 1


def test_a_secret_in_an_override_is_not_repeated() -> None:
    uri = "https://me:" + "hunter22@example.org"
    [problem] = problems_of(write(), f"tracking.mlflow.tracking_uri={uri}")
    assert problem.startswith("-o tracking.mlflow.tracking_uri=…: holds what looks like")
    assert "hunter22" not in problem


def test_problems_are_located_in_the_file_that_has_them() -> None:
    Path("space.yaml").write_text("# a space\nregularizers:\n  - {kind: weight_decay, decay: -1}\n")
    file = write(search_space="space.yaml", seeds=0)
    assert problems_of(file, "train.epochs=0") == [
        "-o train.epochs=0: train.epochs: needs 1 or more, got 0",
        "p.yaml:11: seeds: needs 1 to 100,000 seeds, got 0",
        "space.yaml:3: regularizers[0].decay: needs 0 or more, got -1",
    ]


def test_a_search_space_is_found_from_the_pipelines_folder() -> None:
    Path("spaces").mkdir()
    Path("spaces/s.yaml").write_text("regularizers: [{kind: none}]")
    file = write("pipelines/p.yaml", search_space="../spaces/s.yaml")
    assert len(expand(load_pipeline(file))) == 1
    Path("here.yaml").write_text("regularizers: [{kind: weight_decay, decay: [1, 2]}]")
    assert len(expand(load_pipeline(file, ["search_space=./here.yaml"]))) == 2


def test_paths_of_data_start_at_the_file_that_names_them() -> None:
    file = write("deep/p.yaml", dataset={"kind": "arrays", "path": "data/x.npz"})
    here = Path.cwd()
    assert load_pipeline(file).resolved()["dataset"]["path"] == str(here / "deep/data/x.npz")
    override = load_pipeline(file, ["dataset.path=y.npz"])
    assert override.resolved()["dataset"]["path"] == str(here / "y.npz")
    several = write("deep/p.yaml", dataset={"kind": "arrays"}, factors={"dataset.path": ["a", "b"]})
    assert load_pipeline(several).factors["dataset.path"] == [
        str(here / "deep/a"),
        str(here / "deep/b"),
    ]


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: there is no such file"):
        load_pipeline("nowhere.yaml")
    with pytest.raises(SpecError, match="Did you mean 'quickstart'"):
        load_pipeline("quickstar")


def test_at_most_fifty_problems_are_listed() -> None:
    file = write(seeds=[-1] * 60)
    problems = problems_of(file)
    assert len(problems) == 51
    assert problems[-1] == "… and 10 more problems"


lists = st.lists(st.floats(0, 0.9), min_size=1, max_size=3, unique=True)
specs = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9_-])?", fullmatch=True),
        "search_space": st.fixed_dictionaries(
            {
                "regularizers": st.lists(
                    st.fixed_dictionaries(
                        {"kind": st.just("weight_decay"), "decay": lists | st.floats(0, 0.9)},
                        optional={"coupled": st.booleans()},
                    ),
                    min_size=1,
                    max_size=3,
                )
            }
        ),
        "train": st.fixed_dictionaries(
            {
                "optimizer": st.fixed_dictionaries(
                    {"kind": st.sampled_from(["adam", "sgd"]), "lr": st.floats(1e-6, 1)}
                ),
                "epochs": st.integers(1, 100),
            }
        ),
    },
    optional={
        "seeds": st.integers(1, 4)
        | st.lists(st.integers(0, 9), min_size=1, unique=True, max_size=3),
        "factors": st.fixed_dictionaries(
            {"dataset.label_noise": st.lists(st.floats(0, 1), min_size=1, max_size=3, unique=True)}
        ),
        "metric": st.sampled_from(
            [{"name": "weight_norm", "at": "best"}, {"name": "test_loss", "at": "epoch:1"}]
        ),
        "pack": st.sampled_from(["off", "auto", 3]),
        "device": st.sampled_from(["cpu", "auto"]),
    },
)


@settings(max_examples=40)
@given(specs)
def test_a_resolved_pipeline_is_the_same_pipeline(spec: dict[str, Any]) -> None:
    pipeline = check(Sources.of(spec))
    text = yaml.safe_dump(pipeline.resolved(), sort_keys=False)
    again = check(Sources(parse_yaml(text, "resolved.yaml")))
    assert again.resolved() == pipeline.resolved()
    assert [run.run for run in expand(again)] == [run.run for run in expand(pipeline)]


def shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@settings(max_examples=40)
@given(specs, st.randoms(use_true_random=False))
def test_hashes_do_not_depend_on_the_order_of_keys(spec: dict[str, Any], random: Any) -> None:
    other = shuffled(spec, random)
    a, b = expand(check(Sources.of(spec))), expand(check(Sources.of(other)))
    assert {(run.run, run.cell) for run in a} == {(run.run, run.cell) for run in b}


def test_the_schemas_accept_the_built_ins_and_refuse_typos() -> None:
    schemas = json_schema()
    root = Path(__file__).parents[2]
    for kind, folder in [("pipeline", "pipelines"), ("search_space", "search_spaces")]:
        validator = jsonschema.Draft202012Validator(schemas[kind])
        validator.check_schema(schemas[kind])
        for file in (root / folder).glob("*.yaml"):
            value = read_yaml(file, switches=SWITCHES).value
            validator.validate(value)
            assert not validator.is_valid(value | {"sedes": 3})
    draft = jsonschema.Draft202012Validator(schemas["pipeline"])
    draft.validate(LEAST | {"metric": {"name": "test_loss"}})
    bad = LEAST | {"metric": {"name": "test_acuracy"}}
    assert not jsonschema.Draft202012Validator(schemas["pipeline"]).is_valid(bad)


@pytest.mark.parametrize("of", ["pipeline", "search_space"])
def test_the_schemas_describe_every_form_and_every_field(of: str) -> None:
    schema = json_schema(REPORTS)[of]
    forms = {"": schema, **schema["$defs"]}
    assert not [name for name, form in forms.items() if not form.get("description")]
    fields = {
        f"{name}.{field}": value
        for name, form in forms.items()
        for field, value in form.get("properties", {}).items()
        if field != "kind"
    }
    assert any(path.endswith("WeightDecay.decay") for path in fields)
    assert not [path for path, value in fields.items() if not value.get("description")]


def test_a_pipeline_made_in_python_has_no_file_but_the_same_runs() -> None:
    made, read = Pipeline.model_validate(LEAST), check(Sources.of(LEAST))
    assert made.question == made.text == ""
    assert [run.run for run in expand(made)] == [run.run for run in expand(read)]
