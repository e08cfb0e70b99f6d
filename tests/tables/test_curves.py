import pytest

from rdbound.tables.curves import read_plain


def _read(tmp_path, text):
    (tmp_path / "mine.csv").write_text(text)
    return read_plain(tmp_path / "mine.csv", "kodak")


def test_points_are_of_images_where_they_are_named(tmp_path):
    found = _read(tmp_path, "psnr_rgb,image,bpp\n30,a,0.5\n31,b,0.6\n33,a,1\n")
    assert found.points == {"a": [(0.5, 30.0), (1.0, 33.0)], "b": [(0.6, 31.0)]}
    assert found.count is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("bpp,psnr\n0.5,30\n1,33\n", None),
        ("bpp,psnr,image\n0.5,30,mean\n1,33,\n", None),
        ("bpp,psnr,images\n0.5,30,24\n1,33,24\n", 24),
        ("dataset,bpp,psnr,psnr_rgb\nkodak,0.5,30,9\nkodak,1,33,9\n", None),
    ],
)
def test_means_have_the_number_of_images_that_the_file_says(tmp_path, text, count):
    found = _read(tmp_path, text)
    assert found.points == {"": [(0.5, 30.0), (1.0, 33.0)]}
    assert found.count == count


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bpp,psnr\n", "holds no points"),
        ("bpp,quality\n1,2\n", "not a curve, it lacks the column psnr"),
        ("bpp,psnr\n0.5,30\nnan,33\n", "line 3: bpp = 'nan': .*finite number"),
        ("bpp,psnr\n0.5,inf\n", "line 2: psnr = 'inf': .*finite number"),
        ("bpp,psnr\n0,30\n", "line 2: bpp = '0': .*greater than 0"),
        ("bpp,psnr\n-0.1,30\n", "line 2: bpp = '-0.1': .*greater than 0"),
        ("bpp,psnr,images\n1,30,many\n", "line 2: images = 'many': .*integer"),
        ("bpp,psnr,images\n1,30,24\n2,33,3\n", "line 3: images = 3: follows 24"),
        (
            "bpp,psnr,method\n1,30,a\n2,33,b\n",
            "line 3: method = 'b': follows 'a', and a plain curve",
        ),
        ("bpp,psnr,dataset\n1,30,tecnick\n", "line 2: dataset = 'tecnick': expected 'kodak'"),
        ("bpp,psnr,image\n1,30,a\n2,33,mean\n", "line 3: image = 'mean': a mean among single"),
        ("bpp,psnr,image\n1,30,\n2,33,a\n", "line 3: image = 'a': stands among means"),
    ],
)
def test_what_is_not_one_curve_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"mine.csv(, |: ){message}"):
        _read(tmp_path, text)
