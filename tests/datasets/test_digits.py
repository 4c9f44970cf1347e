import pytest
import torch
from pydantic import ValidationError
from sklearn.datasets import load_digits

from regsearch.datasets import digits
from regsearch.datasets.digits import Digits, fingerprint, load
from regsearch.errors import DataError


def test_train_and_test_together_are_scikit_learns_digits() -> None:
    data = load(Digits())
    assert data.x_train.shape == (1000, 1, 8, 8)
    assert data.x_test.shape == (797, 1, 8, 8)
    pixels, labels = load_digits(return_X_y=True)
    rows = torch.cat([data.x_train, data.x_test]).view(-1, 64) * 16
    ours = torch.cat([rows, torch.cat([data.y_train, data.y_test])[:, None]], 1)
    theirs = torch.cat([torch.from_numpy(pixels), torch.from_numpy(labels)[:, None]], 1)
    assert sorted(ours.tolist()) == sorted(theirs.tolist())


def test_values_and_types_are_ready_for_a_model() -> None:
    data = load(Digits())
    assert data.x_train.dtype == torch.float32
    assert (float(data.x_train.min()), float(data.x_train.max())) == (0, 1)
    assert data.y_train.dtype == torch.int64
    assert data.y_train.unique().tolist() == list(range(10))
    assert data.classes == 10


def test_both_parts_hold_every_class_in_similar_shares() -> None:
    data = load(Digits())
    assert data.y_train.bincount().min() > 80
    assert data.y_test.bincount().min() > 60


def test_a_larger_training_set_holds_the_smaller() -> None:
    small, large = load(Digits(train_size=10)), load(Digits(train_size=1796))
    assert torch.equal(large.x_train[:10], small.x_train)
    assert len(large.y_test) == 1


def test_the_split_is_part_of_the_fingerprint_and_the_noise_is_not() -> None:
    assert fingerprint(Digits()) == load(Digits()).fingerprint
    assert fingerprint(Digits(train_size=10)) != fingerprint(Digits())
    assert fingerprint(Digits(label_noise=0.5, validation=100)) == fingerprint(Digits())


def test_noise_levels_share_the_tensors() -> None:
    assert load(Digits(label_noise=0.5)).x_train is load(Digits()).x_train


@pytest.mark.parametrize("size", [0, 1797, 3.5])
def test_impossible_sizes_are_refused(size: object) -> None:
    with pytest.raises(ValidationError):
        Digits.model_validate({"train_size": size})


def test_other_images_from_scikit_learn_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    digits._split.cache_clear()
    monkeypatch.setattr(digits, "CHECKSUM", "0" * 64)
    with pytest.raises(DataError, match="scikit-learn ships other images"):
        load(Digits())
