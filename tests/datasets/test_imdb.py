"""The reviews are few and written here in the official layout."""

import gzip
from pathlib import Path

import pytest
import torch

from regsearch.datasets import imdb
from regsearch.datasets.imdb import Imdb, fingerprint, load
from regsearch.errors import DataError

TEXTS = {
    "train/neg": ["A bad, BAD film", "bad Bad film  <br />\nreally"],
    "train/pos": ["a good film!", "Caf\u00e9 a la film"],
    "test/neg": ["bad a unseen film", "film"],
    "test/pos": ["a good good one here", ""],
}
WORDS = [  # by how often they occur in training, then by alphabet
    "a", "bad", "film", "/>", "<br", "bad,", "caf\u00e9", "film!", "good", "la", "really",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder, texts in TEXTS.items():
        (tmp_path / "aclImdb" / folder).mkdir(parents=True)
        for number, text in enumerate(texts):
            file = tmp_path / "aclImdb" / folder / f"{number}_{7 - number}.txt"
            file.write_text(text, encoding="utf-8")
    (tmp_path / "aclImdb/train/unsup").mkdir()
    monkeypatch.setattr(imdb, "REVIEWS", 2)
    imdb._read.cache_clear()
    return tmp_path


def numbers(text: str, known: int = len(WORDS)) -> list[int]:
    return [WORDS.index(w) + 2 if w in WORDS[:known] else 1 for w in text.lower().split()]


def padded(text: str, length: int, known: int = len(WORDS)) -> list[int]:
    return (numbers(text, known) + [0] * length)[:length]


def test_reviews_are_numbers_of_words_cut_or_padded_at_their_end(root: Path) -> None:
    data = load(Imdb(data_root=str(root), length=4))
    train = [*TEXTS["train/neg"], *TEXTS["train/pos"]]
    test = [*TEXTS["test/neg"], *TEXTS["test/pos"]]
    assert data.x_train.tolist() == [padded(text, 4) for text in train]
    assert data.x_test.tolist() == [padded(text, 4) for text in test]
    assert data.x_train.dtype == torch.int64
    assert data.y_train.tolist() == data.y_test.tolist() == [0, 0, 1, 1]
    assert (data.classes, data.vocabulary, data.embedding) == (2, 2 + len(WORDS), None)


def test_words_of_the_test_reviews_alone_are_unknown(root: Path) -> None:
    first = load(Imdb(data_root=str(root), length=4)).x_test[0]
    assert first.tolist() == [WORDS.index("bad") + 2, WORDS.index("a") + 2, 1, 2 + 2]


def test_a_small_vocabulary_holds_the_most_frequent_words(root: Path) -> None:
    data = load(Imdb(data_root=str(root), length=6, vocabulary=5))
    assert data.x_train.tolist() == [
        padded(text, 6, known=3) for text in [*TEXTS["train/neg"], *TEXTS["train/pos"]]
    ]
    assert data.vocabulary == 5


def test_vectors_stand_in_the_rows_of_their_words(root: Path) -> None:
    file = root / "vectors.txt"
    file.write_text("the 1 2 3\nfilm 0.5 -1e-3 2\nnew york 7 8 9\nbad -4 5 6.25\n")
    data = load(Imdb(data_root=str(root), vectors=str(file)))
    wanted = torch.zeros(2 + len(WORDS), 3)
    wanted[2 + WORDS.index("film")] = torch.tensor([0.5, -1e-3, 2])
    wanted[2 + WORDS.index("bad")] = torch.tensor([-4, 5, 6.25])
    assert data.embedding is not None
    assert torch.equal(data.embedding, wanted)
    assert data.embedding.dtype == torch.float32


def test_packed_vectors_are_read_as_well(root: Path) -> None:
    file = root / "vectors.txt.gz"
    file.write_bytes(gzip.compress(b"good 1.5 2\n"))
    embedding = load(Imdb(data_root=str(root), vectors=str(file))).embedding
    assert embedding is not None
    assert embedding[2 + WORDS.index("good")].tolist() == [1.5, 2]
    assert int(embedding.count_nonzero()) == 2


def test_other_vectors_are_other_data_wherever_they_lie(root: Path) -> None:
    texts = {"one": "film 1 2\n", "same": "film 1 2\n", "other": "film 1 3\n"}
    configs = {}
    for name, text in texts.items():
        (root / name).write_text(text)
        configs[name] = Imdb(data_root=str(root), vectors=str(root / name))
    one, same, other = (fingerprint(config) for config in configs.values())
    assert one == same != other
    assert one != fingerprint(Imdb())
    assert load(configs["one"]).fingerprint == one


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "knows none of the 11 words"),
        ("unseen 1 2\n", "knows none of the 11 words"),
        ("film 1 2\nbad 3\n", "is no text file with a word and its numbers"),
        ("film one two\n", "is no text file with a word and its numbers"),
    ],
)
def test_other_files_of_vectors_are_refused(root: Path, content: str, said: str) -> None:
    (root / "vectors.txt").write_text(content)
    with pytest.raises(DataError, match=said):
        load(Imdb(data_root=str(root), vectors=str(root / "vectors.txt")))


def test_missing_vectors_are_named_before_anything_is_read() -> None:
    with pytest.raises(DataError, match=r"no file none\.txt.*glove\.6B\.zip"):
        fingerprint(Imdb(vectors="none.txt"))


def test_missing_reviews_are_named_with_the_ways_out(root: Path) -> None:
    for file in (root / "aclImdb/test/pos").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"aclImdb/test/pos.* -o dataset.download=true"):
        load(Imdb(data_root=str(root)))


def test_a_part_of_the_reviews_is_not_the_official_set(root: Path) -> None:
    (root / "aclImdb/train/pos/1_6.txt").unlink()
    with pytest.raises(DataError, match="train/pos is unusable: it holds 1 reviews, not 2"):
        load(Imdb(data_root=str(root)))


def test_a_review_that_is_no_text_is_named(root: Path) -> None:
    (root / "aclImdb/train/pos/1_6.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"1_6\.txt is unusable"):
        load(Imdb(data_root=str(root)))


def test_a_subset_keeps_the_vocabulary_of_all_reviews(root: Path) -> None:
    data = load(Imdb(data_root=str(root), train_per_class=1))
    assert data.y_train.bincount().tolist() == [1, 1]
    assert data.vocabulary == 2 + len(WORDS)
