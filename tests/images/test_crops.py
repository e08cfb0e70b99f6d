import itertools

import numpy as np
import pytest

from rdbound.images.crops import centre_crops, crops
from rdbound.images.sets import ImageSet


def _images(count=5):
    """Each pixel tells its image, row and column."""

    def load(index):
        rows, columns = np.mgrid[:20, :24]
        return np.stack([np.full((20, 24), index), rows, columns], -1).astype(np.uint8)

    return ImageSet("numbered", tuple(map(str, range(count))), load)


def _take(stream, count):
    return list(itertools.islice(stream, count))


def test_crops_are_windows_perhaps_mirrored():
    for batch in _take(crops(_images(), 8, 4, seed=0), 5):
        assert batch.shape == (4, 8, 8, 3)
        assert batch.dtype == np.uint8
        for crop in batch:
            assert len(np.unique(crop[..., 0])) == 1
            assert (np.diff(crop[:, 0, 1].astype(int)) == 1).all()
            assert abs(int(crop[0, 1, 2]) - int(crop[0, 0, 2])) == 1


def test_the_seed_decides_the_order():
    first, again, other = (_take(crops(_images(), 8, 4, seed=s), 6) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.array(first) != np.array(other)).any()


@pytest.mark.parametrize(("count", "rounds"), [(50, 11), (513, 1)])
def test_every_image_is_seen_as_often_in_another_order(count, rounds):
    """In as many whole epochs as make 512 images; of no fewer images in one."""
    together = count * rounds
    stream = _take(crops(_images(count), 8, 1, seed=0), 2 * together)
    seen = np.array([batch[0, 0, 0, 0] for batch in stream])
    expected = np.bincount(np.arange(count) % 256, minlength=256) * rounds
    for part in (seen[:together], seen[together:]):
        np.testing.assert_array_equal(np.bincount(part, minlength=256), expected)
    assert (seen[:together] != seen[together:]).any()


def test_a_restored_stream_goes_on_exactly():
    stream = crops(_images(), 8, 4, seed=3)
    _take(stream, 3)
    state = stream.get_state()
    expected = _take(stream, 3)
    fresh = crops(_images(), 8, 4, seed=3)
    fresh.set_state(state)
    np.testing.assert_array_equal(_take(fresh, 3), expected)


def test_images_smaller_than_the_crop_are_padded():
    (batch,) = _take(crops(_images(), 32, 2, seed=0), 1)
    assert batch.shape == (2, 32, 32, 3)
    assert batch[0, -1, 0, 1] == 19


def test_centre_crops_are_the_middle_of_each_image():
    batch = centre_crops(_images(3), 8)
    np.testing.assert_array_equal(batch[:, 0, 0, 0], [0, 1, 2])
    np.testing.assert_array_equal(batch[:, 0, 0, 1], [6, 6, 6])
    np.testing.assert_array_equal(batch[:, 0, 0, 2], [8, 8, 8])
