"""Writes the sample documents; see the package's docstring."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.sample_docs import mail, pdf, sheets, slides, web, word
from scripts.sample_docs.markup import Document, load_documents

CONTENT = Path(__file__).parent / "content"
FONT_PLACES = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/wqy-microhei-fonts/wqy-microhei.ttc",
    "/usr/local/share/fonts/wqy-microhei.ttc",
    "~/.local/share/fonts/wqy-microhei.ttc",
)


def as_written(document: Document) -> bytes:
    return document.body.encode("utf-8")


RENDERERS: dict[str, Callable[[Document], bytes]] = {
    "pdf": pdf.render,
    "docx": word.render,
    "pptx": slides.render,
    "xlsx": sheets.render_xlsx,
    "csv": sheets.render_csv,
    "html": web.render,
    "eml": mail.render,
    "md": as_written,
    "txt": as_written,
}


def find_font() -> Path | None:
    """WenQuanYi Micro Hei where systems usually keep it."""
    places = (Path(place).expanduser() for place in FONT_PLACES)
    return next((place for place in places if place.is_file()), None)


def write_documents(documents: Sequence[Document], out: Path, font: Path | None) -> None:
    """Write each document under `out`. ValueError: a Chinese PDF is among them and `font` is None."""
    if font:
        pdf.register_chinese_font(font)
    elif missing := next((document.target for document in documents if document.needs_chinese_font), None):
        raise ValueError(
            f"{missing} needs a Chinese TrueType font: install WenQuanYi Micro Hei (Debian: fonts-wqy-microhei) "
            "or name another one with --font."
        )
    for document in documents:
        path = out / document.target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(RENDERERS[document.kind](document))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.sample_docs", description="Write the sample documents.")
    parser.add_argument("--out", type=Path, default=Path("sample_docs"), help="folder to write anew (%(default)s)")
    parser.add_argument("--font", type=Path, default=find_font(), help="Chinese TrueType font or collection")
    parser.add_argument("--without-chinese-pdf", action="store_true", help="leave out the files that need the font")
    arguments = parser.parse_args()
    documents = [
        document
        for document in load_documents(CONTENT)
        if not (arguments.without_chinese_pdf and document.needs_chinese_font)
    ]
    try:
        for collection in sorted({document.target.split("/")[0] for document in documents}):
            if not arguments.without_chinese_pdf:
                shutil.rmtree(arguments.out / collection, ignore_errors=True)
        write_documents(documents, arguments.out, arguments.font)
    except (ValueError, OSError) as error:
        print(f"sample_docs: {error}", file=sys.stderr)
        return 2
    print(f"{len(documents)} documents in {arguments.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
