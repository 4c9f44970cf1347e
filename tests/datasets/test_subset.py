import json

import pytest
import torch
from pydantic import ValidationError

from regsearch.datasets import DATASETS, Data
from regsearch.datasets._subset import subset
from regsearch.datasets.mnist import Mnist
from regsearch.errors import DataError


def numbered(count: int) -> Data:
    x, y = torch.arange(count).view(-1, 1), torch.arange(count)
    return Data(x, y, x + 100, y + 100, count, "numbered")


def test_a_subset_keeps_images_with_their_labels_and_holds_the_smaller_ones() -> None:
    small, large = (subset(numbered(50), Mnist(train_size=n, test_size=3)) for n in (10, 20))
    assert torch.equal(small.x_train.ravel(), small.y_train)
    assert torch.equal(small.y_train, large.y_train[:10])
    assert len(set(large.y_train.tolist())) == 20
    assert small.x_test.ravel().tolist() == small.y_test.tolist()
    assert len(small.y_test) == 3
    assert small.y_test.min() >= 100


def test_without_sizes_nothing_is_left_out() -> None:
    whole = numbered(5)
    assert torch.equal(subset(whole, Mnist()).x_train, whole.x_train)


def test_a_subset_cannot_be_larger_than_the_set() -> None:
    with pytest.raises(DataError, match="mnist: train_size 6 is more than the 5 examples"):
        subset(numbered(5), Mnist(train_size=6))


def in_classes(*labels: int) -> Data:
    """Examples that are numbered, with these labels."""
    x, y = torch.arange(len(labels)).view(-1, 1), torch.tensor(labels)
    return Data(x, y, x, y, 3, "in classes")


CLASSES = in_classes(*([0] * 30 + [1] * 10 + [2] * 20))


def test_each_class_gives_its_first_examples_of_one_shuffle() -> None:
    few, more = (subset(CLASSES, Mnist(train_per_class=n)) for n in (4, 7))
    assert few.y_train.bincount().tolist() == [4, 4, 4]
    assert torch.equal(CLASSES.y_train[few.x_train.ravel()], few.y_train)
    assert set(few.x_train.ravel().tolist()) < set(more.x_train.ravel().tolist())
    shuffled = subset(CLASSES, Mnist(train_size=60)).x_train.ravel().tolist()
    for label in range(3):
        in_order = [row for row in shuffled if int(CLASSES.y_train[row]) == label]
        taken = few.x_train[few.y_train == label].ravel().tolist()
        assert taken == in_order[:4]


def test_labels_are_mixed_as_in_the_shuffle() -> None:
    labels = subset(CLASSES, Mnist(train_per_class=10)).y_train
    assert labels.tolist() != sorted(labels.tolist())


def test_a_class_cannot_give_more_than_it_has() -> None:
    with pytest.raises(DataError, match=r"train_per_class 11 is more than the 10 .* of class 1"):
        subset(CLASSES, Mnist(train_per_class=11))


def test_the_rest_stays_for_validation() -> None:
    cut = subset(CLASSES, Mnist(train_per_class=4))
    kept = subset(CLASSES, Mnist(train_per_class=4, validation="rest"))
    assert kept.trained is not None
    assert cut.trained is None
    assert torch.equal(kept.x_train[kept.trained], cut.x_train)
    assert torch.equal(kept.x_train, CLASSES.x_train)


def test_the_rest_cannot_be_nothing() -> None:
    with pytest.raises(DataError, match="rest is nothing, as all 60 examples are trained on"):
        subset(CLASSES, Mnist(train_size=60, validation="rest"))


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("mnist", {"train_size": 9, "train_per_class": 1}, "train_size 9 and train_per_class 1"),
        ("mnist", {"validation": "rest"}, "rest is what train_size .* mnist leaves nothing"),
        ("digits", {"validation": "rest"}, "digits leaves nothing; write a number"),
        ("digits", {"train_size": 10, "validation": "rest"}, "digits leaves nothing"),
        ("mnist", {"validation": "all"}, "Input should be 'rest'"),
        ("mnist", {"validation": -1}, "greater than or equal to 0"),
        ("mnist", {"train_per_class": 0}, "greater than or equal to 1"),
    ],
)
def test_what_contradicts_itself_is_refused(
    kind: str, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        DATASETS[kind].config.model_validate_json(json.dumps(settings))
