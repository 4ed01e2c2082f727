"""A small company's documents for the tests of the page, ingested by the real stages: some hostile, one broken."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from reportlab.pdfgen.canvas import Canvas

if TYPE_CHECKING:
    from kb_pipeline_tests.sites import TestSite

# Each place where a document may say something says something else that would run if it were markup.
HOSTILE_FILE = "<img src=x onerror=alert(1)>.html"
HOSTILE_COLLECTION = "<u>odd"
HOSTILE_TITLE = "<svg onload=alert(2)>"
HOSTILE_HEADING = "<script>alert(3)</script>"
HOSTILE_TEXT = "<iframe srcdoc=alert(4)> about a unicorn"
HOSTILE_FIELD = "<b onmouseover=alert(5)>finance"
HOSTILE_FAILURE = "<img src=y onerror=alert(6)>.pdf"
HOSTILE_QUERY = "<img src=z onerror=alert(7)>"

SECTIONS = 60  # of the long document: more than the document view shows at once


def fill(kb: TestSite) -> None:
    kb.reopen(fields={"tag": "text", "amount": "number"})
    kb.write("policies/员工手册.md", "# 休假\n\n## 年假\n\n员工每年享有五天带薪年假。\n\n## 病假\n\n病假须提交证明。\n")
    kb.write("policies/员工手册.md.meta.yaml", "tag: 人事\n")
    kb.write(
        "contracts/pump.pdf", pdf(["The supplier delivers the pump within thirty days.", "Payment is due.", "Signed."])
    )
    kb.write("contracts/pump.pdf.meta.yaml", "tag: procurement\namount: 12.5\n")
    kb.write("contracts/long.md", "\n\n".join(f"# Section {n}\n\n{clause(n)}" for n in range(SECTIONS)))
    kb.write(f"{HOSTILE_COLLECTION}/{HOSTILE_FILE}", html(HOSTILE_TITLE, HOSTILE_HEADING, HOSTILE_TEXT))
    kb.write(f"{HOSTILE_COLLECTION}/{HOSTILE_FILE}.meta.yaml", f"tag: '{HOSTILE_FIELD}'\n")
    kb.write(f"{HOSTILE_COLLECTION}/{HOSTILE_FAILURE}", b"%PDF-1.4 and nothing more")
    kb.refresh()


def clause(number: int) -> str:
    """So long that it becomes a passage of its own."""
    return " ".join(f"Clause {number}.{part} settles how the valve of line {number} is kept." for part in range(30))


def pdf(pages: list[str]) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for text in pages:
        canvas.drawString(72, 720, text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def html(title: str, heading: str, text: str) -> str:
    title, heading, text = (part.replace("<", "&lt;").replace(">", "&gt;") for part in (title, heading, text))
    return f"<html><head><title>{title}</title></head><body><h1>{heading}</h1><p>{text}</p></body></html>"
