"""Codecs from outside give whole files, which their own decoders read."""

import io
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import skimage.data
from PIL import Image

from rdbound.baselines import BASELINES, CommandCodec, make_baseline, measure_codec
from rdbound.baselines.measure import pixel_digest

# The odd sides of a 4:2:0 picture are where a decoder goes wrong.
IMAGE = skimage.data.astronaut()[:171, :165]


def _codec(name):
    codec = make_baseline(name)
    try:
        codec.version()
    except ValueError as error:
        pytest.skip(str(error))
    return codec


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_better_settings_cost_more_and_give_a_better_picture(name):
    codec = _codec(name)
    places = np.linspace(0, len(codec.settings) - 1, 3).astype(int)
    points = [measure_codec(codec, "a", IMAGE, codec.settings[place]) for place in places]
    assert all(a.bytes < b.bytes for a, b in pairwise(points))
    assert all(a.mse > b.mse for a, b in pairwise(points))
    assert all(a.ms_ssim < b.ms_ssim for a, b in pairwise(points))
    assert points[-1].mse < 10 < points[0].mse
    assert points[0].codec == codec.name
    assert points[0].pixels == 171 * 165


@pytest.mark.parametrize(
    ("name", "kind"),
    [("jpeg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF"), ("jpeg2000", "JPEG2000")],
)
def test_a_file_is_what_pillow_opens_and_its_error_is_that_of_the_opened_picture(name, kind):
    codec = _codec(name)
    data = codec.encode(IMAGE, codec.settings[4])
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == kind
        expected = np.asarray(image.convert("RGB"), np.float64)
    found = measure_codec(codec, "a", IMAGE, codec.settings[4])
    assert found.bytes == len(data)
    assert found.bpp == 8 * len(data) / (171 * 165)
    assert found.mse == pytest.approx(((expected - IMAGE) ** 2).mean(), rel=1e-12)


def test_full_colour_keeps_what_half_colour_loses():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255, 0, 0
    stripes[:, 1::2] = 0, 0, 255
    half, full = (measure_codec(make_baseline(n), "s", stripes, 95) for n in ("jpeg", "jpeg-444"))
    assert full.mse < 100 < 5000 < half.mse


def test_a_ratio_is_kept():
    codec = _codec("jpeg2000")
    found = measure_codec(codec, "a", IMAGE, 24.0)
    assert found.bpp == pytest.approx(1.0, rel=0.03)


def test_the_digest_knows_shape_and_pixels():
    a = np.zeros((2, 3, 3), np.uint8)
    assert pixel_digest(a) == pixel_digest(a.copy())
    assert pixel_digest(a) != pixel_digest(a.reshape(3, 2, 3))
    b = a.copy()
    b[1, 2, 0] = 1
    assert pixel_digest(a) != pixel_digest(b)


_PROGRAM = """
import sys
from PIL import Image
*quality, source, target = sys.argv[1:]
if quality:
    Image.open(source).save(target, "JPEG", quality=int(quality[0]), subsampling="4:2:0")
else:
    Image.open(source).save(target, "PNG")
"""


@pytest.fixture
def own(tmp_path):
    """A codec by its command line that is the JPEG of Pillow."""
    program = tmp_path / "my codec.py"
    program.write_text(_PROGRAM)
    command = f"{sys.executable} '{program}'"
    return CommandCodec(
        "mine",
        f"{command} {{quality}} {{input}} {{output}}",
        f"{command} {{input}} {{output}}",
        (20.0, 60.0),
    )


def test_a_command_line_is_a_codec(own):
    found = measure_codec(own, "a", IMAGE, 60)
    expected = measure_codec(make_baseline("jpeg"), "a", IMAGE, 60)
    assert found.version != expected.version
    assert found == replace(expected, codec="mine", version=found.version)


def test_a_command_is_given_every_digit_and_known_by_its_program(tmp_path):
    program = tmp_path / "enc.py"
    program.write_text("import sys; open(sys.argv[3], 'w').write(sys.argv[1])")
    command = f"{sys.executable} {program} {{quality}} {{input}} {{output}}"
    own = CommandCodec("mine", command, command, (1.0,))
    for setting, told in ((1048576.0, b"1048576"), (0.1234567, b"0.1234567"), (30, b"30")):
        assert own.encode(IMAGE, setting) == told
    before = own.version()
    assert CommandCodec("mine", command, command, (2.0,)).version() == before
    program.write_text("")
    assert own.version() != before


def test_settings_of_whole_numbers_are_not_rounded():
    for name in ("jpeg", "vvc"):
        with pytest.raises(ValueError, match=r"settings are whole numbers, not 30\.5"):
            make_baseline(name).at((30.0, 30.5))
    assert make_baseline("jpeg2000").at((30.5,)).settings == (30.5,)


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        ("enc {input} {output}", "dec {input} {output}", "its encoder has no {quality}"),
        ("enc {quality} {input} {output}", "dec {input}", "its decoder has no {output}"),
        ("enc '{quality} {input} {output}", "dec {input} {output}", "is no command line"),
    ],
)
def test_a_command_without_its_places_is_refused(encoder, decoder, message):
    with pytest.raises(ValueError, match=message):
        CommandCodec("mine", encoder, decoder, (1.0,))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("no-such-program", "there is no program 'no-such-program'"),
        ("false", "failed with exit code 1: no output"),
        ("true", "'true' wrote no {output}"),
        (f"{sys.executable} -c 'raise SystemExit(\"no room\")'", "exit code 1: no room"),
    ],
)
def test_a_program_that_fails_says_so_in_one_line(encoder, message):
    codec = CommandCodec(
        "mine", encoder + " {quality} {input} {output}", "d {input} {output}", (1.0,)
    )
    with pytest.raises(ValueError, match=message) as caught:
        measure_codec(codec, "kodim01", IMAGE, 1.0)
    assert str(caught.value).startswith("kodim01 at 1: mine: ")
    assert "\n" not in str(caught.value)


def test_what_a_decoder_writes_must_be_the_picture(tmp_path):
    Image.fromarray(IMAGE[:, :-1]).save(tmp_path / "narrow.png")
    copy = CommandCodec("mine", "cp {input} {output}{quality}", "d {input} {output}", (1.0,))
    narrow = f"cp {tmp_path}/narrow.png {{output}}"
    codec = CommandCodec(
        "mine",
        "cp --suffix={quality} {input} {output}",
        f"sh -c '{narrow}; true {{input}}'",
        (1.0,),
    )
    with pytest.raises(ValueError, match=r"mine gave \[171, 164, 3\] back, not \[171, 165, 3\]"):
        measure_codec(codec, "a", IMAGE, 1.0)
    with pytest.raises(ValueError, match=r"'cp' wrote no \{output\}"):
        measure_codec(copy, "a", IMAGE, 1.0)
    noise = CommandCodec(
        "mine",
        "cp --suffix={quality} {input} {output}",
        "sh -c 'echo no image > {output}; true {input}'",
        (1.0,),
    )
    with pytest.raises(ValueError, match="what its decoder wrote is not a PNG"):
        measure_codec(noise, "a", IMAGE, 1.0)
