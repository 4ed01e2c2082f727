"""Whether a candidate may take the place of what is searched now: a decision over measured gains, nothing else.

    promoted     the lower bound of the gain in nDCG@10 is above 0, chance is no explanation (p), and no slice of
                 LEAST_IN_SLICE questions falls by more than MOST_LOST
    rejected     the candidate is worse, or at its best not worth WORTHWHILE, or a slice falls and that is no chance
    not enough   everything else: with so few questions nobody can know. `needed` says how many would show the gain or
                 loss that was seen in four of five cases, or one worth having where none was seen

Few questions never promote: an interval of a handful is narrower than the truth.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from kb_pipeline.quality.evaluation import OVERALL
from kb_pipeline.quality.statistics import questions_needed

if TYPE_CHECKING:
    from kb_pipeline.quality.evaluation import Gains
    from kb_pipeline.quality.statistics import Gain

MEASURE = "ndcg@10"
LEAST_QUESTIONS = 30
LEAST_IN_SLICE = 20
MOST_LOST = 0.03  # of a slice
WORTHWHILE = 0.01  # a gain below this is none
MOST_P = 0.05

Verdict = Literal["promoted", "rejected", "not enough evidence"]


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: a sentence. `gains`: slice → the gain of MEASURE. `needed`: questions in all, where more would tell."""

    verdict: Verdict
    reason: str
    gains: dict[str, Gain]
    needed: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(gains: Gains) -> Decision:
    """`gains` of the candidate on the frozen test, of all questions and of each slice."""
    found = {name: measures[MEASURE] for name, measures in gains.items()}
    whole = found[OVERALL]
    slices = {name: gain for name, gain in found.items() if name != OVERALL and gain.questions >= LEAST_IN_SLICE}
    falls = {name: gain for name, gain in slices.items() if gain.mean < -MOST_LOST}
    surely = {name: gain for name, gain in falls.items() if gain.high < 0}
    if whole.high < 0:
        return Decision("rejected", f"It answers worse: {whole}.", found)
    if whole.high < WORTHWHILE:
        reason = f"At its best it gains less than {WORTHWHILE:g}: {whole}."
        return Decision("rejected", reason, found)
    if surely:
        return Decision("rejected", f"It answers worse where it matters: {_named(surely)}.", found)
    is_better = whole.low > 0 and whole.p <= MOST_P
    if is_better and whole.questions >= LEAST_QUESTIONS and not falls:
        return Decision("promoted", f"It answers better: {whole}.", found)
    if is_better and falls:
        name, worst = min(falls.items(), key=lambda each: each[1].mean)
        needed = questions_needed(-worst.mean, worst.deviation)
        more = _more(needed, worst.questions)
        return Decision(
            "not enough evidence",
            f"It gains {whole} in all, but {name} may fall by {-worst.mean:.3f}; {more} of {name} would tell.",
            found,
            needed,
        )
    needed = max(questions_needed(max(abs(whole.mean), WORTHWHILE), whole.deviation), LEAST_QUESTIONS)
    reason = f"What it gains may be chance: {whole}; {_more(needed, whole.questions)} would tell."
    return Decision("not enough evidence", reason, found, needed)


def _more(needed: int, there: int) -> str:
    return f"{max(needed - there, 1):,} questions more"


def _named(falls: dict[str, Gain]) -> str:
    return "; ".join(f"{name} {gain}" for name, gain in falls.items())
