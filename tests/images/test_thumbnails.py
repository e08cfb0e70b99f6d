import base64
import io

import numpy as np
import pytest
from PIL import Image

from rdbound.images.thumbnails import data_address


def _opened(address):
    kind, _, data = address.partition(",")
    assert kind == "data:image/webp;base64"
    raw = base64.b64decode(data)
    return len(raw), Image.open(io.BytesIO(raw))


def test_an_image_is_reduced_until_it_has_room(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    size, whole = _opened(data_address(tmp_path / "a.png", 10**6))
    assert whole.size == (160, 120)
    less, small = _opened(data_address(tmp_path / "a.png", size // 3))
    assert less <= size // 3
    assert small.width / small.height == pytest.approx(4 / 3, rel=0.05)
    assert min(_opened(data_address(tmp_path / "a.png", 1))[1].size) < 32


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.webp").write_text("text")
    with pytest.raises(ValueError, match="not a PNG, JPEG, WebP or TIFF image"):
        data_address(tmp_path / "a.webp", 1000)
