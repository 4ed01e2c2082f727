"""What belongs to an account or a machine: e-mail, IP addresses, credentials, chat accounts."""

from __future__ import annotations

import ipaddress
import re

from kb_pipeline.privacy.detection import (
    WORD_END,
    WORD_START,
    Detector,
    Span,
    Trigger,
    begin,
    compact,
    fold,
    labelled,
    lowered,
    near,
)

# --- e-mail addresses ----------------------------------------------------------------------------------

_LOCAL = r"A-Za-z0-9._%+\-"
_EMAIL = re.compile(
    rf"{begin(_LOCAL, _LOCAL)}[{_LOCAL}]*+(?:\r?\n)?@(?:\r?\n)?"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,8}(?:xn--[A-Za-z0-9\-]{2,59}"
    r"|[A-Za-z]{2,24})(?![A-Za-z0-9])"
)


_NOBODY = ("git@", "hg@", "svn@")  # accounts that everybody uses
_MESSAGE_ID_BEFORE = re.compile(r"(?:message-id|in-reply-to|content-id|references) ?: ?<\Z", re.IGNORECASE)


def find_emails(text: str) -> list[Span]:
    """Addresses with an ASCII local part and a host name that has a dot; a line may break beside the @."""
    return [
        Span(m.start(), m.end(), 0.99)
        for m in _EMAIL.finditer(text)
        if not m[0].startswith(_NOBODY)
        and text[m.start() - 1 : m.start()] != "@"  # decorators below each other
        and not _MESSAGE_ID_BEFORE.search(text, max(0, m.start() - 16), m.start())
    ]


def normalise_email(value: str) -> str:
    """Lower case, without line breaks and without punctuation that only leans on it."""
    return "".join(fold(value).split()).strip(".-").lower()


# --- IP addresses --------------------------------------------------------------------------------------

_IPV4 = re.compile(r"\d(?<![A-Za-z0-9_.]\d)\d{0,2}\.(?:\d{1,3}\.){2}\d{1,3}(?![A-Za-z0-9_]|\.\d)(?:/\d{1,2}(?!\d))?")
_IPV6 = re.compile(
    rf"{begin('0-9A-Fa-f:', 'A-Za-z0-9_.')}(?:(?<![0-9A-Fa-f:]:[0-9A-Fa-f:])|(?<=[Vv]6:[0-9A-Fa-f]))"
    r"(?=[0-9A-Fa-f]*:)[0-9A-Fa-f:]{2,38}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![A-Za-z0-9_:])"
)
_IP_LABELS = re.compile(
    r"(?P<no>版本|版|章|节|条款|第|(?<![A-Za-z])(?:version|ver|v|release|section|chapter|clause|oid)\.?(?![A-Za-z]))"
    r"|(?P<yes>(?<![A-Za-z])(?:IP|IPv4|host|server|gateway|DNS|address|ping|login|from"
    r"|subnet)(?![A-Za-z])|地址|主机|服务器|网关|登录|访问|://)",
    re.IGNORECASE,
)
_PRODUCT_BEFORE = re.compile("[A-Za-z]/\\Z")  # Chrome/120.0.0.0
_SMALL_OCTET = 20  # sections and versions are numbered with small numbers


def find_ips(text: str) -> list[Span]:
    """IPv4 and IPv6 addresses; four small numbers are an address only where a label says so."""
    spans = []
    for match in _IPV4.finditer(text):
        octets = match[0].partition("/")[0].split(".")
        if any(int(octet) > 255 or (len(octet) > 1 and octet[0] == "0") for octet in octets):
            continue
        if octets[0] == "255" or _PRODUCT_BEFORE.search(text, max(0, match.start() - 2), match.start()):
            continue
        label = labelled(text, match.start(), _IP_LABELS, 16)
        small = all(int(octet) < _SMALL_OCTET for octet in octets) and text[match.end() : match.end() + 1] != ":"
        if label == "yes" or (label is None and not small):
            spans.append(Span(match.start(), match.end(), 0.8))
    longer = (match for match in _IPV6.finditer(text) if len(compact(match[0])) >= 3 and _is_ipv6(match[0]))
    return spans + [Span(match.start(), match.end(), 0.8) for match in longer]


def _is_ipv6(value: str) -> bool:
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return True


def normalise_ip(value: str) -> str:
    address, slash, prefix = fold(value).partition("/")
    try:
        return str(ipaddress.ip_address(address)) + slash + prefix
    except ValueError:
        return fold(value)


# --- credentials ---------------------------------------------------------------------------------------

_KEY_FORMS = (
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA)[0-9A-Z]{16}",
    r"LTAI[0-9A-Za-z]{12,30}",
    r"AKID[0-9A-Za-z]{13,40}",
    r"AIza[0-9A-Za-z_\-]{35}",
    r"(?:sk|pk|rk)[-_](?:live_|test_|proj-|ant-|or-)?[0-9A-Za-z_\-]{16,200}",
    r"gh[pousr]_[0-9A-Za-z]{30,255}",
    r"github_pat_[0-9A-Za-z_]{22,255}",
    r"glpat-[0-9A-Za-z_\-]{20,64}",
    r"xox[abeoprs]-[0-9A-Za-z\-]{10,200}",
    r"hf_[0-9A-Za-z]{30,64}",
    r"npm_[0-9A-Za-z]{36}",
    r"pypi-[0-9A-Za-z_\-]{40,300}",
    r"(?:gsk|whsec|tvly|r8|nvapi|pplx|lin_api|figd|sntrys|dckr_pat|glsa|pul|rubygems)[_-][0-9A-Za-z_\-]{20,200}",
    r"(?:shp(?:at|ca|pa|ss)|do[op]_v1)_[0-9a-f]{32,64}",
    r"ya29\.[0-9A-Za-z_\-]{20,300}",
    r"GOCSPX-[0-9A-Za-z_\-]{20,40}",
    r"EAA[BC][0-9A-Za-z]{30,300}",
    r"\d{8,10}:AA[0-9A-Za-z_\-]{32,35}",
    r"https://hooks\.slack\.com/services/T[0-9A-Z]{8,12}/B[0-9A-Z]{8,12}/[0-9A-Za-z]{20,28}",
    r"SG\.[0-9A-Za-z_\-]{16,32}\.[0-9A-Za-z_\-]{16,64}",
    r"eyJ[0-9A-Za-z_\-]{8,2000}\.eyJ[0-9A-Za-z_\-]{8,4000}\.[0-9A-Za-z_\-]{8,1000}",
)
_KEY = re.compile(rf"{WORD_START}(?:{'|'.join(_KEY_FORMS)})(?![0-9A-Za-z])")
_USER_INFO = re.compile(r"://(?P<value>[^\s/:@<>\"'。，]{0,128}:[^\s/@<>\"'。，]{1,256})@")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.\\\-]{8,8000}?-----END "
    r"(?:[A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
)
_LABELLED_SECRET = re.compile(
    r"(?:(?<![A-Za-z])(?:[A-Za-z0-9]{1,20}[_-]){0,4}(?:passw(?:or)?d|passwd|pwd|secret|token|authorization|bearer"
    r"|api[_ -]?key|access[_ -]?key(?:[_ -]?(?:id|secret))?"
    r"|secret[_ -]?key|client[_ -]?secret|private[_ -]?key(?:[_ -]?id)?)(?![A-Za-z])|密码|口令|密钥|令牌)"
    r"(?:\s?(?:is|改?为|是|已?改成|设置?[为成]|重置[为成]))?[\"']?\s{0,2}[:=]?>?\s{0,2}(?:Bearer |Basic )?"
    r"(?P<quote>[\"'「“]?)(?P<value>[!-~]{6,256})",
    re.IGNORECASE,
)
_SECRET_END = re.compile(r"[\"',;)\]}>]+\Z|[.]\Z")
# Of a labelled value, 256 characters at most, so no lookahead needs to go further.
_SECRET = re.compile(
    r"(?=[!-~]{0,255}?[A-Za-z])(?=[!-~]{0,255}?[0-9])[!-~]+|[0-9]{6,12}|(?=[!-~]{0,255}?[!@#$%^&*_+=])[!-~]{8,}"
)
# In code, what is neither in quotes nor made of letters and digits alone may be a name, or what is called with others.
_EXPRESSION = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)*(?:[(\[{].*)?|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*[(\[{].*")
# Letters alone are a password where that is what the label says, and where nothing but a value can stand.
_PASSWORD_LABEL = re.compile(r"passw(?:or)?d|passwd|pwd|密码|口令", re.IGNORECASE)
_NAMES_ITSELF = re.compile(r"[A-Za-z_]*(?:passw(?:or)?d|pwd|secret|token|key)[A-Za-z_]*", re.IGNORECASE)
_LETTERS = re.compile("[A-Za-z]{6,64}")
_ASSIGNED = re.compile("[A-Z]=|[\"'] ?[:=] ?[\"']|[码令](?:[:是为])")
_ALL_KINDS = re.compile(r"(?=[!-~]*[A-Za-z])(?=[!-~]*[0-9])(?=[!-~]*[@#$%^&*!])[!-~]{8,64}")
_PLACEHOLDER = re.compile(r"[<${\[%]|\*{3}|x{4}|\.{3}|your[_-]|https?://", re.IGNORECASE)


_SAID = re.compile(r"[:=是为成]|\bis\b|bearer|basic", re.IGNORECASE)
_KEY_STARTS = (
    *("akia", "asia", "agpa", "aida", "aroa", "ltai", "akid", "aiza", "sk-", "pk-", "rk-", "sk_", "pk_", "rk_"),
    *(
        "gsk_",
        "whsec_",
        "shpat_",
        "shpca_",
        "shppa_",
        "shpss_",
        "tvly-",
        "r8_",
        "nvapi-",
        "pplx-",
        "dop_v1",
        "doo_v1",
        "lin_api",
    ),
    *(
        "figd_",
        "sntrys_",
        "dckr_pat",
        "glsa_",
        "pul-",
        "rubygems_",
        "ya29.",
        "gocspx",
        "eaac",
        "eaab",
        ":aa",
        "hooks.slack",
    ),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "hf_", "npm_", "pypi-", "sg.", "eyj"),
)
_SECRET_WORDS = ("authorization", "bearer", "passw", "pwd", "secret", "token", "key", "密码", "口令", "密钥", "令牌")
_SECRET_WORD = re.compile("|".join(_SECRET_WORDS))


def find_credentials(text: str) -> list[Span]:
    """User and password in a URL, keys of known forms, private keys, and what is said to be a password."""
    lower = lowered(text)
    spans = []
    if any(start in lower for start in _KEY_STARTS):
        spans += [Span(m.start(), m.end(), 0.98) for m in _KEY.finditer(text)]
    if "://" in text:
        spans += [Span(*m.span("value"), 1.0) for m in _USER_INFO.finditer(text)]
    if "PRIVATE KEY" in text:
        spans += [Span(m.start(), m.end(), 1.0) for m in _PRIVATE_KEY.finditer(text)]
    for match in near(_LABELLED_SECRET, text, _SECRET_WORD.finditer(lower), 100, 300):
        start, end = match.span("value")
        behind = text[match.start() : start]
        value = _SECRET_END.sub("", match["value"])
        quoted = match["quote"] or not _EXPRESSION.fullmatch(match["value"].rstrip(",;"))
        said = quoted and _SAID.search(behind) and _SECRET.fullmatch(value)
        no_value = _PLACEHOLDER.match(value) or _NAMES_ITSELF.fullmatch(value)
        if no_value or not (said or _is_password(behind, value)):
            continue
        spans.append(Span(start, end - len(match["value"]) + len(value), 0.85))
    return spans


def _is_password(behind: str, value: str) -> bool:
    """Whether `value`, with what stands from its label on `behind` it, is a password of letters, or without a sign."""
    if _PASSWORD_LABEL.search(behind) is None:
        return False
    alone = _LETTERS.fullmatch(value) and _ASSIGNED.search(behind)
    return bool(alone or _ALL_KINDS.fullmatch(value))


def same(value: str) -> str:
    """Every character counts."""
    return value


# --- chat accounts -------------------------------------------------------------------------------------

_CHAT = re.compile(  # over text in lower case
    rf"(?:qq(?:号码|号)?(?!群)|oicq)\s{{0,2}}[:是为]?\s{{0,2}}(?P<qq>[1-9]\d{{4,11}}){WORD_END}"
    r"|(?:微信(?!公众|支付|小程序|群|读书)(?:号码|号|id)?|(?:wechat|weixin|wxid|vx)(?: ?(?:id"
    r"|no\.?|account))?(?![a-z]))"
    r"(?:\s?(?:is|是|为))?\s{0,2}[:(]?\s{0,2}(?P<wechat>[a-z][a-z0-9_\-]{5,19})(?![a-z0-9_@])"
)
_CHAT_WORDS = ("qq", "oicq", "微信", "wechat", "weixin", "wxid", "vx")
_CHAT_WORD = re.compile("|".join(_CHAT_WORDS))
_NO_ACCOUNT = frozenset(
    {"official", "account", "payment", "wechat", "weixin", "message", "messages", "mini-program", "public"}
)


_LETTER = re.compile("[A-Za-z]")


def find_chat_accounts(text: str) -> list[Span]:
    """QQ numbers and WeChat names right behind their label."""
    lower = lowered(text)
    return [
        Span(match.start(kind), match.end(kind), 0.72)
        for match in near(_CHAT, lower, _CHAT_WORD.finditer(lower), 0, 60)
        if (kind := match.lastgroup)
        and match[kind] not in _NO_ACCOUNT
        and not (match[0][0].isascii() and _LETTER.fullmatch(text[max(0, match.start() - 1) : match.start()]))
    ]


def normalise_account(value: str) -> str:
    return fold(value).lower()


NETWORK = (
    Detector("EMAIL_ADDRESS", Trigger(("@",)), find_emails, normalise_email),
    Detector(
        "IP_ADDRESS",
        Trigger(pattern=re.compile(r"[\d:](?:(?<=\d)\.\d{1,3}\.\d{1,3}\.\d|(?<=:)[0-9A-Fa-f]{0,4}:)")),
        find_ips,
        normalise_ip,
    ),
    Detector("CREDENTIAL", Trigger(("://", *_KEY_STARTS, *_SECRET_WORDS)), find_credentials, same),
    Detector(
        "CHAT_ACCOUNT",
        Trigger(_CHAT_WORDS),
        find_chat_accounts,
        normalise_account,
    ),
)
