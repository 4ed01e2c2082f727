"""The fonts that labelled PDFs are set in: those of this machine, else the ones that every PDF reader has.

reportlab embeds TrueType outlines only. The Noto fonts for Chinese have cubic ones (CFF), so the few hundred
glyphs that are needed are turned into TrueType here.
"""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fontTools import subset
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, newTable
from fontTools.ttLib import TTFont as FontFile
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

from labelled.wording import characters

_LATIN_FILES = {
    "DejaVuSans": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    "DejaVuSerif": ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    "LiberationSans": ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    "LiberationSerif": ("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf"),
}
_CHINESE_FILES = {"WenQuanYiMicroHei": "wqy-microhei.ttc", "WenQuanYiZenHei": "wqy-zenhei.ttc"}
# Regular and bold face. The last one is the commonest look of Chinese office documents: a serif face, and for
# what stands out a face without serifs that is not bold.
_NOTO_FAMILIES = (
    ("NotoSansCJK", "NotoSansCJK-Bold"),
    ("NotoSerifCJK", "NotoSerifCJK-Bold"),
    ("NotoSerifCJK", "NotoSansCJK"),
)
_CONVERSION_ERROR = 1.0  # font units
_LAYOUT_TABLES = ["BASE", "DSIG", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]
_MAXP_FIELDS = (
    "maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs", "maxStackElements",
    "maxSizeOfInstructions", "maxComponentElements", "maxPoints", "maxContours", "maxCompositePoints",
    "maxCompositeContours", "maxComponentDepth",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """The names under which reportlab knows a regular and a bold face; `bold` is None where there is none."""

    regular: str
    bold: str | None
    embedded: bool


@functools.cache
def families(language: str, *, embedded_only: bool = False) -> tuple[Family, ...]:
    """The families that can show a language; with `embedded_only`, those whose glyphs go into the file
    (all others are left to the reader, which may not have them to render a page with)."""
    found = _chinese() if language == "zh" else _latin()
    embedded = tuple(family for family in found if family.embedded)
    return embedded if embedded_only and embedded else found


def _latin() -> tuple[Family, ...]:
    found = [Family("Helvetica", "Helvetica-Bold", embedded=False), Family("Times-Roman", "Times-Bold", embedded=False)]
    for name, (regular, bold) in _LATIN_FILES.items():
        if _register(name, regular) and _register(f"{name}-Bold", bold):
            found.append(Family(name, f"{name}-Bold", embedded=True))
    return tuple(found)


def _chinese() -> tuple[Family, ...]:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    found = [Family("STSong-Light", None, embedded=False)]
    found += [Family(name, None, embedded=True) for name, file in _CHINESE_FILES.items() if _register(name, file)]
    found += [
        Family(regular, bold, embedded=True)
        for regular, bold in _NOTO_FAMILIES
        if _register_converted(regular) and _register_converted(bold)
    ]
    return tuple(found)


def _register(name: str, file: str) -> bool:
    path = _font_files().get(file)
    if path is not None:
        pdfmetrics.registerFont(TTFont(name, path))
    return path is not None


@functools.cache
def _register_converted(name: str) -> bool:
    path = _font_files().get(f"{name}.ttc" if name.endswith("-Bold") else f"{name}-Regular.ttc")
    if path is not None:
        pdfmetrics.registerFont(TTFont(name, io.BytesIO(_as_truetype(path))))
    return path is not None


def _as_truetype(path: str) -> bytes:
    """The simplified Chinese font of a collection, with only the glyphs that documents need, as TrueType."""
    options = subset.Options(layout_features=[], hinting=False, drop_tables=_LAYOUT_TABLES, notdef_outline=True)
    options.font_number = _simplified_chinese(path)
    font = subset.load_font(path, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(character) for character in characters()])
    subsetter.subset(font)
    outlines, order, glyphs = font.getGlyphSet(), font.getGlyphOrder(), {}
    for name in order:
        pen = TTGlyphPen(None)
        outlines[name].draw(Cu2QuPen(pen, _CONVERSION_ERROR, reverse_direction=True))
        glyphs[name] = pen.glyph()
    font.recalcBBoxes = True
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = order, glyphs
    del font["CFF "]
    font["maxp"].tableVersion, font["maxp"].maxZones = 0x00010000, 1
    for field in _MAXP_FIELDS:
        setattr(font["maxp"], field, 0)
    font["post"].formatType = 3.0
    font.sfntVersion = "\0\1\0\0"
    stream = io.BytesIO()
    font.save(stream)
    return stream.getvalue()


def _simplified_chinese(path: str) -> int:
    fonts: list[FontFile] = TTCollection(path, lazy=True).fonts
    names = [font["name"].getDebugName(1) or "" for font in fonts]
    return next((number for number, name in enumerate(names) if name.endswith("CJK SC")), 0)


@functools.cache
def _font_files() -> dict[str, str]:
    """File name -> path of the fonts that fontconfig knows; none where there is no fontconfig."""
    if shutil.which("fc-list") is None:
        return {}
    listing = subprocess.run(["fc-list", "--format", "%{file}\n"], capture_output=True, text=True, check=True).stdout
    return {Path(line).name: line for line in listing.splitlines()}
