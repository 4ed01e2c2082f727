"""E-mail (EML, MSG) -> elements: the subject as the top heading, the body, the headers as metadata.

A web page that a browser saved in one file (MHTML) is a message, too.
Quoted messages, signatures and disclaimers are left out and listed. Attachments are documents of their own
(`parsing.carriers`); their names are kept.
"""

from __future__ import annotations

import base64
import email
import email.errors
import email.header
import email.policy
import email.utils
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from typing import TYPE_CHECKING

from kb_pipeline.errors import EncryptedDocument, MalformedDocument
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_declared, decode_text, is_binary
from kb_pipeline.parsing.html.reader import html_characters, html_document
from kb_pipeline.parsing.mail.code_pages import read_all_code_pages
from kb_pipeline.parsing.mail.tails import tails
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.text import text_document, visible_characters

if TYPE_CHECKING:
    from oxmsg import Message as OutlookMessage

_ENCRYPTED_SUFFIXES = (".pgp-encrypted", ".pgp", ".gpg", ".asc", ".p7m", ".rpmsg")
_ENCRYPTED_TYPES = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_PGP_BODY = re.compile(r"\s*-----BEGIN PGP MESSAGE-----")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]{8,}")
_HEADERS = ("from", "to", "cc", "date")
_NAMING_HEADERS = ("content-disposition", "content-type")
_ADDRESS = re.compile(r"<?https?://[^\s>]+>?")  # what links become in plain text
_RICHER_SHARE = 0.5  # of the plain alternative's text; an HTML one that holds less is a hint or a picture
_ENCRYPTED = "The message is encrypted; save it decrypted from the mail program."


@dataclass(slots=True)
class _Parts:
    """What a message consists of: texts as (is HTML, text) in order, the names of the rest."""

    texts: list[tuple[bool, str]] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    is_encrypted: bool = False


def read_eml(data: bytes) -> ParsedDocument:
    """Raises EncryptedDocument where the body cannot be read for that."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    parts = _Parts()
    _collect(message, parts)
    metadata = {name: value for name in _HEADERS if (value := header(message, name))}
    if "date" in metadata:
        metadata["date"] = _iso_date(metadata["date"])
    visible = [text for _, text in parts.texts if text.strip()]
    if (parts.is_encrypted and not visible) or (len(visible) == 1 and _PGP_BODY.match(visible[0])):
        raise EncryptedDocument(_ENCRYPTED)
    return _document(header(message, "subject"), parts.texts, metadata, parts.attachments)


def read_mhtml(data: bytes) -> ParsedDocument:
    """A web page saved with its pictures: its first HTML part is the page. Raises MalformedDocument."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    page = next((part for part in message.walk() if part.get_content_type() == "text/html"), None)
    if page is None:
        raise MalformedDocument("The file holds no web page; save it again from the browser.")
    return html_document(_decode_part(page))


def read_msg(data: bytes) -> ParsedDocument:
    """Raises EncryptedDocument where the body cannot be read for that."""
    from oxmsg import Message as OutlookMessage

    read_all_code_pages()
    message = OutlookMessage.load(io.BytesIO(data))
    if not message.body and not message.html_body and _is_encrypted(message):
        raise EncryptedDocument(_ENCRYPTED)
    headers = {name.lower(): value for name, value in message.message_headers.items()}
    metadata = {
        "from": message.sender or "",
        "to": ", ".join(recipient.email_address for recipient in message.recipients),
        "cc": " ".join(headers.get("cc", "").split()),
        "date": message.sent_date.isoformat() if message.sent_date else "",
    }
    texts = _better([(True, message.html_body or "")], [(False, message.body or "")])
    attachments = [attachment.file_name or "unnamed" for attachment in message.attachments]
    return _document(message.subject or "", texts, {k: v for k, v in metadata.items() if v}, attachments)


def _is_encrypted(message: OutlookMessage) -> bool:
    """S/MIME shows in the class of the message, PGP/MIME and rights management in its attachments."""
    return "smime" in (message.message_class or "").lower() or any(
        (attachment.file_name or "").lower().endswith(_ENCRYPTED_SUFFIXES) for attachment in message.attachments
    )


def _collect(part: Message, parts: _Parts) -> None:
    """The texts of a part, the better one of alternatives, and its attachments."""
    kind = part.get_content_type()
    if kind in _ENCRYPTED_TYPES:
        parts.is_encrypted = True
    if kind == "message/rfc822":
        inner = part.get_payload()
        subject = header(inner[0], "subject") if isinstance(inner, list) and isinstance(inner[0], Message) else ""
        parts.attachments.append(subject or file_name(part))
    elif part.is_multipart():
        below = [_collected(child) for child in part.get_payload() if isinstance(child, Message)]
        if kind == "multipart/alternative":
            html = [texts for found in below if (texts := found.texts) and any(is_html for is_html, _ in texts)]
            plain = [found.texts for found in below if found.texts and found.texts not in html]
            parts.texts += _better(*(choice[-1] if choice else [] for choice in (html, plain)))
        else:
            parts.texts += [text for found in below for text in found.texts]
        parts.attachments += [name for found in below for name in found.attachments]
        parts.is_encrypted |= any(found.is_encrypted for found in below)
    elif kind in ("text/plain", "text/html") and part.get_content_disposition() != "attachment" and not _has_name(part):
        parts.texts.append((kind == "text/html", _decode_part(part)))
    else:
        parts.attachments.append(file_name(part))


def _collected(part: Message) -> _Parts:
    parts = _Parts()
    _collect(part, parts)
    return parts


def _better(html: Sequence[tuple[bool, str]], plain: Sequence[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """The HTML, which keeps tables and lists, unless it says much less than the plain text."""
    said = sum(html_characters(text) if is_html else len(text) for is_html, text in html)
    plainly = sum(len("".join(_ADDRESS.sub("", text).split())) for _, text in plain)
    return list(html if said and said >= _RICHER_SHARE * plainly else plain)


def _characters(document: ParsedDocument) -> int:
    return document.source_characters or 0


def _document(
    subject: str, texts: Sequence[tuple[bool, str]], metadata: dict[str, str], attachments: list[str]
) -> ParsedDocument:
    bodies = [_body(is_html, text) for is_html, text in texts]
    elements = [element for body in bodies for element in body.elements]
    heading = (Element("Title", subject, heading_level=1),) if subject else ()
    warnings = []
    if heading and not elements:
        warnings.append("The message has no text beside its subject.")
    return ParsedDocument(
        heading + tuple(_below_subject(element) for element in elements),
        tuple(item for body in bodies for item in body.dropped),
        metadata={**metadata, **({"attachments": attachments} if attachments else {})},
        warnings=tuple(warnings),
        source_characters=len("".join(subject.split())) + sum(_characters(body) for body in bodies),
    )


def _body(is_html: bool, text: str) -> ParsedDocument:
    if is_html:
        document = html_document(text, is_mail=True)
        kept, dropped = _without_tails(document.elements)
        return replace(document, elements=tuple(kept), dropped=(*document.dropped, *dropped))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    cuts = tails(lines)
    dropped = [DroppedText(cut.reason, "\n".join(lines[cut.start : cut.end]).strip()) for cut in cuts]
    for cut in cuts:
        lines[cut.start : cut.end] = [""] * (cut.end - cut.start)
    rest = text_document("\n".join(lines))
    return replace(rest, dropped=(*rest.dropped, *dropped), source_characters=visible_characters(text))


def _without_tails(elements: Sequence[Element]) -> tuple[list[Element], list[DroppedText]]:
    """The same for elements: one whose first line is left out goes as a whole."""
    lines: list[str] = []
    owners: list[int] = []  # for each line, the element it is of
    for index, element in enumerate(elements):
        for line in element.text.split("\n"):
            lines.append(line)
            owners.append(index)
    reasons: dict[int, str] = {}
    for cut in tails(lines):
        for line_index in range(cut.start, cut.end):
            if line_index == 0 or owners[line_index - 1] != owners[line_index]:
                reasons.setdefault(owners[line_index], cut.reason)
    kept = [element for index, element in enumerate(elements) if index not in reasons]
    return kept, [DroppedText(reason, elements[index].text) for index, reason in sorted(reasons.items())]


def _below_subject(element: Element) -> Element:
    return replace(element, heading_level=element.heading_level + 1) if element.heading_level else element


def header(message: Message, name: str) -> str:
    """The text of a header; empty where there is none."""
    raw = next((value for key, value in message.raw_items() if key.lower() == name), None)
    return "" if raw is None else _decoded(str(raw))


def _decoded(source: str) -> str:
    """What a header says: encoded words joined before they are decoded, bare bytes guessed."""
    try:
        source.encode("ascii")
        chunks = email.header.decode_header(source)
    except UnicodeEncodeError:
        chunks = [(source.encode("utf-8", "surrogateescape"), None)]
    except (email.errors.HeaderParseError, ValueError):
        chunks = [(source, None)]
    text = "".join(chunk if isinstance(chunk, str) else decode_declared(chunk, charset)[0] for chunk, charset in chunks)
    return " ".join(text.split())


def _iso_date(value: str) -> str:
    """A date header as ISO 8601; as it stands where it is none."""
    try:
        return email.utils.parsedate_to_datetime(value).isoformat()
    except (ValueError, TypeError, IndexError):
        return value


def _has_name(part: Message) -> bool:
    return part.get_content_disposition() is not None and bool(part.get_filename())


def file_name(part: Message) -> str:
    """The name of an attachment; bare bytes in the headers that hold it are guessed."""
    for key, value in part.raw_items():
        if key.lower() in _NAMING_HEADERS and not str(value).isascii():
            part.replace_header(key, decode_text(str(value).encode("utf-8", "surrogateescape"))[0])
    try:
        name = part.get_filename()
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        name = None
    return _decoded(name or "") or "unnamed"


def _decode_part(part: Message) -> str:
    """The text of a body part; a wrong or unknown charset is guessed from the bytes."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return str(part.get_payload())
    try:
        charset = part.get_content_charset()
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        charset = None
    if any(isinstance(defect, email.errors.InvalidBase64LengthDefect) for defect in part.defects):
        payload = _repaired(payload)
    return decode_declared(payload, charset)[0]


def _repaired(payload: bytes) -> bytes:
    """What can be read of damaged base64, which the library hands back as it stands; else the bytes themselves."""
    found = _BASE64.match(payload)
    if found is None:
        return payload
    digits = b"".join(found.group().split())
    decoded = base64.b64decode(digits[: len(digits) // 4 * 4])
    return payload if is_binary(decoded) else decoded
