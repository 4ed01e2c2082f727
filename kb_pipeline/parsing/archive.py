"""What a zipped document (Office, ODF, EPUB) would unpack to, checked before anything is unpacked."""

from __future__ import annotations

import io
import zipfile

from kb_pipeline.errors import EncryptedDocument, LimitExceeded

_MOST_MEMBERS = 50_000


def check_archive(data: bytes, *, unzipped_mb: int) -> None:
    """Raises LimitExceeded or EncryptedDocument. A member that unpacks to more than it declares is cut there."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if any(member.flag_bits & 1 for member in members):
        raise EncryptedDocument("The file is protected by a password; save it without one.")
    total_mb = sum(member.file_size for member in members) / (1 << 20)
    if total_mb > unzipped_mb:
        raise LimitExceeded(
            f"The file unpacks to {total_mb:.0f} MiB, more than the limit of {unzipped_mb} MiB; "
            "raise limits.unzipped_mb or split the file."
        )
    if len(members) > _MOST_MEMBERS:
        raise LimitExceeded(
            f"The file holds {len(members)} parts, more than {_MOST_MEMBERS}; save it again or split it."
        )
