import pytest
import torch
from pydantic import ValidationError
from scipy.stats import chisquare

from regsearch.datasets import DATASETS, Data, noisy_labels
from regsearch.datasets.arrays import ArraysConfig
from regsearch.datasets.digits import Digits
from regsearch.datasets.label_noise import HANDWRITTEN, NoiseKind
from regsearch.datasets.mnist import FashionMnist

CLEAN = torch.arange(1000) % 10


@pytest.mark.parametrize(
    ("rate", "wrong"), [(0, 0), (0.1234, 123), (0.4, 400), (0.8, 800), (1, 1000)]
)
def test_exactly_the_asked_share_is_wrong(rate: float, wrong: int) -> None:
    noisy = noisy_labels(CLEAN, 10, rate, seed=3)
    assert int((noisy != CLEAN).sum()) == wrong
    assert noisy.dtype == CLEAN.dtype
    assert 0 <= int(noisy.min()) <= int(noisy.max()) <= 9


def test_the_clean_labels_are_left_alone() -> None:
    before = CLEAN.clone()
    noisy_labels(CLEAN, 10, 0.5, seed=0)
    assert torch.equal(CLEAN, before)


def test_wrong_labels_are_uniform_over_the_other_classes() -> None:
    clean = torch.full((90_000,), 4)
    counts = noisy_labels(clean, 10, 1.0, seed=0).bincount(minlength=10)
    assert counts[4] == 0
    assert chisquare(counts[counts > 0]).pvalue > 0.001


def test_wrong_labels_are_spread_over_the_examples() -> None:
    wrong = noisy_labels(CLEAN, 10, 0.5, seed=0) != CLEAN
    halves = wrong.view(10, 100).sum(1)
    assert chisquare(halves).pvalue > 0.001


def test_levels_are_nested() -> None:
    low, high = (noisy_labels(CLEAN, 10, rate, seed=8) for rate in (0.2, 0.6))
    chosen = low != CLEAN
    assert torch.equal(high[chosen], low[chosen])


def test_seeds_differ_and_the_global_generator_is_not_touched() -> None:
    state = torch.get_rng_state()
    first, again, other = (noisy_labels(CLEAN, 10, 0.5, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_two_classes_can_only_swap() -> None:
    labels = torch.tensor([0, 1, 1, 0])
    assert noisy_labels(labels, 2, 1.0, seed=0).tolist() == [1, 0, 0, 1]


def test_the_largest_seed_and_no_examples_are_fine() -> None:
    assert len(noisy_labels(torch.empty(0, dtype=torch.int64), 10, 0.5, seed=2**53 - 1)) == 0


@pytest.mark.parametrize(("classes", "rate"), [(1, 0.5), (10, -0.1), (10, 1.1), (10, float("nan"))])
def test_impossible_settings_are_refused(classes: int, rate: float) -> None:
    with pytest.raises(ValueError, match="needs 2 or more classes"):
        noisy_labels(CLEAN, classes, rate, seed=0)


MANY = torch.arange(2000).remainder(13).clamp(max=9)  # classes of two sizes


@pytest.mark.parametrize(("rate", "wrong"), [(0, 0), (0.1234, 247), (0.45, 900), (1, 2000)])
def test_pairwise_noise_names_the_next_class(rate: float, wrong: int) -> None:
    noisy = noisy_labels(MANY, 10, rate, seed=3, kind="pairwise")
    moved = (noisy - MANY).remainder(10)
    assert int((moved == 1).sum()) == wrong
    assert int((moved == 0).sum()) == 2000 - wrong


def test_pairwise_and_symmetric_noise_of_one_seed_choose_the_same_examples() -> None:
    pairs = noisy_labels(MANY, 10, 0.3, 5, "pairwise") != MANY
    assert torch.equal(pairs, noisy_labels(MANY, 10, 0.3, 5) != MANY)


@pytest.mark.parametrize("rate", [0, 0.237, 0.4, 1])
def test_asymmetric_noise_moves_its_share_of_each_mistaken_class(rate: float) -> None:
    noisy = noisy_labels(MANY, 10, rate, 3, "asymmetric", HANDWRITTEN)
    for label in range(10):
        members = noisy[label == MANY]
        wrong = members != label
        expected = round(rate * len(members)) if label in HANDWRITTEN else 0
        assert int(wrong.sum()) == expected
        assert set(members[wrong].tolist()) <= {HANDWRITTEN.get(label)}


def test_two_classes_may_be_mistaken_for_each_other() -> None:
    swapped = noisy_labels(torch.tensor([3, 5, 4, 3]), 6, 1.0, 0, "asymmetric", {3: 5, 5: 3})
    assert swapped.tolist() == [5, 3, 4, 5]


@pytest.mark.parametrize("kind", ["pairwise", "asymmetric"])
def test_levels_of_the_other_kinds_are_nested_too(kind: NoiseKind) -> None:
    low, high = (noisy_labels(MANY, 10, rate, 8, kind, HANDWRITTEN) for rate in (0.2, 0.6))
    assert int((low != MANY).sum()) > 100
    assert torch.equal(high[low != MANY], low[low != MANY])


def test_asymmetric_noise_is_spread_over_the_examples() -> None:
    clean = torch.full((1000,), 7)
    wrong = noisy_labels(clean, 10, 0.5, 0, "asymmetric", HANDWRITTEN) != clean
    assert chisquare(wrong.view(10, 100).sum(1)).pvalue > 0.001


def test_asymmetric_noise_cannot_be_guessed() -> None:
    with pytest.raises(ValueError, match="which class is mistaken for which"):
        noisy_labels(CLEAN, 10, 0.5, 0, "asymmetric")


def test_a_data_set_draws_the_kind_that_is_asked_for() -> None:
    data = Data(MANY, MANY, MANY, MANY, 10, "many")
    for kind in ("pairwise", "asymmetric"):
        config = Digits(label_noise=0.4, label_noise_kind=kind)
        drawn = DATASETS["digits"].draw(data, config, 6)
        assert torch.equal(
            drawn.y_train, noisy_labels(MANY, 10, 0.4, 6, kind, {7: 1, 2: 7, 5: 6, 6: 5, 3: 8})
        )
        assert torch.equal(drawn.y_test, MANY)


def test_clothes_are_mistaken_as_published() -> None:
    names = [
        "t-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "boot",
    ]
    named = {names[c]: names[d] for c, d in FashionMnist.confusions.items()}
    assert named == {
        "boot": "sneaker", "sneaker": "sandal", "pullover": "shirt", "coat": "dress",
        "dress": "coat",
    }  # fmt: skip


def test_a_set_whose_confusions_are_not_known_says_which_are() -> None:
    with pytest.raises(ValidationError) as refused:
        ArraysConfig.model_validate_json('{"path": "x.npz", "label_noise_kind": "asymmetric"}')
    [problem] = refused.value.errors()
    assert problem["loc"] == ("label_noise_kind",)
    assert "of arrays is not known, only of digits, mnist, fashion_mnist, cifar10, cifar100" in str(
        problem["msg"]
    )


@pytest.mark.parametrize("name", [n for n in DATASETS if DATASETS[n].config.confusions])
def test_confusions_lead_from_one_class_to_another(name: str) -> None:
    classes = 100 if name == "cifar100" else 10
    for source, named in DATASETS[name].config.confusions.items():
        assert source != named
        assert 0 <= source < classes
        assert 0 <= named < classes
