"""Bytes of a text file -> str, for the encodings that company files come in.

Order: byte order mark, UTF-8, UTF-16/32 without a mark (seen by their zero bytes), then the Chinese
encodings against each other by how common the decoded characters are, then whatever
charset-normalizer finds most plausible. Decoding never fails; undecodable bytes become U+FFFD.
"""

from __future__ import annotations

import codecs

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
# The most frequent characters of modern Chinese, simplified and traditional: about a third of any text.
_FREQUENT = frozenset(
    "的一是不了在人有我他这為为之大来來以个個中上们們到说說国國和地也子时時道出而要于於就下得可你年生自会會那后後能对對"
    "着著事其里裡所去行过過家十用发發天如然作方成者多日都三小军軍二无無同么麼经經法当當起与與好看学學进進种種将將还還分此"
    "心前面又定见見只主没沒公从從知使本金业業司部合工资資产產理按第条條应應管市规規额額月款项項文件信息及或由等向"
)
_LATIN = frozenset({"cp1250", "cp1254", "cp1257", "cp1258", "iso8859_2", "iso8859_9", "iso8859_15", "mac_latin2"})
_EXOTIC = frozenset({"hp_roman8", "cp775", "iso8859_4", "iso8859_10", "iso8859_14", "mac_iceland", "cp1140", "cp500"})
_TELLING_LETTERS = 100
# Lead bytes of punctuation and of the first, common level of characters.
_COMMON_LEAD_BYTES = {"gb18030": (0xA1, 0xD7), "big5": (0xA1, 0xC6)}
_COMMON_SHARE = 0.7  # of the characters outside ASCII
_KANA_SHARE = 0.2
_FREQUENT_SHARE = 0.05  # in running Chinese it is a third
# Encodings whose text is valid GB18030 or Big5, too.
_SAME_BYTES = frozenset(
    {"euc_kr", "cp949", "johab", "euc_jp", "euc_jis_2004", "euc_jisx0213", "shift_jis", "cp932", "koi8_r", "koi8_u"}
    | {"tis_620", "cp874", "iso8859_11", "cp1251", "iso8859_5", "cp866", "cp855", "mac_cyrillic", "cp1253", "iso8859_7"}
)


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
    encoding = _wide_encoding(data) or _japanese_encoding(data) or _chinese_encoding(data) or _other_encoding(data)
    return data.decode(encoding, "replace"), encoding


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


def _japanese_encoding(data: bytes) -> str | None:
    """EUC-JP, whose kana have the same bytes as in GB18030, where Chinese has none."""
    sample = data[:_SAMPLE]
    wide = [character for character in sample.decode("gb18030", "replace") if character > "\x7f"]
    kana = sum("\u3041" <= character <= "\u30fe" for character in wide)
    if kana > _KANA_SHARE * len(wide):
        try:
            sample[: sample.rfind(b"\n") + 1 or len(sample)].decode("euc_jp")
        except UnicodeDecodeError:
            return None
        return "euc_jp"
    return None


def _chinese_encoding(data: bytes) -> str | None:
    """GB18030 or Big5 where nearly all characters are among the common ones of that encoding."""
    sample = data[:_SAMPLE]
    plausible: list[tuple[float, str]] = []
    for encoding, (first, last) in _COMMON_LEAD_BYTES.items():
        wide = [character for character in sample.decode(encoding, "replace") if character > "\x7f"]
        if not wide:
            continue
        common = sum(_is_common(character, encoding, first, last) for character in wide) / len(wide)
        if common >= _COMMON_SHARE:
            plausible.append((sum(character in _FREQUENT for character in wide) / len(wide), encoding))
    if not plausible:
        return None
    frequency, encoding = max(plausible, key=lambda found: found[0])
    if frequency < _FREQUENT_SHARE:
        # Characters that hardly occur in Chinese: a list of names, or another language in the same bytes.
        other = _other_encoding(data)
        if other in _SAME_BYTES:
            return other
    return encoding


def _is_common(character: str, encoding: str, first: int, last: int) -> bool:
    """Whether the character is among the common ones, or is punctuation, which stands before them."""
    if character == "\ufffd":
        return False
    code = character.encode(encoding)
    return len(code) == 2 and first <= code[0] <= last and (code[1] >= 0xA1 or encoding == "big5")


def _other_encoding(data: bytes) -> str:
    """The most plausible of the rest. Few accented letters do not tell the Latin encodings apart: then Western."""
    from charset_normalizer import from_bytes

    sample = data[:_SAMPLE]
    best = from_bytes(sample).best()
    accented = sum(byte > 0x7F for byte in sample)
    if best is None or best.encoding in _EXOTIC or (accented < _TELLING_LETTERS and best.encoding in _LATIN):
        return "cp1252"
    return best.encoding
