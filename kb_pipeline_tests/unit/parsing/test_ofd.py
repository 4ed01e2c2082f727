"""OFD: the text of the pages, as it stands on them."""

from __future__ import annotations

import io
import zipfile

import pytest

from kb_pipeline.errors import EmptyDocument, LimitExceeded, MalformedDocument
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.ofd import read_ofd
from kb_pipeline.parsing.parsed import ParseLimits

NAMESPACE = 'xmlns:ofd="http://www.ofdspec.org/2016"'
ROOT = f"""<ofd:OFD {NAMESPACE}><ofd:DocBody><ofd:DocInfo><ofd:Title>通知</ofd:Title></ofd:DocInfo>
<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"""


def text(boundary: str, words: str, deltas: str = "", **attributes: str) -> str:
    more = " ".join(f'{name}="{value}"' for name, value in {"Size": "4", **attributes}.items())
    return (
        f'<ofd:TextObject Boundary="{boundary}" {more}>'
        f'<ofd:TextCode X="0" Y="4" DeltaX="{deltas}">{words}</ofd:TextCode></ofd:TextObject>'
    )


def page(*objects: str, template: str = "") -> str:
    used = f'<ofd:Template TemplateID="{template}"/>' if template else ""
    layer = f"<ofd:Content><ofd:Layer>{''.join(objects)}</ofd:Layer></ofd:Content>"
    return f"<ofd:Page {NAMESPACE}>{used}{layer}</ofd:Page>"


def ofd(*pages: str, template: str = "", folder: str = "Pages") -> bytes:
    named = "".join(
        f'<ofd:Page ID="{number}" BaseLoc="{folder}/Page_{number}/Content.xml"/>' for number in range(len(pages))
    )
    document = (
        f'<ofd:Document {NAMESPACE}><ofd:CommonData><ofd:TemplatePage ID="9" BaseLoc="/Doc_0/Tpls/T.xml"/>'
        f"</ofd:CommonData><ofd:Pages>{named}</ofd:Pages></ofd:Document>"
    )
    parts = {"OFD.xml": ROOT, "Doc_0/Document.xml": document, "Doc_0/Tpls/T.xml": template}
    parts |= {f"Doc_0/Pages/Page_{number}/Content.xml": content for number, content in enumerate(pages)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            if content:
                archive.writestr(name, content)
    return buffer.getvalue()


def test_lines_are_joined_from_their_pieces_and_parted_from_each_other() -> None:
    data = ofd(
        page(
            text("40 20 60 5", "一、总则"),
            text("28 30 10 5", "第二", "4"),
            text("20 30 8 5", "本市", "4"),
            text("20 40 60 5", "Grand total", ""),
            text("70 40 60 5", "12.50", ""),
            text("20 60 60 5", "甲乙", "g 1 30"),
        )
    )
    document = clean_document(read_ofd(data, ParseLimits()))
    assert [element.text for element in document.elements] == ["一、总则", "本市第二", "Grand total 12.50", "甲 乙"]
    assert document.elements[0].heading_level == 1
    assert (document.page_count, document.metadata["title"], document.coverage) == (1, "通知", 1)


def test_a_point_goes_through_the_matrix_of_its_object() -> None:
    data = ofd(
        page(text("20 50 9 9", "below", CTM="0.5 0 0 0.5 0 0"), text("20 50 9 9", "above", CTM="0.5 0 0 0.5 0 -20"))
    )
    assert [element.text for element in read_ofd(data, ParseLimits()).elements] == ["above", "below"]


def test_the_form_that_a_page_lies_over_is_read_with_it_and_hidden_text_is_listed() -> None:
    data = ofd(
        page(text("50 10 40 5", "12345678"), text("0 90 9 9", "draft", Visible="false"), template="9"),
        page(text("20 10 60 5", "Second.")),
        template=page(text("20 10 25 5", "发票号码:")),
    )
    document = clean_document(read_ofd(data, ParseLimits()))
    assert [(element.text, element.page_number) for element in document.elements] == [
        ("发票号码: 12345678", 1),
        ("Second.", 2),
    ]
    assert [(item.reason, item.text, item.page_number) for item in document.dropped] == [("hidden text", "draft", 1)]


@pytest.mark.parametrize("deltas", ["g 999999999999 4", "g", "x y", "nan inf 1e999"])
def test_damaged_or_endless_distances_cost_nothing(deltas: str) -> None:
    data = ofd(page(text("20 10 60 5", "甲乙丙", deltas)))
    assert "".join(element.text for element in read_ofd(data, ParseLimits()).elements).replace(" ", "") == "甲乙丙"


def test_places_that_are_written_from_the_top_are_found() -> None:
    data = ofd(page(text("20 10 60 5", "Found.")), folder="Doc_0/Pages")
    assert [element.text for element in read_ofd(data, ParseLimits()).elements] == ["Found."]


def test_pages_are_limited_and_have_to_be_there() -> None:
    with pytest.raises(LimitExceeded, match=r"limits\.pages"):
        read_ofd(ofd(page(text("0 0 1 1", "a")), page(text("0 0 1 1", "b"))), ParseLimits(pages=1))
    with pytest.raises(MalformedDocument, match="pages"):
        read_ofd(ofd(), ParseLimits())
    with pytest.raises(EmptyDocument, match="OCR"):
        read_ofd(ofd(page()), ParseLimits())
