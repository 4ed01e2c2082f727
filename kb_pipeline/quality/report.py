"""An evaluation as one HTML file that a browser shows without asking anybody for anything.

It holds text of the documents, masked as a search shows it, so whoever gets it may read these documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from kb_pipeline.quality.evaluation import OVERALL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.quality.evaluation import Evaluation, Gains, Outcome
    from kb_pipeline.quality.statistics import Figure, Gain

WORST = 40
INSTEAD = 3  # hits shown of each
EXCERPT = 220  # characters
_HEADS = {
    "recall@1": "recall@1",
    "recall@5": "recall@5",
    "recall@10": "recall@10",
    "ndcg@10": "nDCG@10",
    "mrr": "MRR",
    "split": "answers split",
}
_STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  color: #1b1f24; background: #fff }
h1 { font-size: 1.5rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
.about, .where, small { color: #59636e }
.about { margin: .2rem 0 0 }
table { border-collapse: collapse; width: 100% }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #d9dee3; text-align: right; vertical-align: top;
  font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left }
th, small { white-space: nowrap }
small, .bar { display: block }
.up { color: #116329 }
.down { color: #a40e26 }
.bar { width: 100%; height: 8px; margin-top: 3px }
article { border: 1px solid #d9dee3; border-radius: 6px; padding: .8rem 1rem; margin: .8rem 0 }
article p { margin: .2rem 0 }
.q { font-weight: 600 }
ol { margin: .4rem 0 0; padding-left: 1.4rem }
li { margin: .25rem 0 }
li.right { list-style: "✓ " }
q { quotes: "“" "”" }
@media (max-width: 50rem) { table { display: block; overflow-x: auto } }
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """`name`: of what it was compared with."""

    name: str
    gains: Gains


def html(title: str, measured_at: str, evaluation: Evaluation, compared: Compared | None) -> str:
    """The whole file. `title`: the name of the set; `measured_at`: when, in words."""
    asked = len(evaluation.outcomes)
    about = f"{evaluation.generation}, {measured_at}: {asked:,} questions"
    if evaluation.unasked:
        about += f"; {len(evaluation.unasked):,} more could not be asked, for their documents or words are gone"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}: retrieval evaluation</title><style>{_STYLE}</style>",
        f'<h1>{escape(title)}</h1><p class="about">{escape(about)}.</p>',
        "<h2>Figures</h2>",
        _figures(evaluation),
        "<p class=about>Below each figure: where it would lie in 95 of 100 samples of questions like these.</p>",
    ]
    if compared is not None:
        parts += [f"<h2>Against {escape(compared.name)}</h2>", _gains(compared.gains)]
    worst = sorted(evaluation.outcomes, key=lambda outcome: outcome.measured.ndcg)[:WORST]
    worst = [outcome for outcome in worst if outcome.measured.ndcg < 1]
    parts.append(
        f"<h2>The {len(worst)} worst questions, and what came instead</h2>" if worst else "<h2>All is found</h2>"
    )
    parts += [_outcome(outcome) for outcome in worst]
    return "\n".join(parts) + "\n</html>\n"


def _figures(evaluation: Evaluation) -> str:
    rows = [
        [_slice(name, len(evaluation.slices[name])), *(_figure(found[measure]) for measure in _HEADS)]
        for name, found in evaluation.figures().items()
    ]
    return _table(["", *_HEADS.values()], rows)


def _gains(gains: Gains) -> str:
    rows = [
        [_slice(name, found["ndcg@10"].questions), *(_gain(found[measure]) for measure in _HEADS)]
        for name, found in gains.items()
    ]
    return _table(["", *_HEADS.values()], rows)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _slice(name: str, questions: int) -> str:
    return f"{escape('all questions' if name == OVERALL else name)}<small>{questions:,} questions</small>"


def _figure(figure: Figure) -> str:
    low, high, mean = (100 * value for value in (figure.low, figure.high, figure.mean))
    bar = (
        f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{figure}">'
        '<rect y="3" width="100" height="2" fill="#d9dee3"/>'
        f'<rect x="{low:.1f}" y="2" width="{max(high - low, 0.5):.1f}" height="4" fill="#8fb8de"/>'
        f'<rect x="{min(mean, 99):.1f}" width="1.5" height="8" fill="#1f5f99"/></svg>'
    )
    return f"{figure.mean:.3f}<small>{figure.low:.3f} – {figure.high:.3f}</small>{bar}"


def _gain(gain: Gain) -> str:
    kind = "up" if gain.low > 0 else "down" if gain.high < 0 else ""
    return (
        f'<span class="{kind}">{gain.mean:+.3f}</span><small>{gain.low:+.3f} … {gain.high:+.3f}</small>'
        f"<small>{escape(gain.chance)}</small>"
    )


def _outcome(outcome: Outcome) -> str:
    question = outcome.located.question
    return (
        f'<article><p class="q">{escape(question.question)}</p>{"".join(_expected(outcome))}'
        f"<ol>{''.join(_instead(outcome)) or '<li>nothing</li>'}</ol></article>"
    )


def _expected(outcome: Outcome) -> Iterator[str]:
    ranks = ", ".join(map(str, outcome.measured.ranks)) or "not among the ten best"
    for answer in outcome.located.question.answers:
        page = f", page {answer.page_number}" if answer.page_number else ""
        quote = f": <q>{escape(_short(answer.quote))}</q>" if answer.quote else ""
        yield f'<p class="where">expected: {escape(answer.path or "")}{page}{quote}</p>'
    split = "; the answer was cut in two" if outcome.measured.is_split else ""
    yield f'<p class="where">found at: {ranks}{split}</p>'


def _instead(outcome: Outcome) -> Iterator[str]:
    for hit, number in list(zip(outcome.hits, outcome.found, strict=True))[:INSTEAD]:
        kind = ' class="right"' if number is not None else ""
        page = f", page {hit.page_number}" if hit.page_number else ""
        yield f"<li{kind}>{escape(_short(hit.content))} <span class=where>{escape(hit.source_file)}{page}</span></li>"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= EXCERPT else flat[: EXCERPT - 1] + "…"
