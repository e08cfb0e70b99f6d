import hashlib

import numpy as np
import pytest
from PIL import Image

from rdbound import reference
from rdbound.images.sets import ImageSet, open_images


def _write(folder, name, value=0):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)


def test_a_folder_is_read_recursively_in_order(tmp_path):
    for name in ("b.png", "a.JPG", "deep/er/c.webp", "d.tiff"):
        _write(tmp_path, name)
    (tmp_path / "notes.txt").write_text("no image")
    images = open_images("folder", str(tmp_path))
    assert images.names == ("a.JPG", "b.png", "d.tiff", "deep/er/c.webp")
    assert images[3].shape == (8, 8, 3)


def test_the_fingerprint_of_a_folder_is_that_of_its_files(tmp_path):
    """By name and bytes, undecoded, wherever the folder is."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.png").write_bytes(b"no image")
    first = open_images("folder", str(tmp_path / "here")).fingerprint()
    assert (
        first
        == hashlib.sha256(f"a.png {hashlib.sha256(b'no image').hexdigest()}\n".encode()).hexdigest()
    )
    (tmp_path / "here").rename(tmp_path / "there")
    images = open_images("folder", str(tmp_path / "there"))
    assert images.fingerprint() == images.cached(1.0).fingerprint() == first
    (tmp_path / "there" / "a.png").write_bytes(b"no images")
    assert images.fingerprint() != first
    (tmp_path / "there" / "a.png").unlink()
    with pytest.raises(ValueError, match=r"a\.png: cannot be read"):
        images.fingerprint()


def test_the_fingerprint_of_a_part_is_that_of_its_files(tmp_path):
    for number in range(4):
        _write(tmp_path / "all", f"{number}.png", number)
    rest, held = open_images("folder", str(tmp_path / "all")).without(1)
    _write(tmp_path / "one", "2.png", 2)
    one = open_images("folder", str(tmp_path / "one"))
    assert held.fingerprint() == one.fingerprint() != rest.fingerprint()
    assert rest.take(1).fingerprint() == rest.take(2).take(1).fingerprint()


def test_the_fingerprint_of_images_that_are_no_files_is_that_of_their_pixels():
    def fingerprint(value, name="a", shape=(4, 6, 3)):
        return ImageSet("set", (name,), lambda i: np.full(shape, value, np.uint8)).fingerprint()

    assert fingerprint(1) == fingerprint(1)
    others = {fingerprint(2), fingerprint(1, "b"), fingerprint(1, shape=(6, 4, 3))}
    assert len(others - {fingerprint(1)}) == 3


def test_bundled_photographs_and_their_crops():
    assert [i.shape for i in open_images("bundled")] == [
        (400, 600, 3),
        (512, 512, 3),
        (300, 451, 3),
    ]
    assert [i.shape for i in open_images("bundled-crops")][-1] == (187, 251, 3)


def test_kodak_is_verified(tmp_path, monkeypatch):
    monkeypatch.delenv("RDBOUND_DATA", raising=False)
    with pytest.raises(ValueError, match="set RDBOUND_DATA"):
        open_images("kodak")
    monkeypatch.setenv("RDBOUND_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="does not hold"):
        open_images("kodak")
    _write(tmp_path, "kodak/kodim01.png")
    images = open_images("kodak")
    assert len(images) == 24
    with pytest.raises(ValueError, match=r"pixels of .*kodim01\.png are not those"):
        images[0]
    with pytest.raises(ValueError, match=r"kodim02\.png is missing"):
        images[1]


def test_a_folder_is_only_called_kodak_where_its_pixels_are(tmp_path, monkeypatch):
    _write(tmp_path, "kodak/kodim01.png")
    folder = str(tmp_path / "kodak")
    assert open_images("folder", folder).name == "kodak-folder"
    image = open_images("folder", folder)[0]
    digests = {"kodim01": hashlib.sha256(image.tobytes()).hexdigest()}
    monkeypatch.setattr(reference, "kodak_digests", lambda: digests)
    assert open_images("folder", folder).name == "kodak"
    _write(tmp_path, "kodak/other.png")
    assert open_images("folder", folder).name == "kodak-folder"


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ("folder", None, "needs a path"),
        ("folder", "/nowhere", "no such folder"),
        ("kodack", None, "unknown image source 'kodack'"),
        ("tfds:nothing_of_this_name", None, "cannot be opened"),
    ],
)
def test_mistakes_are_named(source, path, message):
    with pytest.raises(ValueError, match=message):
        open_images(source, path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="no image in it"):
        open_images("folder", str(tmp_path))


def test_tfds_is_read_without_tensorflow(tmp_path):
    import sys

    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=3):
        images = open_images("tfds:cifar10", str(tmp_path))
        assert len(images) == 3
        assert images[0].shape == (32, 32, 3)
        assert images[0].dtype == np.uint8
    assert "tensorflow" not in sys.modules


def test_an_image_is_decoded_once_where_memory_allows():
    loaded = []

    def load(index):
        loaded.append(index)
        return np.full((4, 4, 3), index, np.uint8)

    images = ImageSet("counted", ("a", "b"), load).cached(60 / 2**30)
    images.fingerprint()
    for _ in range(3):
        assert images[0][0, 0, 0] == 0
        assert images[1][0, 0, 0] == 1
    # Room for one of 48 bytes: the other is decoded each time.
    assert loaded == [0, 1, 1, 1, 1]


def test_held_out_images_are_spread_and_not_among_the_rest():
    images = ImageSet("many", tuple(map(str, range(10))), lambda i: np.full((1, 1, 3), i, np.uint8))
    rest, held = images.without(2)
    assert held.names == ("2", "7")
    assert [int(held[i][0, 0, 0]) for i in range(2)] == [2, 7]
    assert rest.names == ("0", "1", "3", "4", "5", "6", "8", "9")
    assert int(rest[2][0, 0, 0]) == 3
    with pytest.raises(ValueError, match="cannot hold out 10 of 10"):
        images.without(10)
