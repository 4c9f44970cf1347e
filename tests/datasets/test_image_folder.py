import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regsearch.datasets import _folders, image_folder
from regsearch.datasets.image_folder import ImageFolder, fingerprint, load
from regsearch.errors import DataError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (9, 6, 8, 3), dtype=np.uint8)
FILES = [
    "train/cat/1.png", "train/cat/2.png", "train/cat/deep/3.PNG", "train/dog/1.png",
    "train/dog/2.png", "test/cat/1.png", "test/dog/1.bmp", "test/dog/2.ppm",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, pixels in zip(FILES, PIXELS, strict=False):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "train/cat/notes.txt").write_text("no image")
    image_folder._fingerprint.cache_clear()
    image_folder._load.cache_clear()
    return tmp_path


def config(folder: Path, **settings: object) -> ImageFolder:
    return ImageFolder.model_validate({"path": str(folder)} | settings)


def test_images_are_those_of_the_files_class_by_class(folder: Path) -> None:
    data = load(config(folder))
    images = torch.from_numpy(PIXELS / 255).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(data.x_train, images[:5])
    torch.testing.assert_close(data.x_test, images[5:8])
    assert data.y_train.tolist() == [0, 0, 0, 1, 1]
    assert data.y_test.tolist() == [0, 1, 1]
    assert data.classes == 2


def test_val_is_as_good_as_test(folder: Path) -> None:
    before = load(config(folder))
    (folder / "test").rename(folder / "val")
    after = load(config(folder))
    assert torch.equal(after.x_test, before.x_test)
    assert after.fingerprint == before.fingerprint


def test_grey_and_transparent_images_get_three_channels(folder: Path) -> None:
    grey = RNG.integers(0, 256, (6, 8), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "train/cat/1.png")
    Image.fromarray(PIXELS[1]).convert("RGBA").save(folder / "train/cat/2.png")
    x = load(config(folder)).x_train
    torch.testing.assert_close(x[0], torch.from_numpy(grey / 255).float().expand(3, 6, 8))
    torch.testing.assert_close(x[1], torch.from_numpy(PIXELS[1] / 255).permute(2, 0, 1).float())


def test_a_size_gives_the_square_in_the_middle(folder: Path) -> None:
    x = load(config(folder, size=6)).x_train
    wanted = torch.from_numpy(PIXELS[:5, :, 1:7] / 255).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(x, wanted)  # the shorter side is 6 already


def test_images_of_many_sizes_need_one(folder: Path) -> None:
    Image.new("RGB", (20, 10), (255, 0, 0)).save(folder / "train/dog/2.png")
    with pytest.raises(DataError, match=r"dog/2\.png is 10x20, and .* 6x8; .* dataset\.size"):
        load(config(folder))
    x = load(config(folder, size=4)).x_train
    assert x.shape == (5, 3, 4, 4)
    torch.testing.assert_close(x[4], torch.tensor([1.0, 0, 0]).view(3, 1, 1).expand(3, 4, 4))


def test_normalised_training_images_have_mean_0_and_deviation_1(folder: Path) -> None:
    plain, normal = load(config(folder)), load(config(folder, normalize=True))
    for channel in range(3):
        values = plain.x_train[:, channel].double()
        mean, deviation = values.mean(), values.std(correction=0)
        for before, after in ((plain.x_train, normal.x_train), (plain.x_test, normal.x_test)):
            torch.testing.assert_close(
                after[:, channel].double(), (before[:, channel].double() - mean) / deviation,
                rtol=0, atol=1e-5,
            )  # fmt: skip


def test_only_the_images_of_a_subset_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    decode = _folders.decode

    def noted(kind: str, files: list[Path], resize: _folders.Resize) -> torch.Tensor:
        read.extend(files)
        return decode(kind, files, resize)

    whole = load(config(folder))
    monkeypatch.setattr(image_folder, "decode", noted)
    part = load(config(folder, train_per_class=1, test_size=1))
    assert len(read) == 3
    assert part.y_train.tolist() in ([0, 1], [1, 0])
    for image, label in zip(part.x_train, part.y_train, strict=True):
        members = whole.x_train[whole.y_train == label]
        assert any(torch.equal(image, member) for member in members)
    kept = load(config(folder, train_per_class=1, validation="rest"))
    assert torch.equal(kept.x_train, whole.x_train)
    assert kept.trained is not None
    assert torch.equal(kept.x_train[kept.trained], part.x_train)


def test_noise_reads_nothing_again(folder: Path) -> None:
    assert (
        load(config(folder, label_noise=0.5, label_noise_kind="pairwise")).x_train
        is load(config(folder)).x_train
    )


def test_the_fingerprint_is_of_the_content_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    before = fingerprint(config(folder))
    moved = folder.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    assert fingerprint(config(moved)) == load(config(moved)).fingerprint == before
    Image.fromarray(255 - PIXELS[5]).save(moved / "test/cat/1.png")
    os.utime(moved / "test", ns=(1, 1))
    assert fingerprint(config(moved)) != before


def test_a_picture_of_another_class_is_another_set(folder: Path) -> None:
    before = fingerprint(config(folder))
    (folder / "train/dog/2.png").rename(folder / "train/cat/2.png")
    os.utime(folder / "train", ns=(1, 1))
    assert fingerprint(config(folder)) != before


def test_what_is_missing_is_named(folder: Path) -> None:
    (folder / "train/bird").mkdir()
    (folder / "test/fish").mkdir()
    with pytest.raises(DataError) as refused:
        load(config(folder))
    assert str(refused.value).splitlines() == [
        f"image_folder: {folder}/test has the class fish, which {folder}/train has not",
        f"image_folder: {folder}/train/bird holds no image",
    ]


def test_a_folder_without_the_two_parts_is_refused(folder: Path) -> None:
    (folder / "test").rename(folder / "tests")
    with pytest.raises(DataError, match=r"needs the folders train and test .*it has train\."):
        fingerprint(config(folder))
    with pytest.raises(DataError, match="it has neither"):
        fingerprint(config(folder / "train"))


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut short"])
def test_a_damaged_image_is_named(folder: Path, content: bytes) -> None:
    (folder / "train/dog/1.png").write_bytes(content)
    with pytest.raises(DataError, match=r"train/dog/1\.png is no readable image"):
        load(config(folder))


def test_more_than_fits_into_memory_is_refused_before_it_is_read() -> None:
    with pytest.raises(DataError, match=r"1,281,167 images of 224x224 need 1,\d+\.\d GiB"):
        _folders.check_memory("imagenet", 1_281_167, (3, 224, 224))
