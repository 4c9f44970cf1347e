"""IMDB: film reviews, 2 classes (negative, positive), the official 25,000 / 25,000 split.

Source: A. Maas et al., "Learning Word Vectors for Sentiment Analysis" (ACL 2011), in the folder
``aclImdb``. As in the volumization paper, words are what white space separates, in lower case, and
reviews are cut or padded at their end; the vocabulary is that of all training reviews.

Vectors known beforehand, such as those of GloVe (J. Pennington et al., EMNLP 2014), are read from a
text file with a word and its numbers on each line.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from regsearch.datasets._base import DATASETS, Data, Dataset
from regsearch.datasets._official import (
    OfficialConfig,
    damaged,
    data_root,
    fetch_archive,
    missing,
)
from regsearch.datasets._subset import subset
from regsearch.errors import DataError
from regsearch.space import Place

URL = "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
CLASSES = ("neg", "pos")
REVIEWS = 12_500
"""Of each class, in each split."""

PADDING, UNKNOWN, FIRST = 0, 1, 2
"""Numbers of no word, of a word that is not in the vocabulary, and of the most frequent word."""


class Imdb(OfficialConfig):
    """Words as numbers, int64 ``[N, length]``."""

    kind: Literal["imdb"] = "imdb"
    length: Annotated[
        int, Field(ge=1, le=10_000, description="words of a review that are kept; padded if fewer")
    ] = 200
    vocabulary: Annotated[
        Annotated[int, Field(ge=3)] | None,
        Field(
            description="different numbers: 0 for no word, 1 for an unknown one, the others for "
            "the most frequent words; null: for all"
        ),
    ] = 25_000
    vectors: Annotated[
        str | None,
        Place(),
        Field(description="text file of word vectors, such as glove.6B.300d.txt; null: none"),
    ] = None


class Vectors(NamedTuple):
    """One version of the user's file of word vectors."""

    file: Path
    size: int
    changed: int


def fingerprint(config: Imdb) -> str:
    """MD5 of the official archive, and SHA-256 of the word vectors if there are any.

    Raises:
        DataError: there is no file of vectors.
    """
    vectors = _version(config.vectors)
    return MD5 if vectors is None else f"{MD5}-{_digest(vectors)}"


def load(config: Imdb) -> Data:
    """Numbers of words, 0 after the last; the tensors are shared, do not write to them.

    Raises:
        DataError: files are missing or damaged, or the download failed.
    """
    vectors = _version(config.vectors)
    whole = _read(data_root(config), config.download, config.length, config.vocabulary, vectors)
    return subset(whole._replace(fingerprint=fingerprint(config)), config)


@lru_cache(maxsize=1)
def _read(
    root: Path, download: bool, length: int, vocabulary: int | None, vectors: Vectors | None
) -> Data:
    folder = root / "aclImdb"
    if download and not (folder / "test" / CLASSES[-1]).is_dir():
        fetch_archive(root, "imdb", URL, MD5)
    train, test = ([*_reviews(folder / split, root)] for split in ("train", "test"))
    numbers = number_words(train, vocabulary)
    y = torch.arange(len(CLASSES)).repeat_interleave(REVIEWS)
    return Data(
        encode(train, numbers, length),
        y,
        encode(test, numbers, length),
        y,
        len(CLASSES),
        MD5,
        vocabulary=FIRST + len(numbers),
        embedding=None if vectors is None else _embedding(vectors.file, numbers),
    )


def _reviews(folder: Path, root: Path) -> Iterator[str]:
    for name in CLASSES:
        files = sorted((folder / name).glob("*.txt"))
        if not files:
            raise missing("imdb", folder / name / "*.txt", root)
        if len(files) != REVIEWS:
            why = f"it holds {len(files):,} reviews, not {REVIEWS:,}"
            raise damaged("imdb", folder / name, why)
        for file in files:
            try:
                yield file.read_text(encoding="utf-8").lower()
            except (OSError, ValueError) as unreadable:
                raise damaged("imdb", file, str(unreadable)) from unreadable


def number_words(texts: Iterable[str], vocabulary: int | None) -> dict[str, int]:
    """Numbers from 2 to ``vocabulary`` - 1, the most frequent word first, or else by alphabet."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text.split())
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return dict(zip(ranked, range(FIRST, vocabulary or FIRST + len(ranked)), strict=False))


def encode(texts: Sequence[str], numbers: dict[str, int], length: int) -> Tensor:
    """Numbers of the first words of each text, ``[N, length]``."""
    encoded = np.full((len(texts), length), PADDING, np.int64)
    for row, text in zip(encoded, texts, strict=True):
        kept = text.split(None, length)[:length]
        row[: len(kept)] = [numbers.get(word, UNKNOWN) for word in kept]
    return torch.from_numpy(encoded)


def _version(path: str | None) -> Vectors | None:
    if path is None:
        return None
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(
            f"imdb: no file {file}, which dataset.vectors names. GloVe's are in "
            "https://nlp.stanford.edu/data/glove.6B.zip; unpack it, or write null for none"
        )
    facts = file.stat()
    return Vectors(file, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=8)
def _digest(vectors: Vectors) -> str:
    with vectors.file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def _embedding(file: Path, numbers: dict[str, int]) -> Tensor:
    """Vectors of the numbered words, ``[vocabulary, D]``; zero where the file has none."""
    try:
        known = dict(_known(file, numbers))
        embedding = np.zeros((FIRST + len(numbers), len(next(iter(known.values())))), np.float32)
        embedding[[*known]] = np.stack([*known.values()])
    except StopIteration:
        raise DataError(f"imdb: {file} knows none of the {len(numbers):,} words") from None
    except (OSError, EOFError, ValueError, zlib.error) as unreadable:
        raise DataError(
            f"imdb: {file} is no text file with a word and its numbers on each line: {unreadable}"
        ) from unreadable
    return torch.from_numpy(embedding)


def _known(file: Path, numbers: dict[str, int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Number and vector of each word that has both; a word may hold spaces, but not the first."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8") as lines:
        length = 0
        for line in lines:
            length = length or line.count(" ")
            word, *values = line.rstrip().rsplit(" ", length)
            if word in numbers:
                yield numbers[word], np.array(values, np.float32)


DATASETS.add(
    "imdb", Dataset(Imdb, "film reviews as words, 2 classes, 25,000 / 25,000", load, fingerprint)
)
