"""What is attached to a message: files and messages, not the pictures that its text shows, nor signatures."""

from __future__ import annotations

import email
import email.policy
import hashlib
import io
import mimetypes
from collections.abc import Callable, Iterator
from email.message import Message
from typing import NamedTuple

from kb_pipeline.parsing.mail.reader import file_name, header

_NOT_ATTACHED = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
    | {"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}
)
_CONTENT_ID = 0x3712  # PidTagAttachContentId, [MS-OXCMSG] 2.2.2.29
_METHOD, _BY_VALUE = 0x3705, 1  # PidTagAttachMethod, [MS-OXCMSG] 2.2.2.9


class Attachment(NamedTuple):
    """`identity`: sha256 of the bytes, which `read` gives."""

    name: str
    size: int
    identity: str
    read: Callable[[], bytes]


def eml_attachments(data: bytes) -> list[Attachment]:
    return list(_attached(email.message_from_bytes(data, policy=email.policy.compat32)))


def msg_attachments(data: bytes) -> list[Attachment]:
    """Messages inside an Outlook message have no bytes of their own, and are left out."""
    from oxmsg import Message as OutlookMessage

    found = []
    for attachment in OutlookMessage.load(io.BytesIO(data)).attachments:
        is_shown = (attachment.mime_type or "").startswith("image/") and attachment.properties.str_prop_value(
            _CONTENT_ID
        )
        method = attachment.properties.int_prop_value(_METHOD)
        content = attachment.file_bytes if method in (None, _BY_VALUE) else None
        if content and not is_shown:
            found.append(_attachment(attachment.file_name or "unnamed", content))
    return found


def _attached(part: Message) -> Iterator[Attachment]:
    kind = part.get_content_type()
    if kind == "message/rfc822":
        inner = part.get_payload()
        if isinstance(inner, list) and inner and isinstance(inner[0], Message):
            name = header(inner[0], "subject") or "message"
            yield _attachment(f"{name[:100]}.eml", inner[0].as_bytes())
    elif part.is_multipart():
        for child in part.get_payload():
            if isinstance(child, Message):
                yield from _attached(child)
    elif not _belongs_to_text(part, kind):
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and content:
            name = file_name(part)
            yield _attachment(name if "." in name else name + (mimetypes.guess_extension(kind) or ""), content)


def _belongs_to_text(part: Message, kind: str) -> bool:
    disposition = part.get_content_disposition()
    if kind in ("text/plain", "text/html"):
        return disposition != "attachment" and not (disposition is not None and part.get_filename())
    shown = part.get("content-id") is not None or disposition == "inline"
    return kind in _NOT_ATTACHED or (kind.startswith("image/") and disposition != "attachment" and shown)


def _attachment(name: str, content: bytes) -> Attachment:
    return Attachment(name, len(content), hashlib.sha256(content).hexdigest(), lambda: content)
