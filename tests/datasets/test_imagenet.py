"""The images are few and written here in the official layouts; the counts stand in for theirs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from regsearch.datasets import imagenet
from regsearch.datasets.imagenet import Counts, Imagenet, TinyImagenet, fingerprint, load
from regsearch.errors import DataError

NUMBERS = ["n01443537", "n01629819"]
COLOURS = np.random.default_rng(0).integers(0, 256, (8, 3), dtype=np.uint8)


def save(file: Path, colour: np.ndarray, size: tuple[int, int] = (64, 64)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, tuple(colour.tolist())).save(file, quality=100, subsampling=0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in imagenet.COUNTS:
        monkeypatch.setitem(imagenet.COUNTS, kind, Counts(2, 4, 3))
    imagenet._load.cache_clear()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny-imagenet-200"
    for n in range(4):
        number = NUMBERS[1 - n // 2]  # the folders are made in another order than the classes'
        save(folder / "train" / number / "images" / f"{number}_{n % 2}.JPEG", COLOURS[n])
    for n in range(3):
        save(folder / "val" / "images" / f"val_{n}.JPEG", COLOURS[4 + n])
    lines = [f"val_{n}.JPEG\t{NUMBERS[n % 2]}\t0\t0\t62\t61" for n in (2, 1, 0)]
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    save(folder / "test" / "images" / "test_0.JPEG", COLOURS[7])
    return tmp_path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    for n in range(4):
        file = tmp_path / "imagenet" / "train" / NUMBERS[n // 2] / f"{n}.JPEG"
        save(file, COLOURS[n], (300 + n, 280))
    for n in range(3):
        save(tmp_path / "imagenet" / "val" / NUMBERS[n % 2] / f"v{n}.JPEG", COLOURS[4 + n])
    return tmp_path


def colours(x: torch.Tensor) -> torch.Tensor:
    """Mean colours of images, on the scale of bytes."""
    return x.mean((2, 3)) * 255


def check_colours(x: torch.Tensor, rows: list[int]) -> None:
    wanted = torch.from_numpy(COLOURS[rows]).float()
    torch.testing.assert_close(colours(x), wanted, rtol=0, atol=2.0)  # JPEG rounds


def test_tiny_images_have_the_classes_of_folders_and_annotations(tiny: Path) -> None:
    data = load(TinyImagenet(data_root=str(tiny)))
    assert data.x_train.shape == (4, 3, 64, 64)
    assert data.y_train.tolist() == [0, 0, 1, 1]
    check_colours(data.x_train, [2, 3, 0, 1])
    assert data.y_test.tolist() == [0, 1, 0]
    check_colours(data.x_test, [6, 5, 4])
    assert data.classes == 2


def test_tiny_images_are_resized_to_the_nearest_pixel(tiny: Path) -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 255
    file = tiny / "tiny-imagenet-200/train" / NUMBERS[0] / "images" / f"{NUMBERS[0]}_0.JPEG"
    Image.fromarray(halves).save(file, format="PNG")  # exact, and told by its content
    x = load(TinyImagenet(data_root=str(tiny), size=96)).x_train[0]
    assert x.shape == (3, 96, 96)
    assert x.unique().tolist() == [0, 1]  # no shade between
    assert float(x[:, :, 48:].min()) == 1


def test_tiny_images_are_normalised_as_in_the_paper(tiny: Path) -> None:
    plain = load(TinyImagenet(data_root=str(tiny))).x_test
    normal = load(TinyImagenet(data_root=str(tiny), normalize=True)).x_test
    mean, deviation = torch.tensor([[0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]])
    torch.testing.assert_close(normal, (plain - mean[:, None, None]) / deviation[:, None, None])


def test_a_part_of_tiny_imagenet(tiny: Path) -> None:
    data = load(TinyImagenet(data_root=str(tiny), train_per_class=1, test_size=2))
    assert sorted(data.y_train.tolist()) == [0, 1]
    assert len(data.y_test) == 2


def test_missing_tiny_files_are_named_with_the_ways_out(tiny: Path) -> None:
    (tiny / "tiny-imagenet-200/val/val_annotations.txt").unlink()
    with pytest.raises(DataError, match=r"val_annotations\.txt\. Put .*dataset.download=true"):
        load(TinyImagenet(data_root=str(tiny)))


@pytest.mark.parametrize("line", ["val_0.JPEG n01443537", "val_0.JPEG\tn00000000\t0"])
def test_strange_annotations_are_refused(tiny: Path, line: str) -> None:
    (tiny / "tiny-imagenet-200/val/val_annotations.txt").write_text(line)
    with pytest.raises(DataError, match=r"val_annotations\.txt is unusable: a line does not name"):
        load(TinyImagenet(data_root=str(tiny)))


def test_an_incomplete_set_is_refused(tiny: Path) -> None:
    next((tiny / "tiny-imagenet-200/train").rglob("*.JPEG")).unlink()
    with pytest.raises(DataError, match="3 training and 3 validation images of 2 classes, not 4"):
        load(TinyImagenet(data_root=str(tiny)))


def test_large_images_are_cut_to_the_middle_of_eight_sevenths(large: Path) -> None:
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[16:240, 16:240] = 200
    name = large / "imagenet/train" / NUMBERS[0] / "0.JPEG"
    Image.fromarray(pixels).save(name, format="PNG")
    data = load(Imagenet(data_root=str(large)))
    assert data.x_train.shape == (4, 3, 224, 224)
    torch.testing.assert_close(data.x_train[0], torch.full((3, 224, 224), 200 / 255))
    check_colours(data.x_train[1:], [1, 2, 3])
    assert data.y_train.tolist() == [0, 0, 1, 1]
    assert data.y_test.tolist() == [0, 0, 1]
    check_colours(data.x_test, [4, 6, 5])


def test_large_images_are_normalised_as_pretrained_models_expect(large: Path) -> None:
    plain = load(Imagenet(data_root=str(large), size=16)).x_train
    normal = load(Imagenet(data_root=str(large), size=16, normalize=True)).x_train
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    torch.testing.assert_close(normal, (plain - mean[:, None, None]) / deviation[:, None, None])


def test_imagenet_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*imagenet/train\. .* image-net\.org"):
        load(Imagenet(data_root=str(tmp_path)))
    with pytest.raises(ValidationError, match=r"imagenet cannot be fetched: register"):
        Imagenet(download=True)


def test_each_set_is_known_by_its_archive() -> None:
    from torchvision.datasets.imagenet import ARCHIVE_META

    assert fingerprint(Imagenet()) == ARCHIVE_META["train"][1]
    assert fingerprint(TinyImagenet()) != fingerprint(Imagenet())
