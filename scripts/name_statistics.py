"""Count what Chinese names are made of in jieba's dictionary, and write privacy/data/chinese_characters.txt from it.

    python scripts/name_statistics.py DICT

DICT is dict.txt of jieba 0.42.1 (MIT): a word, its frequency and its part of speech on each line. Words that it takes
for names of people (nr) with a surname that is nearly always one give the characters of given names; all words that
are no names give the frequency of characters in text.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "kb_pipeline" / "privacy" / "data"
SOURCE = "counted in dict.txt of jieba 0.42.1 (https://github.com/fxsjy/jieba), MIT; by scripts/name_statistics.py"
# Surnames that no other word begins with in more than a few cases, so that what follows them is a given name.
SURE_SURNAMES = frozenset(
    "王李张刘陈杨赵周吴徐孙朱胡郭何林郑梁谢宋唐许邓韩冯曹彭曾萧肖潘袁蔡蒋余杜程魏苏吕丁沈姚卢姜崔钟谭汪范廖石贾韦付邹孟秦邱侯江尹薛闫段雷史陶黎贺顾毛郝龚邵"
)
NAME_TAGS = frozenset({"nr", "nrt", "nrfg"})
LEAST_IN_TEXT = 50  # a rarer character tells nothing


def main(dictionary: Path) -> None:
    first, second, lone, in_text = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word, frequency, tag = line.split()
        if not all("\u3400" <= character <= "\u9fff" for character in word):
            continue
        if tag not in NAME_TAGS or len(word) == 1:
            for character in word:
                in_text[character] += int(frequency)
        elif tag == "nr":
            if word[0] in SURE_SURNAMES and len(word) == 3:
                first[word[1]] += 1
                second[word[2]] += 1
            elif word[0] in SURE_SURNAMES and len(word) == 2:
                lone[word[1]] += 1
    lines = [
        f"{character} {in_text[character]} {first[character]} {second[character]} {lone[character]}"
        for character in sorted(in_text)
        if in_text[character] >= LEAST_IN_TEXT
    ]
    head = f"# A character, how often it is in text, and in how many names it is first, second or alone; {SOURCE}"
    write(DATA / "chinese_characters.txt", head, lines)


def write(file: Path, head: str, lines: list[str]) -> None:
    file.write_text("\n".join([head, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
