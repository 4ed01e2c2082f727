"""E-mail: what the sender wrote, and what is left out of it."""

from __future__ import annotations

import base64
from email.message import EmailMessage

import pytest
from oxmsg.domain import encodings

from kb_pipeline.errors import EmptyDocument, EncryptedDocument, MalformedDocument
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.mail.code_pages import read_all_code_pages
from kb_pipeline.parsing.mail.reader import read_eml, read_mhtml


def message(body: str, html: str | None = None) -> bytes:
    source = EmailMessage()
    source["Subject"], source["From"], source["Date"] = "合同", "li@example.com", "Fri, 16 Dec 2022 17:04:16 -0500"
    source.set_content(body)
    if html is not None:
        source.add_alternative(html, subtype="html")
    return source.as_bytes()


def read(data: bytes) -> CleanedDocument:
    return clean_document(read_eml(data))


def body(document: CleanedDocument) -> list[str]:
    return [element.text for element in document.elements[1:]]


def reasons(document: CleanedDocument) -> set[str]:
    return {item.reason for item in document.dropped}


@pytest.mark.parametrize(
    "text",
    [
        "Agreed.\n\n-----Original Message-----\nFrom: Bob\nold\n",
        "Agreed.\n\n------------------ 原始邮件 ------------------\n发件人: 王\n旧的内容\n",
        "Agreed.\n\n发件人：王\n发送时间：2023年5月1日\n收件人：李\n主题：续签\n\n旧的内容\n",
        "Agreed.\n\nFrom: Bob\nSent: Monday\nTo: Ann\nSubject: x\n\nold\n",
        "Agreed.\n\nOn Mon, Jan 2, 2023 at 10:00 AM Bob <bob@example.com>\nwrote:\n\n> old\n> text\n",
        'Agreed.\n\n在 2023-05-01 10:00:00，"张三" <z@example.com> 写道：\n\n旧的内容\n',
        "On 2023-01-02 Bob wrote:\n> old\n\nAgreed.\n",
    ],
)
def test_the_message_that_is_answered_is_left_out_and_listed(text: str) -> None:
    document = read(message(text))
    assert body(document) == ["Agreed."]
    assert reasons(document) == {"quoted message"}
    assert document.coverage == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("tail", ["-- \nAnn\nACME Ltd.\n", "Sent from my iPhone\n", "发自我的 iPhone\n"])
def test_a_signature_is_left_out_and_listed(tail: str) -> None:
    document = read(message(f"Agreed.\n\n{tail}"))
    assert body(document) == ["Agreed."]
    assert reasons(document) == {"e-mail signature"}


def test_a_disclaimer_is_left_out_and_listed() -> None:
    document = read(message("Agreed.\n\nCONFIDENTIALITY NOTICE: This e-mail is only for\nthe recipient.\n"))
    assert body(document) == ["Agreed."]
    assert reasons(document) == {"e-mail disclaimer"}


def test_a_forwarded_message_is_content() -> None:
    text = "FYI\n\n---------- Forwarded message ---------\nFrom: Bob\nDate: Monday\nSubject: X\nTo: Y\n\nThe content.\n"
    assert "The content." in body(read(message(text)))


def test_a_message_that_is_all_quotation_keeps_it() -> None:
    assert body(read(message("> only this\n")))


def test_mail_programs_mark_quotations_and_signatures_in_html() -> None:
    document = read(
        message(
            "Agreed, go ahead.",
            '<div>Agreed, go ahead.</div><div class="gmail_signature">Ann</div><div class="gmail_quote">old text</div>',
        )
    )
    assert body(document) == ["Agreed, go ahead."]
    assert reasons(document) == {"e-mail signature", "quoted message"}


def test_outlook_quotes_under_copied_headers() -> None:
    html = (
        "<p>Agreed.</p><p><b>From:</b> Bob<br><b>Sent:</b> Monday<br><b>To:</b> Ann<br><b>Subject:</b> x</p><p>Old.</p>"
    )
    assert body(read(message("Agreed.", html))) == ["Agreed."]


def test_html_is_read_for_its_structure_unless_it_says_less() -> None:
    table = "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
    assert read(message("a b 1 2", table)).elements[1].category == "Table"
    assert body(read(message("All of the text is here, and nowhere else.", "<p>View online</p>"))) == [
        "All of the text is here, and nowhere else."
    ]


def test_old_chinese_encodings_are_read_in_headers_and_body() -> None:
    subject = base64.b64encode("合同镕续签".encode("gbk")).decode()  # beyond the gb2312 that is declared
    text = base64.b64encode("正文：朱镕基。".encode("gbk")).decode()
    document = read(
        f"Subject: =?gb2312?B?{subject}?=\nFrom: =?gb2312?Q?=C0=EE?= <li@example.com>\n"
        f"Content-Type: text/plain; charset=gb2312\nContent-Transfer-Encoding: base64\n\n{text}\n".encode()
    )
    assert [element.text for element in document.elements] == ["合同镕续签", "正文：朱镕基。"]
    assert document.metadata["from"] == "李 <li@example.com>"


def test_bare_bytes_in_headers_are_guessed() -> None:
    document = read("Subject: 合同续签\nContent-Type: text/plain\n\n正文内容在这里。\n".encode("gb18030"))
    assert [element.text for element in document.elements] == ["合同续签", "正文内容在这里。"]


def test_damaged_base64_is_read_as_far_as_it_goes() -> None:
    data = b"Subject: x\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nSGVsbG8gd29ybGQ*** broken=\n"
    assert body(read(data)) == ["Hello wor"]


def test_metadata_holds_the_headers_and_the_names_of_attachments() -> None:
    source = EmailMessage()
    source["Subject"], source["From"], source["Date"] = "x", "a@example.com", "Fri, 16 Dec 2022 17:04:16 -0500"
    source.set_content("Text.")
    source.add_attachment(b"1", maintype="application", subtype="pdf", filename="合同.pdf")
    source.add_attachment("note", filename="note.txt")
    document = read(source.as_bytes())
    assert document.metadata["date"] == "2022-12-16T17:04:16-05:00"
    assert document.metadata["attachments"] == ["合同.pdf", "note.txt"]
    assert document.warnings == ()
    assert body(document) == ["Text."]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"=?utf-8?B?abcde?=", "=?utf-8?B?abcde?="),  # damaged
        ("报价单和合同.pdf".encode(), "报价单和合同.pdf"),
        ("报价单和合同.pdf".encode("gb18030"), "报价单和合同.pdf"),
    ],
)
def test_the_name_of_an_attachment_may_be_damaged_or_in_bare_bytes(raw: bytes, name: str) -> None:
    source = EmailMessage()
    source.set_content("Text.")
    source.add_attachment(b"1", maintype="application", subtype="pdf", filename="NAME")
    assert read(source.as_bytes().replace(b"NAME", raw)).metadata["attachments"] == [name]


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: x\n\n-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n",
        b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n\nMIIB\n",
        b"Content-Type: multipart/encrypted; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\n1\n--b--",
    ],
)
def test_an_encrypted_message_says_so(data: bytes) -> None:
    with pytest.raises(EncryptedDocument, match="encrypted"):
        read(data)


def test_a_message_without_text_is_its_subject() -> None:
    document = read(b"Subject: Only this\n\n")
    assert [element.text for element in document.elements] == ["Only this"]
    assert document.warnings == ("The message has no text beside its subject.",)


def test_a_message_without_anything_is_empty() -> None:
    with pytest.raises(EmptyDocument):
        read(b"From: a@example.com\n\n\n")


def test_a_saved_web_page_is_its_html() -> None:
    html = base64.b64encode("<meta charset=utf-8><nav>Home</nav><h1>规定</h1><p>正文。</p>".encode()).decode()
    data = (
        "From: <Saved by Blink>\nSubject: x\nContent-Type: multipart/related; boundary=b\n\n--b\n"
        f"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{html}\n--b\n"
        "Content-Type: image/png\n\nx\n--b--\n"
    )
    document = read_mhtml(data.encode())
    assert [(element.text, element.heading_level) for element in document.elements] == [("规定", 1), ("正文。", None)]
    assert [item.text for item in document.dropped] == ["Home"]
    with pytest.raises(MalformedDocument, match="no web page"):
        read_mhtml(b"Subject: x\n\ntext")


@pytest.mark.parametrize(
    ("code_page", "encoding", "text"),
    [
        (950, "big5", "會議通知：請於下週出席"),
        (936, "gbk", "会议通知：請於下週出席，朱镕基"),
        (20936, "gb2312", "会议通知"),
        (10002, "big5", "會議通知"),
        (949, "cp949", "회의 알림"),
        (874, "cp874", "แจ้งการประชุม"),
        (99999, "gb18030", "会议通知：请各部门负责人于下周三出席年度预算会议。"),
    ],
)
def test_outlook_texts_are_read_in_every_code_page(code_page: int, encoding: str, text: str) -> None:
    read_all_code_pages()
    assert text.encode(encoding).decode(encodings.encoding_from_codepage(code_page)) == text
