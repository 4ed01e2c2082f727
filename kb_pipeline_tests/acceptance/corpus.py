"""A folder of documents that changes, and what the knowledge base may show of it at any moment.

Each document has an identity (`D017`) that stands in each of its sentences, and each paragraph carries
the number of its last edit. So no two versions of a document have a text in common where they differ,
and a mixture of two shows. `versions` keeps every text that was ever written, for comparison.

Files are put in place by a rename and carry a time in the past, as files do that were copied there
some time ago: nothing has to wait for them to settle.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

SUBJECTS = {
    "zh": [
        "年度预算",
        "采购合同",
        "信用卡年费",
        "客户投诉",
        "机房巡检",
        "员工培训",
        "风险评估",
        "贷款审批",
        "差旅报销",
    ],
    "en": ["annual budget", "purchase contract", "card fee", "complaint", "server room", "training", "risk review"],
}
VERBS = {
    "zh": ["由财务部负责并按季度复核", "须经两名主管签字后归档", "应当在五个工作日内办结", "每月向管理层汇报一次"],
    "en": ["is owned by finance and checked quarterly", "needs two signatures", "has to be closed within a week"],
}
COLLECTIONS = ("contracts", "policies", "产品资料", "minutes")


@dataclass
class Document:
    """A file. `edits`: per paragraph, the number of its last edit; every third paragraph has a heading."""

    identity: str
    language: str
    suffix: str
    edits: list[int]
    path: str = ""

    def text(self) -> str:
        blocks = [f"# {self.identity} 文件" if self.language == "zh" else f"# File {self.identity}"]
        for number, edit in enumerate(self.edits):
            words = random.Random(f"{self.identity}/{number}/{edit}")
            if number % 3 == 0 and len(self.edits) > 3:
                blocks.append(f"## {number // 3 + 1}. {words.choice(SUBJECTS[self.language])} {self.identity}")
            blocks.append(self._paragraph(number, edit, words))
        return "\n\n".join(blocks) + "\n"

    def _paragraph(self, number: int, edit: int, words: random.Random) -> str:
        mark = f"{self.identity}-P{number:02}-E{edit:02}"
        subjects, verbs = SUBJECTS[self.language], VERBS[self.language]
        count = words.randint(2, 7)
        if self.language == "zh":
            return "".join(f"{mark} {words.choice(subjects)}{words.choice(verbs)}。" for _ in range(count))
        return " ".join(f"{mark} The {words.choice(subjects)} {words.choice(verbs)}." for _ in range(count))


@dataclass
class Corpus:
    """`documents` are those that are there now, by path; all randomness comes from `random`."""

    root: Path
    random: random.Random
    documents: dict[str, Document] = field(default_factory=dict)
    versions: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    _written: int = 0
    _made: int = 0

    def add(self, count: int, *, large: int = 0) -> None:
        """Add `count` documents, of which `large` have many chunks."""
        for index in range(count):
            language = self.random.choice(["zh", "en"])
            paragraphs = self.random.randint(25, 45) if index < large else self.random.randint(1, 6)
            identity = f"D{self._made:03}"
            suffix = self.random.choice([".md", ".md", ".txt"])
            self._made += 1
            document = Document(identity, language, suffix, [1] * paragraphs)
            self._write(document, f"{self.random.choice(COLLECTIONS)}/{identity}{suffix}")

    def change(self, count: int) -> None:
        """Make `count` changes: edits of one paragraph or all, deletions, moves, copies, new documents."""
        for _ in range(count):
            kind = self.random.choices(["paragraph", "whole", "delete", "move", "copy", "new"], [6, 3, 2, 3, 1, 2])[0]
            path = self.random.choice(sorted(self.documents))
            document = self.documents[path]
            if kind == "new":
                self.add(1)
            elif kind == "delete":
                (self.root / path).unlink()
                del self.documents[path]
            elif kind in ("move", "copy"):
                self._put_elsewhere(document, move=kind == "move")
            else:
                everywhere = range(len(document.edits))
                touched = everywhere if kind == "whole" else [self.random.choice(everywhere)]
                for number in touched:
                    document.edits[number] += 1
                self._write(document, path)

    def _put_elsewhere(self, document: Document, *, move: bool) -> None:
        name = f"{document.identity}-{self.random.randrange(10_000):04}{document.suffix}"
        target = f"{self.random.choice(COLLECTIONS)}/{name}"
        if target in self.documents:
            return
        if move:
            (self.root / target).parent.mkdir(parents=True, exist_ok=True)
            (self.root / document.path).rename(self.root / target)
            del self.documents[document.path]
            document.path = target
            self.documents[target] = document
        else:
            copy = Document(document.identity, document.language, document.suffix, list(document.edits))
            self._write(copy, target)

    def _write(self, document: Document, path: str) -> None:
        document.path = path
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(target.name + ".tmp")
        text = document.text()
        draft.write_text(text, encoding="utf-8")
        self._written += 1
        moment = time.time_ns() - 86_400 * 10**9 + self._written * 10**6
        os.utime(draft, ns=(moment, moment))
        draft.replace(target)
        self.documents[path] = document
        self.versions.setdefault(document.identity, set()).add((document.suffix, text))
