import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

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


def _sixteen_bit_rgb(path):
    """A PNG written by hand; Pillow would read it, cut to 8 bits."""
    chunk = lambda kind, data: (  # noqa: E731
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
    header = struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(range(24))) * 2)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def _animated(path):
    frames = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def _broken_profile(path):
    Image.new("RGB", (4, 4)).save(path, icc_profile=b"no profile at all" * 20)


def _text(path):
    path.write_text("not an image")


def _postscript(path):
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")


def _portable(path):
    """A PPM of 16 bits, which Pillow cuts to 8."""
    path.write_bytes(b"P6 2 2 65535\n" + bytes(24))


def _planar(path):
    """A TIFF of 16 bits a channel, each colour in a plane of its own."""
    planes = np.arange(3 * 4 * 4, dtype="<u2").reshape(3, 4, 4)
    lengths, first = (32, 32, 32), 8
    at = 8 + planes.nbytes  # of what does not fit into an entry
    tags = [
        (256, 3, 1, 4),
        (257, 3, 1, 4),
        (258, 3, 3, at),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 3, at + 6),
        (277, 3, 1, 3),
        (278, 3, 1, 4),
        (279, 4, 3, at + 18),
        (284, 3, 1, 2),
    ]
    offsets = [first + 32 * k for k in range(3)]
    outside = struct.pack("<3H3I3I", 16, 16, 16, *offsets, *lengths)
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    path.write_bytes(
        b"II*\0" + struct.pack("<I", at + len(outside)) + planes.tobytes() + outside + directory
    )


def _cut(path):
    _save(path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:500])


def _nothing(path):
    pass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_transparent, "transparent"),
        (_sixteen_bits, "16 bits"),
        (_sixteen_bit_rgb, "16 bits"),
        (_animated, "3 frames"),
        (_broken_profile, "profile"),
        (_text, "not a PNG, JPEG, WebP or TIFF"),
        (_postscript, "not a PNG"),
        (_portable, "not a PNG"),
        (_planar, "16 bits"),
        (_cut, "cannot be decoded"),
        (_nothing, "no such file"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_file(tmp_path, make, message):
    path = tmp_path / "picture.png"
    make(path)
    with pytest.raises(ValueError, match=message) as error:
        read_image(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_orientation_turns_the_picture(tmp_path, suffix):
    image = np.kron(np.array([[0, 80, 160], [40, 120, 240]], np.uint8), np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # shown turned a quarter clockwise
    read = read_image(_save(tmp_path / f"turned.{suffix}", image, exif=exif))
    assert read.shape == (48, 32, 3)
    np.testing.assert_allclose(read[..., 0].astype(int), np.rot90(image, -1), atol=2)


def _swapped_profile():
    """sRGB with its red and green exchanged, under another name."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = data.replace("sRGB built-in".encode("utf-16-be"), "exchanged rgb".encode("utf-16-be"))
    # The table of tags comes first: 12 bytes each, after 128 + 4.
    count = struct.unpack(">I", data[128:132])[0]
    table = data[132 : 132 + 12 * count]
    for old, new in ((b"rXYZ", b"????"), (b"gXYZ", b"rXYZ"), (b"????", b"gXYZ")):
        table = table.replace(old, new)
    return data[:132] + table + data[132 + 12 * count :]


def test_another_profile_is_converted_and_srgb_is_left_as_it_is(tmp_path, rng):
    image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    other = read_image(_save(tmp_path / "other.png", image, icc_profile=_swapped_profile()))
    np.testing.assert_allclose(other.astype(int), image[..., [1, 0, 2]], atol=1)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = read_image(_save(tmp_path / "same.png", image, icc_profile=srgb))
    np.testing.assert_array_equal(same, image)


def _linear_profile():
    """The primaries of sRGB with a linear curve, under the name of sRGB."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (count,) = struct.unpack(">I", data[128:132])
    entries = [struct.unpack(">4sII", data[k : k + 12]) for k in range(132, 132 + 12 * count, 12)]
    for name, offset, _ in entries:
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            straight = b"curv" + bytes(8)  # no points: the identity
            data = data[:offset] + straight + data[offset + len(straight) :]
    return data


def test_a_profile_is_known_by_what_it_does_and_not_by_its_name(tmp_path):
    image = np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, axis=2)
    path = _save(tmp_path / "linear.png", image, icc_profile=_linear_profile())
    linear = image / 255.0
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(read_image(path), 255 * expected, atol=1.5)


def test_a_profile_does_not_hide_transparency(tmp_path, rng):
    rgba = rng.integers(0, 256, (8, 8, 4), dtype=np.uint8)
    profile = _swapped_profile()
    path = _save(tmp_path / "see-through.png", rgba, icc_profile=profile)
    with pytest.raises(ValueError, match="transparent"):
        read_image(path)
    for mode, transparency in (("P", b"\x00"), ("RGB", (7, 7, 7))):  # by a colour, not a channel
        image = Image.new("RGB", (4, 4), (7, 7, 7)).convert(mode)
        image.save(tmp_path / "keyed.png", icc_profile=profile, transparency=transparency)
        with pytest.raises(ValueError, match="transparent"):
            read_image(tmp_path / "keyed.png")


def test_the_first_picture_of_a_camera_s_file_is_the_photograph(tmp_path):
    first, second = (Image.new("RGB", (16, 16), (level, 0, 0)) for level in (200, 20))
    buffer = io.BytesIO()
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    path = tmp_path / "camera.jpg"
    path.write_bytes(buffer.getvalue())
    assert abs(int(read_image(path)[8, 8, 0]) - 200) <= 2
