"""A file of points of codecs."""

import pytest

from rdbound.baselines.points import CodecPoint, read_codec_points, write_codec_points


def _point(codec, image, setting, size, mse, ms_ssim=None):
    return CodecPoint(codec, "1.0", image, "d", setting, 800, size, mse, ms_ssim)


def test_a_file_of_points_is_read_as_it_was_written(tmp_path):
    points = [_point("a", "x", 10, 100, 40.5, 0.9), _point("b", "y", 0.5, 3, 0.0)]
    write_codec_points(tmp_path / "points.csv", points)
    assert read_codec_points(tmp_path / "points.csv") == points
    (tmp_path / "bad.csv").write_text(
        (tmp_path / "points.csv").read_text().replace("100,40.5", "100,-1")
    )
    with pytest.raises(
        ValueError, match=r"bad.csv, line 2: mse = '-1': .*greater than or equal to 0"
    ):
        read_codec_points(tmp_path / "bad.csv")
