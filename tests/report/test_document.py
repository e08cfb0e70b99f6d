import pytest
from matplotlib.figure import Figure

from rdbound.report.document import Document, Note, Picture, Section, Table


def test_a_row_of_another_length_is_refused():
    assert Table(("a", "b"), ()).rows == ()
    with pytest.raises(ValueError, match=r"a table of 2 columns has no place for the row \['1'\]"):
        Table(("a", "b"), (("1", "2"), ("1",)))


def test_a_document_knows_its_pictures_in_order():
    first, second = (Picture(Figure(), stem, "") for stem in ("x", "y"))
    sections = (Section("", (Note("n"), first)), Section("s", (second,)))
    assert list(Document("d", sections).pictures) == [first, second]
