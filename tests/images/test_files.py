import numpy as np
import pytest
from PIL import Image

from rdbound.images.files import read_image


def _save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_lossless_formats_come_back_exactly(tmp_path, rng, suffix):
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    options = {"lossless": True} if suffix == "webp" else {}
    np.testing.assert_array_equal(
        read_image(_save(tmp_path / f"a.{suffix}", image, **options)), image
    )


def test_an_image_that_declares_too_much_is_refused_before_it_is_decoded(tmp_path, rng):
    path = _save(tmp_path / "a.png", rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    assert read_image(path, 35).shape == (5, 7, 3)
    path.write_bytes(path.read_bytes()[:60])  # the header, and pixels that do not come
    with pytest.raises(ValueError, match=r"a\.png: 7×5 is more than the limit of 34 pixels"):
        read_image(path, 34)
    with pytest.raises(ValueError, match="is the file whole"):
        read_image(path, 35)


def test_greyscale_becomes_rgb_and_opaque_alpha_is_dropped(tmp_path, rng):
    grey = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    read = read_image(_save(tmp_path / "grey.png", grey))
    np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=-1))
    rgba = np.dstack(
        [rng.integers(0, 256, (4, 6, 3), dtype=np.uint8), np.full((4, 6), 255, np.uint8)]
    )
    np.testing.assert_array_equal(read_image(_save(tmp_path / "rgba.png", rgba)), rgba[..., :3])


def _transparent(path):
    _save(path, np.full((4, 4, 4), 128, np.uint8))


def _sixteen_bits(path):
    _save(path, np.zeros((4, 4), np.uint16))


def _text(path):
    path.write_text("not an image")


def _cut(path):
    _save(path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:500])


def _nothing(path):
    pass


@pytest.mark.parametrize(("make", "message"), [
    (_transparent, "transparent"), (_sixteen_bits, "not 8-bit"), (_text, "not an image"),
    (_cut, "cannot be decoded"), (_nothing, "no such file")])  # fmt: skip
def test_what_cannot_be_read_is_an_error_that_names_the_file(tmp_path, make, message):
    path = tmp_path / "picture.png"
    make(path)
    with pytest.raises(ValueError, match=message) as error:
        read_image(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
