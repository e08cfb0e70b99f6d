"""The results page, opened in a browser where there is one."""

import re
import shutil

import pytest

from rdbound.analysis.curves import from_rows, named_anchor
from rdbound.analysis.gaps import gaps
from rdbound.report.citations import citing
from rdbound.report.html import ShownPicture, results_page
from rdbound.report.page_figures import bd_rate_plot, gap_plot, image_table, rd_plot
from rdbound.report.sections.rd import rd_report
from tests.analysis.test_gaps import make_rows
from tests.report.kodak import kodak_rows

FACTORS = {("m", "bound"): 0.8, ("m", "codec-coded"): 1.25}
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _buttons(figure, menu=0):
    return {b.label: b.args[0] for b in figure.layout.updatemenus[menu].buttons}


def test_curves_are_means_and_the_menu_has_every_image():
    rows = kodak_rows(FACTORS)
    figure = rd_plot(rows)
    coded = next(t for t in figure.data if t.name == "m codec-coded")
    own = [r for r in rows if r.method == "codec-coded"]
    lmbdas = sorted({r.lmbda for r in rows})
    for place, lmbda in enumerate(lmbdas):
        group = [r for r in own if r.lmbda == lmbda]
        assert coded.x[place] == pytest.approx(sum(r.bpp for r in group) / 4, abs=1e-5)
        assert coded.y[place] == pytest.approx(sum(r.psnr for r in group) / 4, abs=1e-3)
    size = sum(r.bytes for r in own if r.lmbda == lmbdas[2]) / 4
    assert f"λ = {lmbdas[2]:.4g}<br>{size:,.0f} bytes" in coded.text[2]
    anchor = next(t for t in figure.data if t.name == "vtm-22.0 (10-bit input)")
    assert coded.x == pytest.approx([1.25 * x for x in anchor.x], rel=1e-4)
    buttons = _buttons(figure)
    assert list(buttons) == ["mean", "kodim01", "kodim02", "kodim03", "kodim04"]
    place = [t.name for t in figure.data].index("m bound")
    chosen = [r.bpp for r in rows if r.method == "bound" and r.image == "kodim03"]
    assert buttons["kodim03"]["x"][place] == pytest.approx(sorted(chosen), abs=1e-5)
    assert len(buttons["kodim03"]["x"]) == len(figure.data)
    assert _buttons(figure, 1) == {
        "linear rates": {"xaxis.type": "linear"},
        "log rates": {"xaxis.type": "log"},
    }


def test_bars_change_with_the_anchor():
    rows = kodak_rows(FACTORS)
    anchors = {
        "vtm": named_anchor("vtm-22.0", "kodak"),
        "own": from_rows(rows)["kodak", "m", "codec-coded"],
    }
    figure = bd_rate_plot(rows, anchors)
    assert list(figure.data[0].x) == ["m<br>bound", "m<br>codec-coded"]
    assert list(figure.data[0].y) == pytest.approx([-20, 25], abs=1e-3)
    own = _buttons(figure)["against own"]
    assert own["y"][0] == pytest.approx([-36, 0], abs=1e-3)
    assert bd_rate_plot(make_rows(), {"vtm": anchors["vtm"]}) is None


def test_gaps_are_stacked_to_their_total():
    found = gaps(make_rows())
    figure = gap_plot(found)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    total = next(trace for trace in figure.data if trace.name == "total")
    for place in range(3):
        assert sum(t.y[place] for t in bars) == pytest.approx(total.y[place])
    assert gap_plot([]) is None


def test_the_table_is_sorted_by_the_chosen_column():
    rows = kodak_rows(FACTORS)
    figure = image_table(rows)
    by = _buttons(figure)
    assert list(by) == ["by image", "by method", "by bpp", "by PSNR", "by J"]
    bpp = [float(v) for v in by["by bpp"]["cells.values"][0][4]]
    assert bpp == sorted(bpp)
    assert len(bpp) == len(rows)
    images = by["by image"]["cells.values"][0][0]
    assert images == sorted(images)


def _page(rows, anchor="vtm-22.0", **more):
    found = gaps(rows) if more.pop("with_gaps", False) else []
    return results_page(rd_report(rows, anchor), rows, found, anchor, citing(rows, anchor), **more)


def test_the_page_is_one_file_and_says_everything():
    picture = ShownPicture("kodim01", DOT, DOT, "m, 0.5 bpp")
    page = _page(kodak_rows(FACTORS), pictures=[picture], facts={"config.yaml": "seed: <0>"})
    assert len(page) < 6e6
    assert not re.findall(r'(?:src|href)="(?!data:)', page.split("</script>", 1)[1])
    assert "kodim01: m, 0.5 bpp" in page
    assert "seed: &lt;0&gt;" in page
    assert "+25.0 %" in page
    assert "@techreport{bjontegaard2001," in page


def test_a_page_of_vectors_or_without_anchor_has_no_bd_rates():
    page = _page(make_rows(), with_gaps=True)
    assert 'id="plot-gaps"' in page
    assert "against vtm-22.0" not in page.split("</script>", 1)[1]


def _browser():
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        pytest.skip(f"no browser found: looked for {', '.join(BROWSERS)}")
    return found[0]


def test_a_browser_shows_it_and_obeys_its_menus(tmp_path):
    api = pytest.importorskip("playwright.sync_api")
    picture = ShownPicture("kodim01", DOT, DOT, "told")
    page = _page(kodak_rows(FACTORS), pictures=[picture])
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    asked, wrong = [], []
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=_browser(), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: wrong.append(error))
        tab.goto((tmp_path / "index.html").as_uri())
        bars = "document.getElementById('plot-bd-rates').data[0].y"
        assert tab.evaluate(f"Array.from({bars})") == pytest.approx([-20, 25], abs=1e-3)
        labels = tab.locator("#plot-bd-rates .xtick").all_text_contents()
        assert [label for label in labels if "codec-coded" in label]
        tab.locator("#plot-bd-rates .updatemenu-header").click()
        tab.get_by_text("against m codec-coded").last.click()
        tab.wait_for_function(f"Math.abs({bars}[0] + 36) < 0.01")
        tab.locator("input[type=range]").fill("20")
        style = tab.locator(".pair").get_attribute("style")
        assert "--at: 20%" in style
        browser.close()
    assert not wrong
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
