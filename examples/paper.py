"""A paper of about 30,000 characters for the walkthrough: twelve chapters, each on one matter of its own.

It is put together from sentences that were written for this project, so that it can be shared freely and so that
one knows where its chapters begin: that is what the splitting in the walkthrough is measured by.
"""

from __future__ import annotations

# title, what is done, who does it, what it is done with, what goes wrong, what helps
_CHAPTERS = (
    ("Paid leave", "granting leave", "the team lead", "the leave calendar", "overlapping holidays", "a deputy rule"),
    ("Travel expenses", "refunding a trip", "the traveller", "hotel receipts", "missing receipts", "a per diem"),
    ("Loan approval", "approving a loan", "the credit officer", "income statements", "overdue debts", "collateral"),
    ("Data backup", "backing up databases", "the administrator", "storage tapes", "corrupt copies", "restore drills"),
    ("Fire safety", "evacuating a building", "the floor warden", "smoke detectors", "blocked stairs", "fire drills"),
    ("Purchasing", "ordering hardware", "the buyer", "supplier quotations", "late deliveries", "a framework contract"),
    ("Phishing", "recognising fake mail", "the employee", "suspicious links", "stolen passwords", "a report button"),
    ("Recruitment", "hiring an engineer", "the recruiter", "interview notes", "biased judgements", "scorecards"),
    ("Rented branches", "leasing a shop", "the landlord", "the floor plan", "unreturned deposits", "a handover record"),
    (
        "Complaints",
        "answering a complaint",
        "the call agent",
        "the customer's file",
        "angry callers",
        "a clear deadline",
    ),
    ("Archives", "keeping old papers", "the archivist", "acid-free boxes", "damp cellars", "a retention schedule"),
    ("Electric fleet", "charging the vans", "the dispatcher", "charging poles", "empty batteries", "night tariffs"),
)
_SENTENCES = (
    "This chapter is about {title}, that is, about {done}, which most companies regulate later than they should.",
    "In every site that we visited, {who} decided how {done} is carried out, and hardly anybody wrote it down.",
    "What {who} needs first is an overview of {tool}, because without {tool} nobody can tell what happened.",
    "The most frequent trouble in {title} is {trouble}, and {trouble} rarely comes alone.",
    "We counted how often {trouble} was mentioned in the minutes, and {who} appeared in nearly all of them.",
    "Where {help} had been introduced, {trouble} became rare within two quarters.",
    "It would be wrong to conclude that {help} alone is sufficient: {done} also takes time, and {who} has little.",
    "Several respondents told us that {tool} had been changed twice in a year without anybody being told.",
    "A written rule on {title} fits on one page if it says who does what, by when, and what {tool} must show.",
    "For {who}, the difference between a good and a bad rule on {title} is about an hour every week.",
    "When {trouble} happened all the same, the cause was found in {tool} in four cases out of five.",
    "One manager kept {tool} in a drawer, so that {done} stopped whenever that manager was ill.",
    "The auditors asked for {tool} of the last three years, which {who} could produce in only two sites.",
    "Training helps less than expected: after a month {who} remembers the examples and forgets the rule on {title}.",
    "New colleagues learn {done} by watching, and so they learn the shortcuts that lead to {trouble}, too.",
    "Asked what they would change, most named {help}; only a few wished for another version of {tool}.",
    "The cost of {help} is small against the cost of {trouble}, but it is paid by another department.",
    "If {who} is absent, {done} should go on, and this is the best test of any rule on {title}.",
    "We therefore recommend that {help} be made part of every yearly review of {title}.",
    "Of all the findings in this chapter, the one on {trouble} surprised {who} most.",
    "What remains open is whether {help} still works when {done} is handed to an outside company.",
    "In short, {title} is a matter of habits: {who}, {tool} and {help} must meet at the same table.",
)


def chapters() -> list[list[str]]:
    """The sentences of each chapter."""
    names = ("title", "done", "who", "tool", "trouble", "help")
    return [
        [sentence.format(**dict(zip(names, (row[0].lower(), *row[1:]), strict=True))) for sentence in _SENTENCES]
        for row in _CHAPTERS
    ]


def paper() -> str:
    """The whole paper, without headings, as a bad scan would give it."""
    return " ".join(sentence for chapter in chapters() for sentence in chapter)
