"""The results page, opened in a browser if the system has one."""

import re
import shutil

import pytest

from rdbound.report.citations import citing
from rdbound.report.html import ShownPicture, image_table, results_page
from rdbound.report.sections.rd import rd_report
from tests.analysis.test_gaps import make_rows
from tests.report.kodak import kodak_rows

FACTORS = {("m", "bound"): 0.8, ("m", "codec-coded"): 1.25}
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _page(rows, anchor="vtm-22.0", **more):
    return results_page(rd_report(rows, anchor), rows, citing(rows, anchor), **more)


def test_the_page_is_one_file_with_everything():
    picture = ShownPicture("kodim01", DOT, DOT, "m, 0.5 bpp")
    page = _page(kodak_rows(FACTORS), pictures=[picture], facts={"config.yaml": "seed: <0>"})
    assert len(page) < 1e6
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "kodim01: m, 0.5 bpp" in page
    assert "seed: &lt;0&gt;" in page
    assert "+25.0\u202f%" in page
    assert "$+25.0\\,\\%$" in page
    assert "@techreport{bjontegaard2001," in page
    assert "<strong>bound:</strong> real-valued latents" in page
    ids = re.findall(r'<figure class="plot" id="(.*?)"', page)
    assert ids == ["plot-rd_curve", "plot-bd_rate"]


def test_points_and_bars_have_titles():
    rows = kodak_rows(FACTORS)
    page = _page(rows)
    titles = re.findall(r"<title>(.*?)</title>", page)[1:]
    lmbdas = sorted({r.lmbda for r in rows})
    assert [t.partition(":")[0] for t in titles[: len(lmbdas)]] == [
        f"bound, λ = {lmbda:.4g}" for lmbda in lmbdas
    ]
    own = [r for r in rows if r.method == "codec-coded" and r.lmbda == lmbdas[2]]
    bpp, psnr, size = (sum(getattr(r, n) for r in own) / 4 for n in ("bpp", "psnr", "bytes"))
    expected = f"codec-coded, λ = {lmbdas[2]:.4g}: {bpp:.4f} bpp, {psnr:.2f} dB, {size:,.0f} bytes"
    assert expected in titles
    assert "m bound: -20.00 % [-20.00, -20.00] (per image, 4 images)" in titles


def test_the_table_has_every_row_but_floors_in_the_order_of_images():
    rows = kodak_rows({("m", "codec-coded"): 1.25, ("m", "bound"): 0.8, ("m", "floor"): 1.0})
    table = image_table(rows)
    assert len(table.rows) == 2 * len(rows) / 3
    assert [row[0] for row in table.rows] == sorted(row[0] for row in table.rows)
    assert [row[1] for row in table.rows[:8]] == ["bound"] * 7 + ["codec-coded"]
    first = next(r for r in rows if r.method == "bound")
    assert table.rows[0][3:] == (
        *(f"{v:.4g}" for v in (first.lmbda, first.bpp, first.psnr, first.ms_ssim, first.J)),
        "–",
    )


def test_a_page_of_vectors_or_without_anchor_has_no_bd_rates():
    page = _page(make_rows())
    assert 'id="plot-gaps"' in page
    assert "against vtm-22.0" not in page


def _browser():
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        pytest.skip(f"no browser found: looked for {', '.join(BROWSERS)}")
    return found[0]


def test_a_browser_shows_the_page_and_sorts_its_table(tmp_path):
    api = pytest.importorskip("playwright.sync_api")
    picture = ShownPicture("kodim01", DOT, DOT, "in words")
    rows = kodak_rows(FACTORS)
    (tmp_path / "index.html").write_text(_page(rows, pictures=[picture]), encoding="utf-8")
    requests, wrong = [], []
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=_browser(), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("pageerror", lambda error: wrong.append(error))
        tab.goto((tmp_path / "index.html").as_uri())
        assert tab.locator("#plot-rd_curve svg").bounding_box()["width"] > 400
        tab.locator("#images summary").click()
        tab.locator("#images th", has_text="bpp").click()
        cells = tab.locator("#images td:nth-child(5)").all_text_contents()
        assert len(cells) == len(rows)
        assert [float(cell) for cell in cells] == sorted(float(cell) for cell in cells)
        tab.locator("#images th", has_text="method").click()
        names = tab.locator("#images td:nth-child(2)").all_text_contents()
        assert names == sorted(names)
        tab.locator("input[type=range]").fill("20")
        style = tab.locator(".pair").get_attribute("style")
        assert "--at: 20%" in style
        browser.close()
    assert not wrong
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)
