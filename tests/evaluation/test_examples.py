import numpy as np
import pytest

from rdbound.evaluation.evaluate import exact_rows
from rdbound.evaluation.examples import ImageExamples, VectorExamples
from rdbound.images.sets import ImageSet
from rdbound.sources.gaussian import GaussianSource
from rdbound.sources.noisy import Circle


def _images():
    sizes = ((16, 24, 3), (9, 11, 3), (15, 17, 3), (16, 9, 3))
    pixels = [np.full(size, 10 * i, np.uint8) for i, size in enumerate(sizes)]
    return ImageExamples(ImageSet("set", ("a", "b", "c", "d"), lambda i: pixels[i]))


def test_images_of_one_padded_shape_are_batched_up_to_the_limit():
    assert _images().groups(8, 2) == [(0, 2), (1, 3)]
    assert _images().groups(8, 1) == [(0,), (2,), (1,), (3,)]
    assert _images().groups(64, 3) == [(0, 1, 2), (3,)]


def test_an_image_is_an_example_of_one_member():
    batch = _images().batch((0, 2), 8)
    assert batch.names == ("a", "c")
    assert batch.data.x.shape == (2, 1, 16, 24, 3)
    assert (batch.members, batch.pixels(0), batch.pixels(1)) == (1, 16 * 24, 15 * 17)
    np.testing.assert_allclose(batch.data.x[1, 0] * 255, 20, atol=1e-4)
    np.testing.assert_array_equal(batch.originals[1], np.full((15, 17, 3), 20))


def test_blocks_are_fresh_vectors_of_the_source():
    source = GaussianSource((4.0, 1.0))
    examples = VectorExamples("gaussian", source, 10_003, 4, seed=5)
    assert list(examples.names) == ["block-01", "block-02", "block-03", "block-04"]
    assert examples.groups(1, 3) == [(0, 1, 2), (3,)]
    batch = examples.batch((0, 3), 1)
    assert batch.data.x.shape == (2, 2500, 2)
    assert batch.pixels(1) == 5000
    np.testing.assert_array_equal(batch.originals[1], batch.data.x[1])
    (last,) = examples.batch((3,), 1).originals
    np.testing.assert_array_equal(batch.originals[1], last, "whatever batch it is in")
    assert batch.names == ("block-01", "block-04")
    both = np.concatenate(batch.originals)
    assert len(np.unique(both, axis=0)) == 5000, "no vector twice"
    # Variances of 5000 draws, within four standard errors of √(2/5000).
    np.testing.assert_allclose(both.var(0) / [4.0, 1.0], 1.0, atol=4 * (2 / 5000) ** 0.5)
    again = VectorExamples("gaussian", source, 10_000, 4, seed=5).batch((0,), 1)
    other = VectorExamples("gaussian", source, 10_000, 4, seed=6).batch((0,), 1)
    np.testing.assert_array_equal(again.originals[0], batch.originals[0])
    assert not (other.originals[0] == batch.originals[0]).any()
    with pytest.raises(ValueError, match="3 vectors cannot fill 4 blocks"):
        VectorExamples("gaussian", source, 3, 4, 0)


def test_the_exact_rows_are_the_points_of_the_source():
    source = GaussianSource((4.0, 1.0))
    rows = exact_rows(VectorExamples("gaussian", source, 40, 2, 0), (0.5, 2.0))
    assert [(r.image, r.lmbda) for r in rows] == [
        ("block-01", 0.5),
        ("block-02", 0.5),
        ("block-01", 2.0),
        ("block-02", 2.0),
    ]
    for row in rows:
        point = source.exact(row.lmbda)
        assert (row.bpp, row.mse) == (point.rate, point.distortion)
        assert row.bits == pytest.approx(point.rate * 40)
        assert row.psnr == pytest.approx(-10 * np.log10(point.distortion)), "of a peak of one"
        assert (row.pixels, row.bytes, row.J_se, row.samples) == (40, None, None, 0)
        assert pytest.approx(point.J(row.lmbda)) == row.J
    circle = Circle(noise=0.1)
    assert exact_rows(VectorExamples("circle", circle, 40, 2, 0), (1.0,)) == []
