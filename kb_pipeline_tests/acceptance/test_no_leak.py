"""Proof that personal data stays outside: 200 values go in everywhere, and none is anywhere afterwards.

They stand in files of every format, in header cells, in file names, in files that cannot be read, in queries and
filters. Then everything that the site wrote is searched for each of them, in every spelling: a full dump of the
database, KB_HOME with Dagster's storage and logs, and all that the commands said.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import docx
import numpy as np
import openpyxl
import pptx
import psycopg
import pytest
from pptx.util import Inches
from psycopg import sql
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas

from kb_pipeline_tests.acceptance.conftest import MakeSite
from kb_pipeline_tests.instant_embedding_server import InstantServer

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # the generator is not part of the package
import personal_data as made

PLANTED = 200
SEED = 20_240_229


def big_amount(r: random.Random) -> str:
    """Nine digits: none of the many numbers that a site writes about itself is like it."""
    return f"￥{r.randrange(100, 999)},{made.digits(r, 3)},{made.digits(r, 3)}.00"


def long_name(r: random.Random) -> str:
    return r.choice(["欧阳", "司马", "诸葛"]) + "".join(r.choice(made.GIVEN) for _ in range(2))


# What is planted, a sentence around it, and how many.
KINDS: tuple[tuple[made.Make, str, int], ...] = (
    (made.mobile, "联系电话：{v}", 40),
    (made.resident_id, "身份证号码：{v}", 35),
    (made.bank_card, "银行卡号：{v}", 25),
    (made.email, "邮箱：{v}", 20),
    (made.credit_code, "统一社会信用代码：{v}", 10),
    (made.landline, "传真：{v}", 10),
    (made.passport, "护照号码：{v}", 8),
    (made.iban, "IBAN: {v}", 6),
    (made.ssn, "SSN: {v}", 6),
    (made.credential, "api_key={v}", 6),
    (made.address, "家庭住址：{v}", 8),
    (long_name, "联系人：{v}", 10),
    (big_amount, "合同金额：{v}", 16),
)


def planted() -> list[tuple[str, str]]:
    """(value, sentence), each value once, in an order that mixes the kinds."""
    r = random.Random(SEED)
    found: dict[str, str] = {}
    for make, template, count in KINDS:
        goal = len(found) + count
        while len(found) < goal:
            value = make(r)
            found.setdefault(value, template.format(v=value))
    pairs = list(found.items())
    r.shuffle(pairs)
    return pairs


def spellings(value: str) -> set[str]:
    """The value as it was written, with half-width characters, without separators, and in either case."""
    narrow = "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else c for c in value)
    bare = re.sub(r"[\s()\-，,]", "", narrow)
    digits = re.sub(r"\D", "", narrow)
    found = {value, narrow, bare, narrow.lower(), narrow.upper()}
    if len(digits) >= 9 and len(digits) * 2 > len(bare):  # an address without its words is no address
        found.add(digits.removeprefix("0086").removeprefix("86") if len(digits) > 12 else digits)
    return {spelling for spelling in found if len(spelling) >= 4}


# --- files ---------------------------------------------------------------------------------------------

Lines = list[str]


def as_docx(lines: Lines, header: Lines) -> bytes:
    document = docx.Document()
    document.add_heading(lines[0], 1)
    for line in lines[1:]:
        document.add_paragraph(line)
    table = document.add_table(rows=2, cols=len(header))
    for column, text in enumerate(header):
        table.rows[0].cells[column].text = text
        table.rows[1].cells[column].text = "内容"
    document.core_properties.author = "kb"
    return _saved(document.save)


def as_xlsx(lines: Lines, header: Lines) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(header)
    for line in lines:
        sheet.append([line, "备注"])
    return _saved(book.save)


def as_pptx(lines: Lines, header: Lines) -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = lines[0]
    slide.placeholders[1].text = "\n".join(lines[1:])
    frame = slide.shapes.add_table(2, len(header), Inches(1), Inches(4), Inches(6), Inches(1))
    for column, text in enumerate(header):
        frame.table.cell(0, column).text = text
        frame.table.cell(1, column).text = "内容"
    return _saved(show.save)


def as_pdf(lines: Lines, header: Lines) -> bytes:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))  # of every PDF reader, no file is needed
    stream = io.BytesIO()
    page = canvas.Canvas(stream)
    page.setFont("STSong-Light", 11)
    for number, line in enumerate([*lines, *header]):
        page.drawString(60, 780 - 24 * number, line)
    page.save()
    return stream.getvalue()


def as_html(lines: Lines, header: Lines) -> bytes:
    cells = "".join(f"<th>{text}</th>" for text in header)
    body = "".join(f"<p>{line}</p>" for line in lines)
    row = f"<table><tr>{cells}</tr><tr>{'<td>1</td>' * len(header)}</tr></table>"
    return f"<html><head><title>{lines[0]}</title></head><body>{body}{row}</body></html>".encode()


def as_markdown(lines: Lines, header: Lines) -> bytes:
    table = f"| {' | '.join(header)} |\n|{'---|' * len(header)}\n|{' 1 |' * len(header)}"
    return ("# " + "\n\n".join(lines) + "\n\n" + table + "\n").encode()


def as_csv(lines: Lines, header: Lines) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows([header, *([line, "备注"] for line in lines)])
    return stream.getvalue().encode()


def as_mail(lines: Lines, header: Lines) -> bytes:
    message = EmailMessage()
    message["Subject"] = header[0]
    message["From"] = "kb <kb@localhost>"
    message["To"] = "kb@localhost"
    message.set_content("\n\n".join([*lines, *header[1:]]))
    return message.as_bytes()


def as_text(lines: Lines, header: Lines) -> bytes:
    return "\n\n".join([*lines, *header]).encode()


def broken(good: Callable[[Lines, Lines], bytes]) -> Callable[[Lines, Lines], bytes]:
    """The first two thirds of a file, with the values as plain text at its end."""

    def make(lines: Lines, header: Lines) -> bytes:
        whole = good(lines, header)
        return whole[: len(whole) * 2 // 3] + "\n".join([*lines, *header]).encode()

    return make


def _saved(save: Callable[[io.BytesIO], None]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


# Each takes seven values: one in its name, three as lines, two as headers, one split over two lines.
FORMATS: dict[str, Callable[[Lines, Lines], bytes]] = {
    "docx": as_docx, "xlsx": as_xlsx, "pptx": as_pptx, "pdf": as_pdf, "html": as_html, "md": as_markdown,
    "csv": as_csv, "eml": as_mail, "txt": as_text,
}  # fmt: skip
FAILING: dict[str, Callable[[Lines, Lines], bytes]] = {
    "docx": broken(as_docx), "xlsx": broken(as_xlsx), "pdf": broken(as_pdf), "pptx": broken(as_pptx), "zzz": as_text,
}  # fmt: skip
IN_NAME, IN_LINES, IN_HEADER = 1, 4, 2


def write_files(folder: Path, values: Iterator[tuple[str, str]], queries: int) -> list[str]:
    """Plant everything but `queries` values; returns the sentences of those."""
    pairs = list(values)
    asked, pairs = pairs[:queries], pairs[queries:]
    makers = [(suffix, make) for suffix, make in (*FORMATS.items(), *((s, m) for s, m in FAILING.items()))]
    size = IN_NAME + IN_LINES + IN_HEADER
    for number in range(0, len(pairs), size):
        batch = pairs[number : number + size]
        suffix, make = makers[number // size % len(makers)]
        failing = number // size % len(makers) >= len(FORMATS)
        collection = ("contracts", "policies", "客户资料")[number % 3]
        name = batch[0][1].replace("/", "").replace("：", "_").replace(":", "")
        path = folder / collection / f"{number:03}_{name}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines, header = [s for _, s in batch[1 : 1 + IN_LINES]], [s for _, s in batch[1 + IN_LINES :]]
        path.write_bytes(make(lines or ["空"], header or ["表头"]))
        os.utime(path, (1_600_000_000 + number, 1_600_000_000 + number))
        assert failing or suffix in FORMATS
    return [sentence for _, sentence in asked]


# --- where a value could be ------------------------------------------------------------------------------


def database_dump(url: str) -> Iterator[tuple[str, bytes]]:
    """Every table of every schema of ours as text, and what lies compressed in it."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, name in tables:
            with connection.cursor() as cursor:
                statement = sql.SQL("COPY {}.{} TO STDOUT").format(sql.Identifier(schema), sql.Identifier(name))
                with cursor.copy(statement) as copy:
                    yield f"table {name}", b"".join(bytes(piece) for piece in copy)
        for (payload,) in connection.execute("SELECT payload FROM elements").fetchall():
            yield "elements.payload", zlib.decompress(payload)


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        yield "a name in KB_HOME", str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder)), path.read_bytes()


def leaks(values: list[str], places: Iterator[tuple[str, bytes]]) -> dict[str, list[str]]:
    """value -> where it was found, in any spelling and any usual encoding."""
    needles: dict[bytes, str] = {}
    for value in values:
        for spelling in spellings(value):
            for form in {spelling, json.dumps(spelling)[1:-1]}:
                for encoding in ("utf-8", "utf-16-le", "gb18030"):
                    needles[form.encode(encoding)] = value
    by_start: dict[int, list[bytes]] = {}
    for needle in needles:
        by_start.setdefault(int.from_bytes(needle[:4], "little"), []).append(needle)
    starts = np.array(sorted(by_start), dtype="<u4")
    maybe = np.zeros(1 << 16, dtype=bool)
    maybe[_folded(starts)] = True
    found: dict[str, list[str]] = {}
    for name, content in places:
        for offset in range(min(4, len(content))):
            words = np.frombuffer(content, dtype="<u4", count=(len(content) - offset) // 4, offset=offset)
            candidates = np.flatnonzero(maybe[_folded(words)])
            for place in candidates[np.isin(words[candidates], starts)].tolist():
                begin = place * 4 + offset
                for needle in by_start[int(words[place])]:
                    if content.startswith(needle, begin) and not _inside_a_number(content, begin, needle):
                        found.setdefault(needles[needle], []).append(name)
    return found


def _folded(words: Any) -> Any:
    """A 16-bit hash of 32-bit words: most places are ruled out at once."""
    return ((words >> 16) ^ words) & 0xFFFF


def _inside_a_number(content: bytes, begin: int, needle: bytes) -> bool:
    """Nine digits in the middle of a longer number are chance."""
    around = content[max(0, begin - 1) : begin] + content[begin + len(needle) : begin + len(needle) + 1]
    return needle.isdigit() and any(chr(byte).isdigit() for byte in around)


def test_the_scan_finds_a_value_in_any_spelling() -> None:
    places = [
        ("a", "电话 １３８００１３８０００".encode()),
        ("b", b'"\\u6b27\\u9633\\u4f1f"'),
        ("c", b"x 13800138000 y"),
    ]
    assert leaks(["１３８００１３８０００"], iter(places)) == {"１３８００１３８０００": ["a", "c"]}
    assert leaks(["欧阳伟伟", "欧阳伟"], iter([("b", '"欧阳伟"'.encode())])) == {}
    assert leaks(["欧阳伟华"], iter([("b", json.dumps("欧阳伟华").encode())])) == {"欧阳伟华": ["b"]}


@pytest.mark.timeout(400)
def test_200_planted_values_are_nowhere_afterwards(
    make_site: MakeSite, embedding: InstantServer, tmp_path: Path
) -> None:
    pairs = planted()
    assert len({value for value, _ in pairs}) == PLANTED
    site = make_site(embedding_url=embedding.base_url, privacy='{"preset": "strict"}')
    questions = write_files(tmp_path / "documents", iter(pairs), queries=12)
    said: list[tuple[str, bytes]] = []

    def run(*arguments: str) -> str:
        outcome = site.run(*arguments, expect=None)
        assert "went wrong" not in outcome.stderr, outcome.stderr
        said.append((f"kb {arguments[0]}", (outcome.stdout + outcome.stderr).encode()))
        return outcome.stdout

    ingested = json.loads(run("ingest", str(tmp_path / "documents"), "--json"))
    assert ingested["new"] >= len(FORMATS) + len(FAILING)
    assert ingested["failed"] >= len(FAILING)
    run("search", "；".join(questions[:9]), "--json")
    run("search", questions[9], "--where", f"section_title = '{questions[10]}'", "--mode", "lexical")
    for command in (("failures",), ("audit",), ("privacy", "report")):
        run(*command)
    found = leaks([value for value, _ in pairs], iter(said))
    assert found == {}
    dump = list(database_dump(site.database_url))
    assert any(name == "elements.payload" and b"CN_MOBILE_" in content for name, content in dump)
    assert leaks([value for value, _ in pairs], iter(dump)) == {}
    site.stop()
    assert leaks([value for value, _ in pairs], files_below(site.home)) == {}
