"""The code pages of Outlook messages whose texts are no Unicode.

python-oxmsg names an encoding for each code page, some of which Python does not know (windows-950) or knows in
a narrower form than Windows writes (GB2312), and decodes strictly. Here each code page is an encoding of its own
that reads what Windows writes and falls back to what the bytes look like, as for every other text.
"""

from __future__ import annotations

import codecs
from functools import cache
from typing import TYPE_CHECKING

from kb_pipeline.parsing.encodings import decode_declared

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PREFIX = "outlook_code_page_"
_GB18030, _BIG5 = "gb18030", "big5hkscs"
_ENCODINGS = {
    **dict.fromkeys((936, 10008, 20936, 51936, 54936), _GB18030),
    **dict.fromkeys((950, 951, 10002, 20000), _BIG5),
    949: "cp949",
    51949: "euc_kr",
    1361: "johab",
    50220: "iso2022_jp",
    50225: "iso2022_kr",
    51932: "euc_jp",
    20932: "euc_jp",
    52936: "hz",
    65000: "utf-7",
    65001: "utf-8",
    20127: "ascii",
    20866: "koi8_r",
    21866: "koi8_u",
    **{28590 + part: f"iso8859_{part}" for part in (*range(1, 12), 13, 14, 15, 16)},
}


@cache
def read_all_code_pages() -> None:
    """Make python-oxmsg read texts in any code page."""
    from oxmsg.domain import encodings

    codecs.register(_codec)
    encodings.encoding_from_codepage = lambda codepage: f"{_PREFIX}{codepage}"


def _codec(name: str) -> codecs.CodecInfo | None:
    if not name.startswith(_PREFIX):
        return None
    code_page = int(name.removeprefix(_PREFIX))
    declared = _ENCODINGS.get(code_page, f"cp{code_page}")

    def decode(data: Buffer, errors: str = "strict", /) -> tuple[str, int]:  # noqa: ARG001 (the protocol of codecs)
        octets = bytes(data)
        return decode_declared(octets, declared)[0], len(octets)

    return codecs.CodecInfo(encode=codecs.utf_8_encode, decode=decode, name=name)
