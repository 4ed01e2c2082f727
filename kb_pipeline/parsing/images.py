"""The reader of image files: a scan or photo of a page is a document, each frame of a TIFF a page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.errors import EmptyDocument, LimitExceeded, MalformedDocument
from kb_pipeline.parsing import clock
from kb_pipeline.parsing.elements import DroppedText
from kb_pipeline.parsing.ocr.pages import NOISE, PageImage, ScannedPage, as_pages, is_blank, scan
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits
from kb_pipeline.parsing.pdf.reader import page_list, structure

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")  # as Pillow calls them
_MOST_PIXELS = 16_000_000  # of a page; more show nothing more of its text
_POINTS = 72.0  # per inch
_LIKELY_DPI = 100.0, 1200.0  # of a scan; cameras and programs write 72 or 96 without a meaning
_SQUARE = 1.05  # ratio of the resolutions across and down up to which pixels count as square
_SUBFILE_TYPE, _REDUCED = 254, 1  # TIFF tag, and its bit for a smaller copy of another frame
_GREY_16 = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def read_image(data: bytes, *, limits: ParseLimits) -> ParsedDocument:
    """Raises LimitExceeded, MalformedDocument, or EmptyDocument where no text is in the image."""
    found: list[ScannedPage] = []
    damaged: list[int] = []
    page_count = 0
    for number, frame in _frames(data, limits):
        page_count += 1
        if frame is None:
            damaged.append(number)
            continue
        clock.extend(limits.ocr_page_seconds)
        picture = replace(frame, number=page_count)
        if not is_blank(picture.pixels):
            found.append(scan(picture))
    if page_count == len(damaged):
        raise MalformedDocument("The image is damaged; open it and save it again.")
    pages = [page for page in as_pages(found) if page.spans]
    if not pages:
        raise EmptyDocument(
            "No text can be recognized in the image; if it holds text, take it again, sharper and with 200 dpi or more."
        )
    elements, dropped = structure(pages)
    noise = [DroppedText(NOISE, text, page.number) for page in found for text in page.noise]
    return ParsedDocument(
        elements,
        (*dropped, *noise),
        page_count=page_count,
        metadata={"ocr_pages": len(pages)},
        warnings=(f"{len(damaged)} pages are damaged and were not read: {page_list(damaged)}.",) if damaged else (),
        source_characters=sum(page.characters for page in pages),
    )


def _frames(data: bytes, limits: ParseLimits) -> Iterator[tuple[int, PageImage | None]]:
    """Each frame of the file, from 1; None for one that cannot be decoded."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the limit here is ours
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        # The further frames of other formats are an animation, or what a camera adds to a photo.
        count = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise MalformedDocument("The image is damaged; open it and save it again.") from None
    if count > limits.pages:
        raise LimitExceeded(
            f"The file has {count} pages, more than the limit of {limits.pages}; raise limits.pages or split the file."
        )
    for number in range(1, count + 1):
        try:
            image.seek(number - 1)
            _check_size(image, limits.pixels)
            if count > 1 and _is_reduced(image):
                continue
            yield number, _decoded(image, number)
        except (OSError, SyntaxError, ValueError, EOFError):
            yield number, None


def _check_size(image: Image, most: int) -> None:
    """Raises LimitExceeded. Only the header of the frame has been read so far."""
    if image.width * image.height > most:
        raise LimitExceeded(
            f"The image has {image.width} x {image.height} pixels, more than the limit of {most}; raise limits.pixels "
            "or save it smaller."
        )


def _is_reduced(image: Image) -> bool:
    tags = getattr(image, "tag_v2", {})
    return bool(int(tags.get(_SUBFILE_TYPE, 0)) & _REDUCED)


def _decoded(image: Image, number: int) -> PageImage:
    from PIL import ImageOps

    dpi = _dpi(image)
    whole = image.size
    if image.format == "JPEG":
        image.draft("RGB", _fitting(image.size))  # the decoder halves it on the way, as often as it may
    upright = ImageOps.exif_transpose(image)
    colour = _on_white(upright)
    turned = (colour.width > colour.height) != (whole[0] > whole[1])
    width, height = whole[::-1] if turned else whole
    if dpi is not None and not turned:
        height = round(height * dpi[0] / dpi[1])
    to = _fitting((width, height))
    if to != colour.size:
        colour = colour.resize(to, reducing_gap=2.0)
    pixels = np.ascontiguousarray(np.asarray(colour)[:, :, ::-1])
    return PageImage(number, pixels, _POINTS / (dpi[0] * to[0] / width) if dpi else None)


def _dpi(image: Image) -> tuple[float, float] | None:
    """Across and down, where the file tells and it can be true; equal where pixels are nearly square."""
    across, down = (float(value) for value in image.info.get("dpi", (0, 0)))
    lowest, highest = _LIKELY_DPI
    if not (lowest <= max(across, down) <= highest and min(across, down) >= lowest / 2):
        return None
    return (across, across) if max(across, down) <= _SQUARE * min(across, down) else (across, down)


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    """The size itself, or a smaller one with the same shape."""
    factor = min(1.0, (_MOST_PIXELS / (size[0] * size[1])) ** 0.5)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _on_white(image: Image) -> Image:
    """In red, green and blue; what is transparent shows white paper."""
    from PIL import Image as Images

    if image.mode in _GREY_16:
        return Images.fromarray((np.asarray(image, np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        with_alpha = image.convert("RGBA")
        paper = Images.new("RGBA", with_alpha.size, "white")
        return Images.alpha_composite(paper, with_alpha).convert("RGB")
    return image.convert("RGB")
