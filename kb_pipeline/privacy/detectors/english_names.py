"""English names by what stands beside them; no model.

A name is capitalised words behind a title (Mr, Dear), a label in English or Chinese (Contact:, 姓名：), a role
(Customer) or the closing of a letter, or before an e-mail address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kb_pipeline.privacy.detection import Span, emails_behind, lowered, near
from kb_pipeline.privacy.detectors.western_names import CAPITAL, SMALL

_PARTICLES = ("van", "von", "de", "der", "la", "bin", "al")
_NAME = (
    rf"(?:(?:Mc|Mac|De|La|Le|Di|Van|O['’])(?=[{CAPITAL}]))?[{CAPITAL}](?:[{SMALL}]+|\.)?"
    rf"(?:['’\-](?:O['’])?[A-Za-z{SMALL}][{SMALL}]+)?"
)
_FULL_NAME = rf"{_NAME}(?: (?:{_NAME}|van|von|de|der|la|bin|al)){{0,3}}"
_TITLE = re.compile(rf"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam)\.? (?P<name>{_FULL_NAME})(?![A-Za-z{SMALL}])")
_DEAR = re.compile(
    rf"(?:Dear|Hi|Hello|Hey) (?!(?:Mr|Mrs|Ms|Miss|Dr|Prof)[ .])(?P<name>{_FULL_NAME})(?=[,:!]|\s*\n|\s*\Z)"
)
_TWO_NAMES = rf"{_NAME}(?: (?:{_NAME}|van|von|de|der|la|bin|al)){{1,3}}"
_COLON = re.compile(
    rf":\s{{0,2}}[\"“]?(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? )?(?P<name>{_TWO_NAMES})(?![A-Za-z{SMALL}])"
    rf"(?P<more>(?:(?: \([^()\n]{{1,20}}\))?[,;] {_TWO_NAMES}(?![A-Za-z])){{0,20}})"
)
_MORE = re.compile(rf"(?P<name>{_TWO_NAMES})")
_LABEL = re.compile(
    r"(?<![A-Za-z])(?:contact(?: person| name)?|(?:full[ _]|real[ _]|display[ _]|customer[ _]|user[ _]"
    r"|holder[ _])?name"
    r"|customer|client(?: "
    r"name)?|attn|attention|recipient|sender"
    r"|card ?holder|account holder|beneficiary|applicant|borrower|tenant|landlord|employee(?: name)?|patient"
    r"(?: name)?"
    r"|student(?: name)?|signed by|prepared by|approved by|reviewed by|author|manager"
    r"|signature|guarantor|insured|payee|payer|passenger|guest|visitor|travell?er|holder|attendees?|participants|present|absent|apologies|chair"
    r"(?:person|man|woman)?"
    r"|interviewer|candidate|referee|supervisor|speaker|instructor|teacher|organi[sz]er|assignee|reporter|lawyer"
    r"|next of kin|spouse|buyer|seller|lessee|lessor|owner|driver|witness|physician|doctor|signatory|cardholder"
    r"|from|to|by|cc)[\"]?\s?\Z",
    re.IGNORECASE,
)
_LABEL_WINDOW = 20
# Behind a label for names anything with a capital is one, of one word, too: 姓名：Nguyễn Thị Hoa. `Name` is a label for
# the names of things as well: one word needs something of a person near.
_LETTERS = rf"[{CAPITAL}](?:[^\W\d_\u3400-\u9fff]|['’-](?=[^\W\d_]))*"
_NAME_KEY = re.compile(
    rf"(?:(?P<sure>姓\s{{0,4}}名|名字|(?:full|real|first|last|family|given|user's) ?name)|(?<![A-Za-z_])name)"
    rf"(?:\([^()\n]{{1,8}}\))?[\"'”]?\s{{0,2}}[:|\ue000]\s{{0,2}}[\"'“]?"
    rf"(?P<name>(?-i:{_LETTERS}(?: {_LETTERS}){{0,4}}))"
    r"(?=[\"'”]?\s{0,2}(?:[^\w\s]|\n|\Z|[\u3400-\u9fff]))",
    re.IGNORECASE,
)
_NAME_KEY_WORD = re.compile("name|名")
_OF_A_PERSON = re.compile(
    r"phone|mobile|e-?mail|gender|birth|nationality|passport|id[ _-]?card|(?<![a-z])(?:age|sex|tel)(?![a-z])"
    r"|电话|手机|邮箱|性别|年龄|身份证|出生|国籍|护照"
)
_NEAR_NAME = 120
# An English name behind a Chinese label.
_CHINESE_LABEL = re.compile(r"(?:名|人|户|员|师|者|表|方|经理|先生|女士)(?:\([^()\n]{1,8}\))?\s?\Z")
_CLOSING_WORD = re.compile("regards|sincerely|truly|faithfully|thank|wishes|cheers|best")
_NAMING_WORD = re.compile("name is|calls? me|named h")
_INTRODUCING_WORD = re.compile(
    "name is|this is|i am|i['’]m|taken by|signed by|prepared by|approved by|reviewed by|witnessed by"
)
_ROLE = re.compile(
    "contact|customer|client|patient|employee|tenant|landlord|borrower|buyer|seller|defendant|plaintiff"
    "|witness|applicant|attorney|judge"
    "|claimant|insured|recipient"
)
_CLOSING = re.compile(
    r"(?:(?:[Rr]egards|[Ss]incerely|[Cc]heers), "
    r"|(?:[Rr]egards|[Ss]incerely(?: yours)?|[Tt]ruly|[Ff]aithfully|[Tt]hanks|[Ww]ishes|[Cc]heers|[Bb]est"
    r"|[Tt]hank you),?[ \t]{0,2}\r?\n{1,3}[ \t]{0,4})"
    rf"(?P<name>{_FULL_NAME})(?=[ \t]{{0,2}}(?:\r?\n|\Z|,))"
)
_NAMED = re.compile(
    rf"(?:(?:[Mm]y|maiden|last|first|family|middle) name is|calls? me|named (?:him|her)) (?P<name>{_FULL_NAME})"
    rf"(?![A-Za-z{SMALL}])"
)
_INTRODUCED = re.compile(
    r"(?:[Nn]ame is|[Tt]his is|I am|I[’']m|(?:[Tt]aken|[Ss]igned|[Pp]repared|[Aa]pproved"
    r"|[Rr]eviewed|[Ww]itnessed) by) "
    rf"(?P<name>{_TWO_NAMES})(?![A-Za-z{SMALL}])"
)
_BEHIND_ROLE = re.compile(
    r"(?:[Cc]ontact|[Cc]ustomer|[Cc]lient|[Pp]atient|[Ee]mployee|[Tt]enant|[Ll]andlord|[Bb]orrower|[Bb]uyer"
    r"|[Ss]eller|[Dd]efendant|[Pp]laintiff"
    r"|[Ww]itness|[Aa]pplicant|[Aa]ttorney|[Jj]udge|[Cc]laimant|[Ii]nsured|[Rr]ecipient),? "
    rf"(?P<name>{_TWO_NAMES})(?= \(|,| (?:at|on|via|or|by|of|is|was|has|had|shall|will|opened|signed|called)"
    rf"(?![A-Za-z]))"
)
_PARTY = re.compile(  # Jane Doe ("Buyer")
    r"\((?:hereinafter |as )?(?:the )?[\"“](?:the )?(?:Buyer|Seller|Purchaser|Vendor|Borrower|Lender|Tenant"
    r"|Landlord|Lessee"
    r"|Lessor|Employee|Client|Customer|Licensee|Contractor|Consultant|Guarantor|Executive|Patient|Applicant"
    r"|Claimant|Defendant)"
)
# The head of a curriculum or of a letter: a name alone on its line, above where the person can be reached.
_HEAD = re.compile(r"\n[ \t]{0,4}(?:Tel|Phone|Mobile|Cell|E-?mail|Address|DOB|Date of [Bb]irth)\b\.?[ \t]{0,2}[:：|]")
_HEAD_NAME = re.compile(rf"(?:\A|\n)[ \t]{{0,4}}(?P<name>{_TWO_NAMES})[ \t\r]{{0,4}}\Z")
_BEFORE_EMAIL = re.compile(rf"(?<![A-Za-z])(?P<name>{_NAME}(?: {_NAME}){{1,2}})[\"”']? ?\Z")
_BEFORE_WINDOW = 50
_REAL_WORD = re.compile(f"[{CAPITAL}][{SMALL}]")
_NOT_NAME_WORDS = (
    "Sir Madam Customer Customers Colleague Colleagues Team All Friend Friends Everyone Client Clients Valued "
    "Shareholder Shareholders Members Member Support Sales Hiring Manager Human Resources Department Company "
    "Limited Ltd Inc Corp Bank Group Service Services Office Committee Board Partner Partners Investor "
    "Investors There User Users Reader World The This That Our Your Please Head Chief Page Section Table Date "
    "Time Address Phone Email Number Account Holder Council General Information Centre Center Operations Risk "
    "Finance Legal Technology Security Compliance Audit Data Business Product Project Branch University Street "
    "Road Avenue North South East New January February March July September October "
    "November December Monday Tuesday Wednesday Thursday Friday Saturday Sunday Contract Agreement Policy "
    "When What Where How Why If It He She They We As At In On For And But Or Not No Yes You Any Each Every Some Such "
    "Report Reports Quarterly Annual Monthly Weekly Daily "
    "Managing Vice President Executive Senior Junior Deputy Assistant Secretary Treasurer LLC PLC LLP GmbH Co Sons "
    "Terms Director Officer Supplier Vendor Purchaser Seller Buyer Lessor Lessee Tenant Landlord Borrower "
    "Lender"
)
_NOT_NAMES = frozenset(_NOT_NAME_WORDS.split())


def find_english_names(text: str) -> Iterator[Span]:
    """Names behind a title, a greeting, a label, a role or a closing, and before what belongs to a person."""
    for matches in (_greeted_names(text), _labelled_names(text), _names_before(text)):
        for match in matches:
            span = _span(match)
            if span:
                yield span


def _greeted_names(text: str) -> Iterator[re.Match[str]]:
    """Mr Smith; Dear Ann,; Kind regards, Ann Smith; my name is Ann Smith."""
    lower = lowered(text)
    closings = near(_CLOSING, text, _CLOSING_WORD.finditer(lower), 16, 90)
    introductions = near(_INTRODUCED, text, _INTRODUCING_WORD.finditer(lower), 14, 90)
    namings = near(_NAMED, text, _NAMING_WORD.finditer(lower), 8, 90)
    for matches in (_TITLE.finditer(text), _DEAR.finditer(text), closings, introductions, namings):
        for match in matches:
            if not text[match.start() - 1 : match.start()].isalpha():
                yield match


def _labelled_names(text: str) -> Iterator[re.Match[str]]:
    """Contact: Ann Smith; 姓名：Ann Smith; Attendees: Ann Smith, Tom Brown; Customer Ann Smith called."""
    lower = lowered(text)
    for match in near(_NAME_KEY, text, _NAME_KEY_WORD.finditer(lower), 8, 90):
        start, end = match.span("name")
        if match["sure"] or _OF_A_PERSON.search(lower, max(0, start - _NEAR_NAME), end + _NEAR_NAME):
            yield match
    for match in _COLON.finditer(text):
        before = max(0, match.start() - _LABEL_WINDOW)
        if _LABEL.search(text, before, match.start()) or _CHINESE_LABEL.search(text, before, match.start()):
            yield match
            yield from filter(_no_common_word, _MORE.finditer(text, *match.span("more")))
    yield from filter(_no_common_word, near(_BEHIND_ROLE, text, _ROLE.finditer(lowered(text)), 0, 100))


def _names_before(text: str) -> Iterator[re.Match[str]]:
    """Ann Smith <ann@…; Ann Smith ("Buyer"); a name alone on a line above a line that begins with Phone:."""
    for anchors, pattern, passes in (
        (_PARTY.finditer(text), _BEFORE_EMAIL, _no_common_word),
        (emails_behind(text), _BEFORE_EMAIL, bool),
        (_HEAD.finditer(text), _HEAD_NAME, bool),
    ):
        for anchor in anchors:
            name = pattern.search(text, max(0, anchor.start() - _BEFORE_WINDOW), anchor.start())
            if name and passes(name):
                yield name


def _no_common_word(match: re.Match[str]) -> bool:
    return not _NOT_NAMES.intersection(match["name"].split(" "))


def _span(match: re.Match[str]) -> Span | None:
    """The name without words that no name has; None when nothing is left."""
    start, end = match.span("name")
    words = match["name"].split(" ")
    if words[0] in _NOT_NAMES:
        return None
    while words and (words[-1] in _NOT_NAMES or words[-1] in _PARTICLES):
        end -= len(words.pop()) + 1
    if end <= start or not _REAL_WORD.search(match["name"][: end - start]):
        return None
    return Span(start, end, 0.6)
