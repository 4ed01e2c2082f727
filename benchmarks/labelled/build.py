"""Writes labelled documents into a folder."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labelled.draft import Plan, write_draft
from labelled.labels import Truth

_CHARACTERS_PER_PAGE = {"zh": 1000, "en": 2500}
FORMATS = ("pdf", "docx", "html", "pptx", "scan")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A document on disk and its labels. `kind`: one of FORMATS; `scanned`: its text is in pixels only."""

    path: Path
    kind: str
    truth: Truth
    scanned: bool = False

    @property
    def sheets(self) -> float:
        """Its pages; of a format without pages, as many as its text would fill."""
        characters = sum(len(text) for text in self.truth.flow)
        return self.truth.pages or max(1.0, characters / _CHARACTERS_PER_PAGE[self.truth.language])


def build(folder: Path, kind: str, language: str, *, count: int, seed: int) -> Iterator[Labelled]:
    """`count` documents of one kind and language; the same seed gives the same ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        name = f"{kind}-{language}-{seed}-{number:03d}"
        yield _WRITERS[kind](folder, name, language, random.Random(name))


def _pdf(folder: Path, name: str, language: str, rng: random.Random) -> Labelled:
    from labelled.pdf import draw_design, draw_pdf

    draft = write_draft(language, rng, Plan(chapters=rng.randint(2, 6)))
    drawn = draw_pdf(
        draft, draw_design(language, rng, numbered=draft.scheme != "plain"), name=name, seed=rng.randrange(1 << 30)
    )
    return _write(folder / f"{name}.pdf", "pdf", drawn.data, drawn.truth)


def _docx(folder: Path, name: str, language: str, rng: random.Random) -> Labelled:
    from labelled.word import draw_docx

    draft = write_draft(language, rng, Plan(chapters=rng.randint(2, 6)))
    return _write(folder / f"{name}.docx", "docx", *draw_docx(draft, rng, name=name))


def _html(folder: Path, name: str, language: str, rng: random.Random) -> Labelled:
    from labelled.web import draw_html

    draft = write_draft(language, rng, Plan(chapters=rng.randint(2, 5)))
    return _write(folder / f"{name}.html", "html", *draw_html(draft, rng, name=name))


def _pptx(folder: Path, name: str, language: str, rng: random.Random) -> Labelled:
    from labelled.slides import draw_pptx

    draft = write_draft(language, rng, Plan(chapters=rng.randint(4, 10), depth=1, long_headings=0.0))
    return _write(folder / f"{name}.pptx", "pptx", *draw_pptx(draft, rng, name=name))


def _scan(folder: Path, name: str, language: str, rng: random.Random) -> Labelled:
    from labelled.pdf import draw_design, draw_pdf
    from labelled.scan import draw_scanner, scan, write_images

    draft = write_draft(language, rng, Plan(chapters=rng.randint(2, 3), depth=2, tables=0.15, notes=0.0, figures=0.0))
    design = draw_design(language, rng, numbered=draft.scheme != "plain", embedded_only=True, plain=True)
    drawn = draw_pdf(draft, design, name=name, seed=rng.randrange(1 << 30))
    scanner = draw_scanner(rng)
    kind = rng.choice(("pdf", "pdf", "png", "jpg", "tiff") if drawn.truth.pages == 1 else ("pdf", "tiff"))
    data = write_images(scan(drawn.data, scanner, seed=rng.randrange(1 << 30)), kind, scanner.dpi)
    truth = replace(drawn.truth, format=kind, features={**drawn.truth.features, **asdict(scanner)})
    return _write(folder / f"{name}.{kind}", "scan", data, truth, scanned=True)


def _write(path: Path, kind: str, data: bytes, truth: Truth, *, scanned: bool = False) -> Labelled:
    path.write_bytes(data)
    return Labelled(path, kind, truth, scanned)


_WRITERS = {"pdf": _pdf, "docx": _docx, "html": _html, "pptx": _pptx, "scan": _scan}
