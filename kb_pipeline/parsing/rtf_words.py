"""The control words of RTF: what they write, what groups they begin, and the encodings that they name."""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)|\\", re.DOTALL
)
CODEPAGES = {  # \fcharset -> the encoding of text in that font
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    134: "gb18030",
    136: "big5",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
}
CHARACTERS = {
    "emdash": "—",
    "endash": "–",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "bullet": "•",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "tab": " ",
    "line": "\n",
    "lbr": "\n",
    "softline": "\n",
    "zwj": "",
    "zwnj": "",
}
SYMBOLS = {"~": "\u00a0", "_": "-", "-": "", "\\": "\\", "{": "{", "}": "}", "\n": "\n", "\r": "\n", "\t": " "}
# Groups with these names hold no text of the body; so does any group that starts with \* and is not known.
SILENT = frozenset(
    {"colortbl", "pict", "object", "fldinst", "themedata", "datastore", "listtable"}
    | {"listoverridetable", "revtbl", "rsidtbl", "generator", "filetbl", "nonshppict", "datafield"}
    | {"xmlnstbl", "latentstyles", "mmathPr", "stylesheet", "fonttbl", "info", "objdata", "bkmkstart"}
    | {"bkmkend", "atnid", "atnauthor", "atntime", "atnref", "atnicn", "tc", "xe", "private", "operator"}
    | {"blipuid", "colorschememapping", "panose", "falt", "upr", "sp", "shprslt"}
)
UNREAD = SILENT | {"*", "ignored"}
# Groups that hold text of what is around them: of text boxes, shown for an object, or in Unicode.
SPOKEN = frozenset({"shpinst", "shptxt", "result", "ud"})
AROUND_SPOKEN = frozenset({"*", "object", "upr"})  # silent groups that such groups stand in
MARKERS = frozenset({"listtext", "pntext"})
LISTED = {
    "header": "page header",
    "headerl": "page header",
    "headerr": "page header",
    "headerf": "page header",
    "footer": "page footer",
    "footerl": "page footer",
    "footerr": "page footer",
    "footerf": "page footer",
    "annotation": "comment",
}
DESTINATIONS = SILENT | SPOKEN | MARKERS | LISTED.keys() | {"footnote"}
ENDS = frozenset({"par", "sect", "page", "column", "cell", "nestcell", "row"})


def encoding_of_page(number: int) -> str:
    names = {936: "gb18030", 950: "big5", 65001: "utf-8", 10000: "mac_roman", 1361: "johab"}
    name = names.get(number, f"cp{number}")
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name
