"""PDF pages as a scanner gives them: rendered, a little askew, noisy, compressed; no text, only pixels."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

import numpy as np
import pypdfium2
from PIL import Image

_POINTS_PER_INCH = 72


@dataclass(frozen=True, slots=True)
class Scanner:
    """`skew`: degrees; `noise`: standard deviation of the grey values (0 to 255); `quality`: of the JPEG;
    `paper`: the grey value of white."""

    dpi: int
    skew: float
    noise: float
    quality: int
    paper: int


def draw_scanner(rng: random.Random) -> Scanner:
    return Scanner(
        dpi=rng.choice((150, 200, 300)),
        skew=rng.uniform(-2, 2),
        noise=rng.uniform(2, 14),
        quality=rng.randint(40, 85),
        paper=rng.randint(225, 255),
    )


def scan(pdf: bytes, scanner: Scanner, *, seed: int) -> list[Image.Image]:
    """A grey image of every page."""
    document = pypdfium2.PdfDocument(pdf)
    noise = np.random.default_rng(seed)
    pages: list[Image.Image] = []
    for page in document:
        image = page.render(scale=scanner.dpi / _POINTS_PER_INCH, grayscale=True).to_pil().convert("L")
        image = image.rotate(scanner.skew, resample=Image.Resampling.BICUBIC, fillcolor=255)
        grey = np.asarray(image, dtype=np.float32) * (scanner.paper / 255)
        grey += noise.normal(0, scanner.noise, grey.shape)
        noisy = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
        stream = io.BytesIO()
        noisy.save(stream, "JPEG", quality=scanner.quality, dpi=(scanner.dpi, scanner.dpi))
        pages.append(Image.open(io.BytesIO(stream.getvalue())))
    document.close()
    return pages


def write_images(pages: list[Image.Image], kind: str, dpi: int) -> bytes:
    """The images as one file of this kind: pdf, tiff, or of the first page png or jpg."""
    stream = io.BytesIO()
    first, rest = pages[0], pages[1:]
    if kind == "pdf":
        first.save(stream, "PDF", save_all=True, append_images=rest, resolution=dpi)
    elif kind == "tiff":
        first.save(stream, "TIFF", save_all=True, append_images=rest, compression="tiff_lzw", dpi=(dpi, dpi))
    else:
        first.save(stream, {"png": "PNG", "jpg": "JPEG"}[kind], dpi=(dpi, dpi))
    return stream.getvalue()
