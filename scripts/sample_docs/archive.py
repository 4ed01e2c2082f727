"""Office files with the same bytes on every run: fixed member dates, no time of saving."""

from __future__ import annotations

import io
import re
import zipfile

_SAVED = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:)")


def freeze(office_file: bytes, date: str) -> bytes:
    """The same Office file, as if saved at 08:00 UTC on `date` (yyyy-mm-dd)."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(office_file)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _SAVED.sub(rb"\g<1>" + f"{date}T08:00:00Z".encode() + rb"\g<3>", content)
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            target.writestr(member, content, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()
