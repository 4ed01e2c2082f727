"""Scans made from pages of the sample documents: rendered, turned, skewed, with noise, without a text layer."""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from PIL import Image, ImageDraw, ImageFont

from kb_pipeline.errors import EmptyDocument, LimitExceeded, MalformedDocument
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.parsing.sandbox import ParseJob, ParserPool
from kb_pipeline_tests.integration.parsing.conftest import Parse
from kb_pipeline_tests.integration.parsing.ill_willed import unchanged

SAMPLES = Path(__file__).parents[3] / "sample_docs"
CHINESE = SAMPLES / "policies" / "反洗钱和客户尽职调查管理办法.pdf"
ENGLISH = SAMPLES / "products" / "linden-flex-saver-brief.pdf"


def one(pool: ParserPool, path: Path) -> CleanedDocument:
    ((_, result),) = pool.parse([ParseJob(None, path, path.name, None, unchanged)])
    assert isinstance(result, CleanedDocument), result
    return result


def single_page(source: Path, index: int, to: Path) -> Path:
    with pdfium.PdfDocument(source) as document, pdfium.PdfDocument.new() as new:
        new.import_pages(document, [index])
        new.save(to)
    return to


def picture(source: Path, index: int, dpi: int) -> Image.Image:
    with pdfium.PdfDocument(source) as document:
        page = document[index]
        image: Image.Image = page.render(scale=dpi / 72, grayscale=True).to_pil()
        page.close()
    return image


def scanned(image: Image.Image, *, skew: float = 0.0, seed: int = 0) -> Image.Image:
    """The image as a scanner might see it: not quite straight, grey paper, uneven light, grain and specks."""
    turned = image.convert("L").rotate(skew, resample=Image.Resampling.BICUBIC, fillcolor=255)
    random = np.random.default_rng(seed)
    pixels = np.asarray(turned, np.float32) * 0.92 + 8 + np.linspace(0, -18, turned.width)[None, :]
    pixels += random.normal(0, 8, pixels.shape)
    pixels[random.random(pixels.shape) < 0.0003] = 60
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def plain(document: CleanedDocument) -> str:
    """All text, kept and dropped, without blanks and with one kind of quotes."""
    texts = [element.text for element in document.elements] + [dropped.text for dropped in document.dropped]
    text = unicodedata.normalize("NFKC", "".join(texts)).translate(str.maketrans("“”‘’—–", "\"\"''--"))
    return "".join(text.split())


def lost_share(found: CleanedDocument, expected: CleanedDocument) -> float:
    """The share of the expected characters that were not read in their place."""
    want = plain(expected)
    blocks = SequenceMatcher(None, plain(found), want, autojunk=False).get_matching_blocks()
    return 1 - sum(block.size for block in blocks) / len(want)


def headings(document: CleanedDocument) -> list[tuple[str, int | None]]:
    return [("".join(e.text.split()), e.heading_level) for e in document.elements if e.heading_level]


def cells(document: CleanedDocument) -> list[str]:
    return ["".join((e.html or "").split()) for e in document.elements if e.category == "Table"]


def test_a_skewed_chinese_scan_reads_like_its_text_layer(tmp_path: Path, pool: ParserPool) -> None:
    expected = one(pool, single_page(CHINESE, 1, tmp_path / "text.pdf"))
    scanned(picture(CHINESE, 1, 150), skew=-2).save(tmp_path / "scan.pdf", resolution=150)
    found = one(pool, tmp_path / "scan.pdf")
    assert lost_share(found, expected) <= 0.03
    assert headings(found) == headings(expected)
    assert headings(found)
    assert found.metadata["ocr_pages"] == 1
    confidences = [element.metadata["ocr_confidence"] for element in found.elements]
    assert all(0.6 <= confidence <= 1 for confidence in confidences)


def test_an_english_photo_upside_down_is_turned_and_its_tables_are_found(tmp_path: Path, pool: ParserPool) -> None:
    expected = one(pool, single_page(ENGLISH, 0, tmp_path / "text.pdf"))
    scanned(picture(ENGLISH, 0, 200), skew=1.5).rotate(180).save(tmp_path / "photo.jpg", quality=80)
    found = one(pool, tmp_path / "photo.jpg")
    assert lost_share(found, expected) <= 0.02
    assert headings(found) == headings(expected)
    assert cells(found) == cells(expected)
    assert cells(found)


@pytest.mark.parametrize("clockwise", [90, 270])
def test_a_page_on_its_side_is_turned(clockwise: int, tmp_path: Path, parse: Parse) -> None:
    text = picture(ENGLISH, 0, 150)
    part = text.crop((0, 0, text.width, text.height // 4))
    scanned(part).rotate(-clockwise, expand=True).save(tmp_path / "a.png")
    found = parse(tmp_path / "a.png")
    assert "Linden" in plain(found)
    assert min(element.metadata["ocr_confidence"] for element in found.elements) > 0.8


def test_only_pages_without_text_are_read_by_ocr(tmp_path: Path, parse: Parse) -> None:
    part = picture(ENGLISH, 1, 150)
    part.crop((0, 0, part.width, part.height // 4)).save(tmp_path / "scan.pdf", resolution=150)
    with (
        pdfium.PdfDocument(ENGLISH) as text,
        pdfium.PdfDocument(tmp_path / "scan.pdf") as scan,
        pdfium.PdfDocument.new() as mixed,
    ):
        mixed.import_pages(text, [0])
        mixed.import_pages(scan, [0])
        mixed.import_pages(text, [1])
        mixed.save(tmp_path / "mixed.pdf")
    found = parse(tmp_path / "mixed.pdf")
    assert found.page_count == 3
    assert found.metadata["ocr_pages"] == 1
    read = {element.page_number for element in found.elements if "ocr_confidence" in element.metadata}
    assert read == {2}
    numbers = [element.page_number for element in found.elements]
    assert numbers == sorted(numbers, key=lambda number: number or 0)


def test_each_frame_of_a_tiff_is_a_page(tmp_path: Path, parse: Parse) -> None:
    frames = [line(text) for text in ("Invoice number 4711.", "Delivery on Monday.")]
    frames.insert(1, Image.new("L", frames[0].size, 255))
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:], dpi=(200, 200))
    found = parse(tmp_path / "a.tif")
    assert found.page_count == 3
    assert [(element.page_number, element.text) for element in found.elements] == [
        (1, "Invoice number 4711."),
        (3, "Delivery on Monday."),
    ]


@pytest.mark.parametrize(
    ("extension", "mode"), [("png", "RGBA"), ("png", "I;16"), ("bmp", "1"), ("webp", "RGB"), ("jpg", "CMYK")]
)
def test_image_files_of_all_kinds_are_documents(extension: str, mode: str, tmp_path: Path, parse: Parse) -> None:
    image = line("Invoice number 4711")
    if mode == "RGBA":
        clear = Image.new("RGBA", image.size, (0, 0, 0, 0))  # black letters on nothing
        clear.putalpha(image.point(lambda value: 255 - value))
        image = clear
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(image, np.uint16) * 257)
    else:
        image = image.convert(mode)
    image.save(tmp_path / f"a.{extension}")
    assert [element.text for element in parse(tmp_path / f"a.{extension}").elements] == ["Invoice number 4711"]


def test_a_tilted_watermark_of_a_scan_is_dropped(tmp_path: Path, parse: Parse) -> None:
    page = Image.new("L", (1000, 1000), 255)
    for row in range(3):
        page.paste(line("The first paragraph of a plain text"), (20, 20 + 60 * row))
    page.paste(line("CONFIDENTIAL").rotate(40, expand=True, fillcolor=255), (300, 400))
    page.save(tmp_path / "a.png")
    found = parse(tmp_path / "a.png")
    assert "CONFIDENTIAL" not in "".join(element.text for element in found.elements)
    assert [(item.reason, item.text) for item in found.dropped] == [("tilted watermark", "CONFIDENTIAL")]


def test_an_image_without_text_says_so(tmp_path: Path, parse: Parse) -> None:
    Image.new("L", (600, 800), 255).save(tmp_path / "blank.png")
    picture_ = Image.effect_mandelbrot((400, 400), (-2, -1.5, 1, 1.5), 50)
    picture_.save(tmp_path / "picture.png")
    for name in ("blank.png", "picture.png"):
        with pytest.raises(EmptyDocument, match="No text can be recognized"):
            parse(tmp_path / name)


def test_damaged_images_are_refused(tmp_path: Path, parse: Parse) -> None:
    whole = io.BytesIO()
    line("Invoice").save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (tmp_path / "head.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    for name in ("cut.png", "head.jpg"):
        with pytest.raises(MalformedDocument, match="damaged"):
            parse(tmp_path / name)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, parse: Parse) -> None:
    (tmp_path / "bomb.png").write_bytes(empty_png(30_000, 30_000))
    with pytest.raises(LimitExceeded, match=r"30000 x 30000 pixels.*limits\.pixels"):
        parse(tmp_path / "bomb.png")
    frame = Image.new("1", (8, 8))
    frame.save(tmp_path / "frames.tif", save_all=True, append_images=[frame] * 20)
    with pytest.raises(LimitExceeded, match=r"21 pages.*limits\.pages"):
        parse(tmp_path / "frames.tif")


def test_a_huge_pdf_page_is_read_at_a_size_that_fits(tmp_path: Path, parse: Parse) -> None:
    line("Invoice number 4711").resize((1400, 160)).save(tmp_path / "a.pdf", resolution=7)  # 14,400 points wide
    found = parse(tmp_path / "a.pdf")
    assert [element.text for element in found.elements] == ["Invoice number 4711"]


def test_each_scanned_page_gets_time_of_its_own(tmp_path: Path) -> None:
    frames = [line("Invoice number 4711"), line("Delivery on Monday")]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    job = ParseJob(None, tmp_path / "a.tif", "a.tif", None, unchanged)
    with ParserPool(1, ParseLimits(seconds=1, ocr_page_seconds=60)) as pool:
        ((_, enough),) = pool.parse([job])
    with ParserPool(1, ParseLimits(seconds=0.5, ocr_page_seconds=0.01)) as pool:
        ((_, too_little),) = pool.parse([job])
    assert isinstance(enough, CleanedDocument)
    assert isinstance(too_little, LimitExceeded)


def test_ocr_that_gets_no_memory_says_so(tmp_path: Path) -> None:
    scanned(picture(ENGLISH, 0, 150)).save(tmp_path / "a.png")
    with ParserPool(1, ParseLimits(memory_mb=300)) as pool:
        ((_, result),) = pool.parse([ParseJob(None, tmp_path / "a.png", "a.png", None, unchanged)])
    assert isinstance(result, LimitExceeded)
    assert "300 MiB" in str(result)


def line(text: str) -> Image.Image:
    """A line of text as Pillow's own font draws it, black on white."""
    image = Image.new("L", (700, 80), 255)
    ImageDraw.Draw(image).text((20, 20), text, fill=0, font=ImageFont.load_default(32))
    return image


def empty_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be that large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
