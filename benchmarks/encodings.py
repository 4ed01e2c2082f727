"""How often a text is decoded to what it was, by us and by libraries alone: `--data DIR` holds texts/news_300.txt.

Chinese comes from that file, other languages from the message catalogues of the programs on this machine. Each text
is cut into samples, encoded, and, for half of the UTF-8 samples, one byte is overwritten. A sample counts where no
more than the overwritten character is damaged.
"""

from __future__ import annotations

import argparse
import gettext
import random
import time
from collections.abc import Callable
from pathlib import Path

from kb_pipeline.parsing.encodings import decode_text

ENCODINGS = {
    "zh": ("gb18030", "utf-8"),
    "zh_TW": ("big5", "utf-8"),
    "ko": ("euc_kr", "utf-8"),
    "ja": ("shift_jis", "euc_jp", "utf-8"),
    "ru": ("koi8_r", "cp1251", "utf-8"),
    "de": ("cp1252", "utf-8"),
    "pl": ("cp1250", "utf-8"),
}
SIZES = (80, 400, 4000)  # characters of a sample
SAMPLES = 12  # of each size
DAMAGED = 3  # characters at most, where a byte was overwritten


def charset_normalizer(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    return "" if best is None else str(best)


def chardet(data: bytes) -> str:
    import chardet as library

    return data.decode(library.detect(data)["encoding"] or "latin-1", "replace")


READERS: dict[str, Callable[[bytes], str]] = {
    "ours": lambda data: decode_text(data)[0],
    "charset-normalizer": charset_normalizer,
    "chardet": chardet,
}


def messages(language: str, characters: int = 60_000) -> str:
    """What the programs of this machine say in a language."""
    found: list[str] = []
    for file in sorted(Path("/usr/share").glob(f"**/{language}/LC_MESSAGES/*.mo")):
        with file.open("rb") as stream:
            try:
                catalogue = gettext.GNUTranslations(stream)._catalog  # type: ignore[attr-defined]  # noqa: SLF001 (the only way to all texts)
            except (OSError, UnicodeDecodeError, ValueError):
                continue
        found += [text for text in catalogue.values() if isinstance(text, str)]
    return "\n".join(found)[:characters]


def samples(text: str, encoding: str, seed: random.Random) -> list[tuple[str, bytes]]:
    made = []
    for size in SIZES:
        for number in range(SAMPLES):
            start = seed.randrange(max(len(text) - size, 1))
            sample = text[start : start + size].encode(encoding, "ignore")
            data = bytearray(sample)
            if encoding == "utf-8" and number % 2:
                data[seed.randrange(len(data))] = 0xFF
            made.append((sample.decode(encoding), bytes(data)))
    return made


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    data = arguments.parse_args().data
    print("| language | encoding | " + " | ".join(READERS) + " |\n|---|---|" + "---|" * len(READERS))
    seconds = dict.fromkeys(READERS, 0.0)
    right = dict.fromkeys(READERS, 0)
    total = 0
    for language, encodings in ENCODINGS.items():
        text = (data / "texts" / "news_300.txt").read_text()[:60_000] if language == "zh" else messages(language)
        for encoding in encodings if text else ():
            cases = samples(text, encoding, random.Random(language + encoding))
            total += len(cases)
            scores = []
            for name, read in READERS.items():
                started = time.process_time()
                texts = [read(sample) for _, sample in cases]
                seconds[name] += time.process_time() - started
                count = sum(_is_right(wanted, got) for (wanted, _), got in zip(cases, texts, strict=True))
                right[name] += count
                scores.append(f"{count / len(cases):.2f}")
            print(f"| {language} | {encoding} | " + " | ".join(scores) + " |")
    print("| all | | " + " | ".join(f"{right[name] / total:.3f}, {seconds[name]:.1f} s" for name in READERS) + " |")


def _is_right(wanted: str, got: str) -> bool:
    if wanted == got:
        return True
    rest = got.replace("\ufffd", "")
    before = next((i for i, (a, b) in enumerate(zip(wanted, got, strict=False)) if a != b), 0)
    return len(wanted) - len(rest) <= DAMAGED and wanted[:before] + wanted[before + 1 :] == rest


if __name__ == "__main__":
    main()
