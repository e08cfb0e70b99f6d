import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from rdbound.report.document import Document, Note, Picture, Section, Table
from rdbound.report.markdown import block_lines, document_lines, section_lines
from rdbound.report.write import save_figure, write_document

TABLE = Table(("gap", "λ = 1"), (("asymptotic", "+0.1"), ("total", "−12.25")))
LINES = [
    "| gap        |  λ = 1 |",
    "|------------|-------:|",
    "| asymptotic |   +0.1 |",
    "| total      | −12.25 |",
]


def document() -> Document:
    picture = Picture(Figure(figsize=(2, 1)), "gaps", "The gaps")
    return Document(
        "toy",
        (Section("Gaps", (TABLE, Note("They add up."), picture)), Section("", (Note("The end."),))),
    )


def test_the_first_column_is_left_aligned_and_the_others_right():
    assert block_lines(TABLE) == LINES
    assert block_lines(Table(("a", "b"), ())) == ["| a | b |", "|---|--:|"]


def test_a_document_is_markdown():
    assert document_lines(document()) == [
        "# toy",
        "",
        "## Gaps",
        "",
        *LINES,
        "",
        "They add up.",
        "",
        "![The gaps](gaps.png)",
        "",
        "The end.",
    ]


def test_the_terminal_shows_the_same_without_the_marks():
    first, last = document().sections
    assert section_lines(first) == ["Gaps", *document_lines(document())[3:-2]]
    assert section_lines(last) == ["The end."]
    assert section_lines(Section("", ())) == []


def test_a_report_is_written_with_its_pictures(tmp_path):
    report = write_document(document(), tmp_path / "deep" / "run")
    assert report == tmp_path / "deep" / "run" / "report.md"
    assert report.read_text() == "\n".join(document_lines(document())) + "\n"
    assert {path.name for path in report.parent.iterdir()} == {"report.md", "gaps.png", "gaps.pdf"}
    assert (report.parent / "gaps.pdf").read_bytes().startswith(b"%PDF")


def test_a_report_without_pictures_makes_its_folder(tmp_path):
    write_document(Document("d", (Section("", (Note("n"),)),)), tmp_path / "new")
    assert (tmp_path / "new" / "report.md").read_text() == "# d\n\nn\n"


def test_figures_have_200_dots_an_inch_and_keep_dots_in_their_names(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.add_axes((0, 0, 1, 1)).plot([0, 1])
    png, pdf = save_figure(figure, tmp_path / "lambda_0.01")
    assert (png.name, pdf.name) == ("lambda_0.01.png", "lambda_0.01.pdf")
    np.testing.assert_allclose(Image.open(png).info["dpi"], 200, atol=0.1)
