"""Take the pictures of docs/screenshots: `kb up` with the sample documents ingested, seen by headless Chromium.

Needs `pip install playwright pillow` and a Chromium (CHROMIUM, else /usr/bin/chromium); nothing else does, so
they are no requirement of the project; Chinese needs a font on the machine. Run `kb ingest sample_docs` and start
`kb up` first, then:

    python scripts/screenshots.py http://127.0.0.1:3000 http://127.0.0.1:8756     all pictures
    python scripts/screenshots.py "" http://127.0.0.1:8756                        only those of the search page

The picture of an answer is of a server with a chat server, which the others would show, too:

    python scripts/screenshots.py "" "" http://127.0.0.1:8756
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
LOCATION = "/locations/kb_pipeline.definitions"
WIDTH = 1400
QUESTION = "年假最多可以结转几天？"
ENGLISH_QUESTION = "Which hotel and travel costs are refunded?"
SETTLE_MS = 6000  # the pages fill themselves piece by piece
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")

# name -> (address, height in pixels, texts to click on)
PAGES: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "raw_documents": ("/assets/raw_documents?view=overview", 1400, ()),
    "cleaned_elements": ("/assets/cleaned_elements?view=overview", 1500, ()),
    "embeddings": ("/assets/embeddings?view=overview", 1400, ()),
    "chunks": ("/assets/chunks?view=overview", 1400, ()),
    "knowledge_chunks": ("/assets/knowledge_chunks?view=overview", 2100, ()),
    "partitions": ("/assets/knowledge_chunks?view=partitions", 900, ()),
    "checks": ("/assets/knowledge_chunks?view=checks", 800, ("golden_questions",)),
    "automation": ("/automation", 500, ()),
    "jobs": ("/jobs", 500, ()),
    "sensor": (f"{LOCATION}/sensors/dropped_files", 800, ()),
    "resource": (f"{LOCATION}/resources/knowledge_base", 600, ()),
    "run": ("/runs", 900, ("View",)),
}


def main(base: str, search: str, answers: str = "") -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=list(FLAGS)
        )
        if base:
            dagster(browser, base)
        if search:
            search_page(browser, search)
        if answers:
            page = browser.new_page(locale="zh-CN", viewport={"width": 1200, "height": 900})
            ask(page, answers, QUESTION)
            page.locator(".answer .thumb").first.wait_for(timeout=10 * SETTLE_MS)
            save(page, "answer")
        browser.close()


def dagster(browser: Browser, base: str) -> None:
    # So wide that all five cards are drawn with what they hold.
    page = browser.new_page(viewport={"width": 2200, "height": 560})
    page.goto(f"{base}/asset-groups")
    page.wait_for_timeout(3 * SETTLE_MS)  # the first page of a fresh server
    save(page, "asset_graph")
    for name, (address, height, clicks) in PAGES.items():
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.goto(f"{base}{address}")
        page.wait_for_timeout(SETTLE_MS)
        for text in clicks:
            page.get_by_text(text, exact=True).first.click()
            page.wait_for_timeout(SETTLE_MS)
        save(page, name)


def search_page(browser: Browser, address: str) -> None:
    """Both languages, both colours, a phone, a document and the overview."""
    page = browser.new_page(locale="zh-CN", viewport={"width": 1200, "height": 900})
    ask(page, address, QUESTION)
    save(page, "search")
    page.locator(".hit a.file").first.click()
    page.locator(".cited").wait_for()
    save(page, "document")
    page.set_viewport_size({"width": 390, "height": 844})
    page.go_back()
    page.locator(".hit").first.wait_for()
    page.evaluate("scrollTo(0, 0)")
    save(page, "search_phone")

    page = browser.new_page(locale="en-US", color_scheme="dark", viewport={"width": 1200, "height": 900})
    ask(page, address, ENGLISH_QUESTION)
    page.locator(".hit .actions button", has_text="Why here").first.click()
    page.locator(".hit .thumb").nth(1).click()
    page.locator(".choice").first.wait_for()
    save(page, "search_dark")

    page = browser.new_page(locale="en-US", viewport={"width": 1200, "height": 1000})
    page.goto(f"{address}/#/overview")
    page.locator(".tiles").wait_for(timeout=10 * SETTLE_MS)
    save(page, "overview")


def ask(page: Page, address: str, question: str) -> None:
    page.goto(address)
    page.locator("#query").fill(question)
    page.keyboard.press("Enter")
    page.locator(".hit").first.wait_for(timeout=10 * SETTLE_MS)


def save(page: Page, name: str) -> None:
    """With 128 colours: a third of the bytes, and no difference to see."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    target = FOLDER / f"{name}.png"
    picture.quantize(128).save(target, optimize=True)
    print(f"{target} {target.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ("http://127.0.0.1:3000", "http://127.0.0.1:8756")))
