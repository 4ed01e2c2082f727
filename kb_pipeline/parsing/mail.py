"""E-mail (EML, MSG) -> elements: the subject as the top heading, the body, the headers as metadata.

Attachments are not read; their names are kept and a warning says how many there are.
"""

from __future__ import annotations

import email
import email.policy
import io
from dataclasses import replace
from email.message import EmailMessage, MIMEPart
from typing import TYPE_CHECKING

from kb_pipeline.errors import EncryptedDocument
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.text import text_elements
from kb_pipeline.parsing.web import html_document

if TYPE_CHECKING:
    from oxmsg import Message

_ENCRYPTED_SUFFIXES = (".pgp-encrypted", ".pgp", ".gpg", ".asc", ".p7m")
_HEADERS = ("from", "to", "cc", "date")


def read_eml(data: bytes) -> ParsedDocument:
    message = email.message_from_bytes(data, policy=email.policy.default)
    metadata = {name: value for name in _HEADERS if (value := _header(message, name))}
    part = message.get_body(preferencelist=("html", "plain"))
    body = _decode_part(part) if part is not None else ""
    is_html = part is not None and part.get_content_subtype() == "html"
    attachments = [name for name in (_attachment_name(part) for part in message.iter_attachments()) if name]
    return _document(_header(message, "subject"), body, is_html, metadata, attachments)


def read_msg(data: bytes) -> ParsedDocument:
    from oxmsg import Message

    message = Message.load(io.BytesIO(data))
    if not message.body and not message.html_body and _is_encrypted(message):
        raise EncryptedDocument("The message is encrypted; save it decrypted from the mail program.")
    metadata = {
        "from": message.sender or "",
        "to": ", ".join(recipient.email_address for recipient in message.recipients),
        "date": message.sent_date.isoformat() if message.sent_date else "",
    }
    body = message.html_body or message.body or ""
    attachments = [attachment.file_name or "" for attachment in message.attachments]
    return _document(
        message.subject or "", body, bool(message.html_body), {k: v for k, v in metadata.items() if v}, attachments
    )


def _is_encrypted(message: Message) -> bool:
    """S/MIME shows in the class of the message, PGP/MIME in its attachments."""
    return "smime" in (message.message_class or "").lower() or any(
        (attachment.file_name or "").lower().endswith(_ENCRYPTED_SUFFIXES) for attachment in message.attachments
    )


def _document(
    subject: str, body: str, is_html: bool, metadata: dict[str, str], attachments: list[str]
) -> ParsedDocument:
    content = html_document(body) if is_html else ParsedDocument(tuple(text_elements(body)))
    heading = (Element("Title", subject, heading_level=1),) if subject else ()
    warnings = (f"{len(attachments)} attachments were not read.",) if attachments else ()
    return ParsedDocument(
        heading + tuple(_below_subject(element) for element in content.elements),
        content.dropped,
        metadata={**metadata, **({"attachments": attachments} if attachments else {})},
        warnings=warnings,
    )


def _below_subject(element: Element) -> Element:
    return replace(element, heading_level=element.heading_level + 1) if element.heading_level else element


def _header(message: EmailMessage, name: str) -> str:
    """A header as text; a header that the library cannot parse counts as absent."""
    try:
        value = message.get(name)
        return " ".join(str(value).split()) if value else ""
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        return ""


def _attachment_name(part: MIMEPart) -> str:
    try:
        return part.get_filename() or "unnamed"
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        return "unnamed"


def _decode_part(part: MIMEPart) -> str:
    """The text of a body part; a wrong or unknown charset is guessed from the bytes."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return str(part.get_payload())
    charset = part.get_content_charset()
    if charset:
        try:
            return payload.decode(charset)
        except (UnicodeDecodeError, LookupError):
            pass
    return decode_text(payload)[0]
