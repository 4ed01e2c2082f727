"""Bytes of a text file -> str, for the encodings that company files come in.

Order: byte order mark, UTF-8, UTF-16/32 without a mark (seen by their zero bytes), UTF-8 with damaged bytes,
then what chardet finds most plausible. Decoding never fails; undecodable bytes become U+FFFD.
"""

from __future__ import annotations

import codecs
import re

_BOMS = (  # UTF-32 first: its little-endian mark starts with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OLDER_CHINESE = frozenset({"gb2312", "gbk", "gb_2312-80", "x-gbk", "cp936", "hz-gb-2312"})
_LATIN_1 = frozenset({"iso-8859-1", "iso8859-1", "latin1", "latin-1", "us-ascii", "ascii", "windows-1252", "cp1252"})
_TEXT_CONTROLS = frozenset({7, 8, 9, 10, 11, 12, 13, 27})
_CONTROL_SHARE = 0.02
_SAMPLE = 65536  # bytes looked at when guessing
_UTF8_MAJORITY = 2
_CHINESE = frozenset({"gb18030", "big5", "big5hkscs"})
_DAMAGE = re.compile("\ufffd+")


def decode_text(data: bytes) -> tuple[str, str]:
    """The text and the name of the encoding it was in."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding
    if b"\0" not in data:
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            pass
    wide = _wide_encoding(data)
    if wide is None and _is_mostly_utf8(data):
        return _mixed_text(data), "utf-8"
    encoding = wide or _guessed_encoding(data)
    return data.decode(encoding, "replace"), encoding


def _is_mostly_utf8(data: bytes) -> bool:
    """Characters beyond ASCII that are valid UTF-8 are twice as many as the bytes that are not.

    Text in another encoding has at most about as many, and a kilobyte of it far fewer.
    """
    text = data.decode("utf-8", "replace")
    invalid = text.count("\ufffd")
    valid = sum(character > "\x7f" for character in text) - invalid
    return valid > 0 and valid >= _UTF8_MAJORITY * invalid


def _mixed_text(data: bytes) -> str:
    """Damaged UTF-8, a single U+FFFD for neighbouring bytes that are none, such as those of one damaged character;
    lines in a Chinese encoding between, as several programs write into one log, are read in it."""
    lines = data.split(b"\n")
    foreign = {index for index, line in enumerate(lines) if not line.isascii() and not _is_mostly_utf8(line)}
    encoding = _guessed_encoding(b"\n".join(lines[index] for index in sorted(foreign))) if foreign else ""
    if encoding not in _CHINESE:
        foreign = set()
    decoded = (line.decode(encoding if index in foreign else "utf-8", "replace") for index, line in enumerate(lines))
    return _DAMAGE.sub("\ufffd", "\n".join(decoded))


def decode_declared(data: bytes, declared: str | None) -> tuple[str, str]:
    """The same for a text that says which encoding it is in; what it says is believed where it can be true."""
    if declared and not any(data.startswith(mark) for mark, _ in _BOMS):
        name = declared.lower()
        # Browsers read the older names of the Chinese encoding as the newest one, and Latin-1 as cp1252.
        encoding = "gb18030" if name in _OLDER_CHINESE else "cp1252" if name in _LATIN_1 else name
        if not name.startswith(("utf-16", "utf16", "ucs-2")):  # what declares itself in ASCII is not UTF-16
            try:
                text = data.decode(encoding)
            except (UnicodeDecodeError, LookupError):
                pass
            else:
                if encoding != "cp1252" or not _is_utf8(data):
                    return text, encoding
    return decode_text(data)


def _is_utf8(data: bytes) -> bool:
    """Text beyond ASCII that is valid UTF-8 is hardly ever anything else, whatever it declares."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_binary(data: bytes) -> bool:
    """True where the bytes are no text in any encoding: zero bytes outside UTF-16/32, or many control bytes."""
    sample = data[:_SAMPLE]
    if any(sample.startswith(mark) for mark, _ in _BOMS):
        return False
    if b"\0" in sample:
        return _wide_encoding(sample) is None
    return has_control_characters(sample.decode("latin-1"))


def has_control_characters(text: str) -> bool:
    """More than a stray one; those that old text files use are no sign of binary data."""
    control = sum(text.count(chr(code)) for code in range(32) if code not in _TEXT_CONTROLS)
    return control > _CONTROL_SHARE * len(text)


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16/32 without a mark: the high bytes of line ends and ASCII are zero, always at the same places."""
    sample = data[: _SAMPLE // 4 * 4]
    if b"\0" not in sample or len(sample) < 4:
        return None
    zeros = [sample[offset::4].count(0) / (len(sample) / 4) for offset in range(4)]
    guesses = {
        "utf-32-be": zeros[0] > 0.95 and zeros[1] > 0.95 and zeros[3] < 0.1,
        "utf-32-le": zeros[3] > 0.95 and zeros[2] > 0.95 and zeros[0] < 0.1,
        "utf-16-be": zeros[0] + zeros[2] > 10 * (zeros[1] + zeros[3]),
        "utf-16-le": zeros[1] + zeros[3] > 10 * (zeros[0] + zeros[2]),
    }
    for encoding, plausible in guesses.items():
        if plausible:
            try:
                text = sample[: len(sample) - 4].decode(encoding)
            except UnicodeDecodeError:
                continue
            if not has_control_characters(text):
                return encoding
    return None


def _guessed_encoding(data: bytes) -> str:
    """What chardet finds most plausible; Western where it finds nothing."""
    import chardet

    # A sample that ends inside a character would be no text of its encoding.
    sample = data[:_SAMPLE]
    found = chardet.detect(sample[: sample.rfind(b"\n") + 1] or sample if len(data) > _SAMPLE else data)["encoding"]
    try:
        return codecs.lookup(found or "cp1252").name
    except LookupError:
        return "cp1252"
