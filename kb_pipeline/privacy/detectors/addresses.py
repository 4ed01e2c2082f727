"""Postal addresses: behind a label, down to the door, beside a telephone number, with a postal code or a street."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kb_pipeline.privacy.detection import Span, fold, lowered, near
from kb_pipeline.privacy.detectors.western_names import CAPITAL, SMALL

_ADDRESS_LABEL = (
    r"(?:家庭(?:住址|地址)|现居(?:住?地?)|(?:现)?居?住址|住所地?|(?:收货|收件|寄件|送货|寄送|邮寄|通讯|通信"
    r"|联系|联络|送达|居住|户籍|户口|身份证|证件|经常居住|实际居住|详细|办公|注册|单位|公司"
    r"|房屋|物业|租赁|坐落)?地址|户籍所在地|户籍地(?!址)|户口所在地|常住地|居住地|居住在|家住|现住|住在"
    r"|住于|坐落于?|房屋坐落|(?<=[,，;；])住(?=[\u3400-\u9fff]{2,8}[省市区县])|(?:address|addr)(?=[\"']))"
)
_PLACE = (
    r"(?:省|自治区|市|区|县|旗|镇|乡|街道|村|路|街|道|巷|弄|胡同|里|号|栋|幢|座|单元|室|楼|层"
    r"|小区|花园|苑|大厦|广场|公寓|庄)"
)
_ADDRESS_BODY = r"[^\n,，。;；|<>\ue001：:!！?？\"]{4,80}?"
_ADDRESS_END = (
    r"(?=\s{0,3}(?:[\n,，。;；|<>\ue001!！?？\"']|\Z|\s{2}|(?:邮编|邮政编码|电话|手机|联系|传真"
    r"|邮箱|收件人|姓名|邮件|身份证|网址|Tel|Phone|E-?mail)|(?<=\s)\(?(?:\+?86|0\d{2,3}[-) ]"
    r"|1[3-9]\d[ -]?\d{4}[ -]?\d{4})))"
)
_LABELLED_ADDRESS = re.compile(
    rf"{_ADDRESS_LABEL}(?:[、,/和及]?\s?(?:联系)?电话)?(?:\([^()\n]{{1,8}}\))?[\"']?(?:\s{{0,2}}[:：]\s{{0,2}}"
    rf"|\s{{1,3}}|\|\s?|为|是"
    rf"|在|于)?[\"']?(?P<body>{_ADDRESS_BODY}){_ADDRESS_END}"
)
_PLACE_WORD = re.compile("址|户籍地|住|坐落|所在地|现居|addr")
_LOOKS_LIKE_PLACE = re.compile(rf"{_PLACE}.*(?:\d|[一二三四五六七八九十]|{_PLACE})", re.DOTALL)
# Without a label: down to the door, so a flat and not a building or a company's street.
_FLAT = re.compile(
    r"(?<![\u3400-\u9fff])(?:[\u3400-\u9fff]{2,8}(?:省"
    r"|自治区))?(?:[\u3400-\u9fff]{2,8}市)?(?:[\u3400-\u9fff]{1,8}[区县镇])?(?:[\u3400-\u9fff]"
    r"{1,10}(?:街道|镇|乡))?"
    r"[\u3400-\u9fff\d]{1,10}(?:路|街|道|巷|弄|胡同"
    r"|村)[\u3400-\u9fff]{0,2}\d{1,5}[号弄][\u3400-\u9fffA-Za-z\d\-]{0,16}?\d{1,4}(?:号楼|栋"
    r"|幢|座|单元)[\d\-A-Za-z]{0,4}(?:单元)?\d{2,5}(?:室|户|房|号)?"
)
_DOOR = re.compile(r"[号弄][\u3400-\u9fffA-Za-z\d\-]{0,16}?\d{1,4}(?:号楼|栋|幢|座|单元)")
# Beside a telephone number, as on a parcel: from the province or city down to the number of the house.
_WHERE = re.compile(
    r"(?<![\u3400-\u9fff])[\u3400-\u9fff]{2,10}?(?:省|自治区|市)[\u3400-\u9fff]{1,10}?(?:市|区|县|州"
    r"|盟)[\u3400-\u9fff\d ]{1,24}?"
    r"(?:路|街|道|巷|弄|里|村|镇|乡|庄)[\u3400-\u9fff\d ]{0,6}?\d{1,5} ?(?:号|弄|组)"
    r"(?:[\u3400-\u9fff\dA-Za-z#\-]| (?=[\d号栋幢座层室单])){0,40}"
)
_PARCEL_WINDOW = 130
_MOBILE = re.compile(r"1[3-9]\d[ .-]?\d{4}[ .-]?\d{4}(?!\d)")
_STREETS = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl"
    "|Square|Sq|Terrace|Ter|Way|Parkway|Pkwy|Highway|Hwy|Close|Crescent|Row|Mews|Gardens"
)
_STREET = f"(?:{_STREETS})"
_STREET_WORDS = tuple(f" {word}" for word in _STREETS.split("|"))
_STREET_ADDRESS = (
    rf"\d(?<![A-Za-z0-9_.]\d)\d{{0,5}}[A-Za-z]?(?:-\d{{1,5}})?,? (?:[NSEW]\.? )?(?:[A-Z0-9][A-Za-z0-9'’.]{{0,20}} "
    rf"){{1,5}}{_STREET}\.?(?![A-Za-z])"
    r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|#)\.? ?#?[A-Za-z0-9\-]{1,6})?"
    r"(?:,? [A-Z][A-Za-z.'’]{1,20}(?: [A-Z][A-Za-z.'’]{1,20}){0,3}){0,3}(?:,? [A-Z]{2})?(?:,? "
    r"(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}))?"
)
_ENGLISH_ADDRESS = re.compile(rf"{_STREET_ADDRESS}(?!\w)")
# In 2019 Main Street; on 12 May Church Street.
_YEAR_BEFORE_STREET = re.compile(r"(?:1[89]|20)\d\d,? [^,\n]*\Z")
_BEFORE_YEAR = re.compile(
    r"(?<![A-Za-z])(?:in|by|since|until|from|during|of|early|late|before|after) \Z", re.IGNORECASE
)
_BEFORE_YEAR_WINDOW = 8
_DAY_BEFORE_STREET = re.compile(
    r"\d\d? (?:January|February|March|April|May|June|July|August|September|October|November|December) "
)
# Addresses without a word for a street that one knows, by the code of the place at their end.
_LINE = r"(?:,? ?\r?\n ?|, )"
_STATE = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois"
    "|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri"
    "|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma"
    "|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington"
    "|West Virginia|Wisconsin|Wyoming"
)
_ZIP_CODE = re.compile(r"\d{5}(?<=[A-Za-z,] \d{5})(?!\d)")
_TO_STATE = re.compile(
    r"(?:\d(?<![A-Za-z0-9_.]\d)\d{0,5}[A-Za-z]?(?: [A-Z0-9][A-Za-z0-9'’.\-]{0,20}){1,6}(?:,? (?:Apt|Apartment"
    r"|Suite|Ste|Unit|Floor|Room|#)\.? ?#?"
    rf"[A-Za-z0-9\-]{{1,6}})?{_LINE}(?:[A-Za-z0-9.# \-]{{1,24}}{_LINE})?[A-Z][A-Za-z.'’\-]{{1,20}}"
    rf"(?: [A-Z][A-Za-z.'’\-]{{1,20}}){{0,3}},? (?:[A-Z]{{2}}|(?:{_STATE}),?)"
    rf"|(?:PSC \d{{1,5}},? Box \d{{1,5}}|Unit \d{{1,5}},? Box \d{{1,5}}"
    rf"|US[A-Z]{{1,4}} [A-Z][a-z]{{1,20}}){_LINE}(?:APO|FPO|DPO),? A[AEP])"
    r" \d{5}(?:-\d{4})?(?!\d)"
)
_POSTCODE = re.compile(r"[A-Z](?<=[ \n][A-Z])[A-Z]?\d[A-Z\d]{0,2} ?\d[A-Z]{2}(?![A-Za-z0-9])")
_TO_POSTCODE = re.compile(
    r"(?:(?:Flat|Studio|Unit|Apartment|Suite|Apt) (?:\d{1,4}[A-Za-z]?, )?)?\d(?<![A-Za-z0-9_.]\d)\d{0,4}[A-Za-z]{0,2}"
    rf"(?:(?: |{_LINE})[A-Z][A-Za-z'’.\-]{{1,20}}){{2,9}}(?:{_LINE}| )[A-Z]{{1,2}}\d[A-Z\d]{{0,2}} ?\d[A-Z]{{2}}"
    rf"(?![A-Za-z0-9])"
)
# What may stand behind a street: its unit, then lines or parts with the place, the state or country and a code.
_UNIT = r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|#)\.? ?#?(?:\d[A-Za-z0-9\-]{0,5}|[A-Z])(?![A-Za-z0-9])"
_GAP = r"(?:,? ?\r?\n[ \t]{0,4}|, | )"
# A longer word with a dot ends a sentence.
_PROPER = (
    rf"(?:[{CAPITAL}][{SMALL}]{{0,2}}\.(?=[ ,])|[{CAPITAL}][{CAPITAL}{SMALL}]*+(?:['’\-][{CAPITAL}{SMALL}]+){{0,3}}+)"
    r"(?![A-Za-z0-9])"
)
_PLACE_BEHIND = (
    rf"(?:{_GAP}{_UNIT})?"
    rf"(?:(?:,? ?\r?\n[ \t]{{0,4}}|, )(?:\d{{4,6}} (?:[A-Z]{{2}} )?)?{_PROPER}(?: {_PROPER}){{0,3}}"
    r"(?:,? [A-Z]{2}(?![A-Za-z0-9]))?"
    rf"(?: \d{{3,6}}(?:-\d{{4}})?(?!\d)| [A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}(?![A-Za-z0-9]))?){{0,3}}"
)
_BOX_WORD = re.compile("[Bb]ox ")
_BOX = re.compile(rf"(?:P\. ?O\.|P\.?O\.?|Post Office|Postal) ?[Bb]ox \d{{1,7}}(?!\d){_PLACE_BEHIND}")
_UNIT_WORD = re.compile(r"(?:Apt|Apartment|Suite|Ste|Unit)\.? #?\d")
_TO_UNIT = re.compile(
    rf"\d(?<![A-Za-z0-9_.,]\d)\d{{0,5}}[A-Za-z]?(?: (?:{_PROPER}|\d{{1,5}}[A-Za-z]{{0,2}}\.?)){{1,5}}"
    rf"{_GAP}{_UNIT}{_PLACE_BEHIND}"
)
# Streets of other languages, with a word for a street in front or joined to the name.
_FRENCH = "[Rr]ue|[Bb]oulevard|[Aa]venue|[Aa]llée|[Qq]uai|[Cc]hemin|[Pp]lace"
_SOUTHERN = "Via|Viale|Corso|Piazza|Vicolo|Calle|Avenida|Avda.|Paseo|Rua|Rue|Travessa|ul.|Ulica|Largo"
_WORDS_IN_FRONT = (
    *(f"{word[4:]} " for word in _FRENCH.split("|")),
    *(f"{word} " for word in _SOUTHERN.split("|")),
)
_STREET_IN_FRONT = re.compile(
    rf"(?:\d(?<![A-Za-z0-9_.,]\d)\d{{0,5}}(?: bis)?,? (?:{_FRENCH})"
    rf"(?: (?:de|du|des|la|le|les|l['’]{_PROPER}|d['’]{_PROPER}|{_PROPER})){{1,5}}(?<! d[eu])(?<! des)(?<! l[ae])"
    rf"|(?:{_SOUTHERN.replace('.', '[.]')})"
    rf"(?: (?:de|del|di|da|do|dos|della|dei|la|las|los|{_PROPER})){{1,5}},? \d{{1,5}}[A-Za-z]?"
    rf"(?![A-Za-z0-9%]|[.,]\d)){_PLACE_BEHIND}"
)
_JOINED = "straße|strasse|str.|weg|gasse|platz|allee|straat|laan|gracht|plein|kade|gatan|vägen|vej|veien|katu|utca"
_JOINED_WORDS = tuple(f"{word} " for word in _JOINED.split("|"))
_ENDS_JOINED = "|".join(f"(?<={re.escape(word)})" for word in _JOINED.split("|"))
_STREET_JOINED = re.compile(
    rf"[{CAPITAL}][{SMALL}\-]{{2,}}+\.?(?= \d)(?:{_ENDS_JOINED}) \d{{1,4}}(?: ?[a-zA-Z](?![A-Za-z]))?"
    rf"(?![A-Za-z0-9%]|[.,]\d){_PLACE_BEHIND}"
)
_LABELLED_ENGLISH = re.compile(
    r"(?<![A-Za-z])(?i:(?:home |mailing |postal |residential |billing |shipping |delivery "
    r"|street |permanent |new |current )?address|(?:lives?|resides?|residing|resident|office is|located) at)"
    r"(?: is| of [^\n.:;]{1,40}? is)?[\"']?\s?[:"
    r"|]?\s{1,2}[\"']?(?P<body>(?:(?:Flat|Studio|Unit|Apartment|Suite"
    r"|P\.?O\.? Box) )?\d{1,6}[A-Za-z]?[ ,][^\n;|<>\ue001]{6,110}?)(?=[\n;|<>\ue001]"
    r"|\.(?<!Apt\.)(?<!Ste\.)(?<!Box\.)(?<!No\.)(?<!St\.)(?:\s|\Z)|\s{2}|\Z|,? (?i:tel|phone|email))"
)
_ADDRESS_WORD = re.compile("address|lives? at|resides? at|residing at|resident at|office is at|located at")


def find_addresses(text: str) -> list[Span]:
    """What stands behind a label and names places, flats down to the door, and streets with a number."""
    labelled_places = near(_LABELLED_ADDRESS, text, _PLACE_WORD.finditer(text), 10, 120)
    spans = list(_labelled_places(labelled_places))
    spans += [Span(m.start(), m.end(), 0.5) for m in near(_FLAT, text, _DOOR.finditer(text), 70, 40)]
    if _has_one(text, _STREET_WORDS):
        streets = (m for m in _ENGLISH_ADDRESS.finditer(text) if not _begins_with_date(text, m))
        spans += [Span(m.start(), m.end(), 0.5) for m in streets]
    spans += [Span(m.start(), m.end(), 0.56) for m in near(_BOX, text, _BOX_WORD.finditer(text), 14, 140)]
    spans += [Span(m.start(), m.end(), 0.56) for m in near(_TO_UNIT, text, _UNIT_WORD.finditer(text), 110, 160)]
    for pattern, words in ((_STREET_IN_FRONT, _WORDS_IN_FRONT), (_STREET_JOINED, _JOINED_WORDS)):
        if _has_one(text, words):
            spans += [Span(m.start(), m.end(), 0.5) for m in pattern.finditer(text)]
    spans += [Span(m.start(), m.end(), 0.58) for m in near(_TO_STATE, text, _ZIP_CODE.finditer(text), 160, 8)]
    spans += [Span(m.start(), m.end(), 0.58) for m in near(_TO_POSTCODE, text, _POSTCODE.finditer(text), 140, 2)]
    spans += _beside_telephones(text)
    labelled_streets = near(_LABELLED_ENGLISH, text, _ADDRESS_WORD.finditer(lowered(text)), 20, 140)
    spans += [Span(*m.span("body"), 0.55) for m in labelled_streets]
    return spans


def _has_one(text: str, words: Iterable[str]) -> bool:
    return any(word in text for word in words)


def _begins_with_date(text: str, street: re.Match[str]) -> bool:
    """Whether the number of the house is the year or the day of a date: In 2019 Main Street."""
    if _DAY_BEFORE_STREET.match(street[0]):
        return True
    before = _BEFORE_YEAR.search(text, max(0, street.start() - _BEFORE_YEAR_WINDOW), street.start())
    return before is not None and _YEAR_BEFORE_STREET.match(street[0]) is not None


def _labelled_places(matches: Iterable[re.Match[str]]) -> Iterator[Span]:
    """Up to a 的, behind which it is told what is there: 住在幸福路3号的王先生, but not 住在广场的酒店里."""
    for match in matches:
        place = match["body"].partition("的")[0]
        if _LOOKS_LIKE_PLACE.search(place):
            yield Span(match.start("body"), match.start("body") + len(place), 0.55)


def _beside_telephones(text: str) -> Iterator[Span]:
    """Addresses within some lines of a mobile number."""
    done = 0
    for mobile in _MOBILE.finditer(text):
        for match in _WHERE.finditer(text, max(done, mobile.start() - _PARCEL_WINDOW), mobile.end() + _PARCEL_WINDOW):
            yield Span(match.start(), match.end(), 0.5)
            done = match.end()


def normalise_address(value: str) -> str:
    """Without blanks and punctuation, lower case."""
    return "".join(filter(str.isalnum, fold(value))).lower()
