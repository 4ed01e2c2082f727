"""E-mail files.

Front matter read here: the table `mail` of header fields, `html` (also send the text as HTML), and the list
`attachment` of tables with `name` and `text`.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from scripts.sample_docs.markup import Document


def render(document: Document) -> bytes:
    message = EmailMessage()
    for name, value in document.meta["mail"].items():
        message[name] = value
    message.set_content(document.body, cte="base64" if document.chinese else "quoted-printable")
    if document.meta.get("html"):
        lines = "".join(f"<p>{escape(line)}</p>\n" for line in document.body.splitlines() if line)
        message.add_alternative(f"<html><body>\n{lines}</body></html>\n", subtype="html", cte="base64")
    for attachment in document.meta.get("attachment", []):
        message.add_attachment(attachment["text"], filename=attachment["name"], cte="base64")
    for i, part in enumerate(part for part in message.walk() if part.is_multipart()):
        # Left alone, each run would draw a random boundary.
        part.set_boundary(f"=_linden_river_{i}")
    return message.as_bytes(policy=SMTP)
