"""What the settings may name: entity types, what can be done with them, and ready-made policies.

Terms
  entity     a kind of personal data, such as CN_MOBILE.
  action     keep: leave it. mask: show a few characters of it (138****5678). pseudonym: put a name in its place
             that is the same for equal values, so that it can still be searched. remove: leave nothing.
  preset     an action for every entity.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

Action = Literal["keep", "mask", "pseudonym", "remove"]
ACTIONS: tuple[Action, ...] = get_args(Action)
Preset = Literal["default", "strict", "finance"]

DENIED = "DENIED"  # what a site's own deny list finds

ENTITIES: dict[str, str] = {
    "CN_RESIDENT_ID": "resident ID cards (18 and 15 digits), residence permits, foreigners' cards",
    "CN_USCC": "unified social credit codes",
    "PASSPORT": "passport numbers behind a label",
    "TRAVEL_PERMIT": "permits for Hong Kong, Macau, Taiwan and the mainland, behind a label",
    "ID_NUMBER": "numbers of other papers, cards, vehicles and devices behind a label, also in Chinese digits",
    "LICENSE_PLATE": "mainland licence plates, new-energy ones included",
    "US_SSN": "United States social security numbers",
    "IBAN_CODE": "international bank account numbers",
    "CN_MOBILE": "mainland mobile numbers",
    "CN_LANDLINE": "mainland landline numbers",
    "PHONE_NUMBER": "all other telephone numbers",
    "BANK_CARD": "payment card numbers",
    "BANK_ACCOUNT": "bank account numbers behind a label",
    "EMAIL_ADDRESS": "e-mail addresses",
    "IP_ADDRESS": "IPv4 and IPv6 addresses",
    "CREDENTIAL": "passwords, keys and tokens",
    "CHAT_ACCOUNT": "QQ and WeChat accounts behind a label",
    "PERSON": "names beside a label or a title",
    "DATE_OF_BIRTH": "dates of birth",
    "ADDRESS": "postal addresses",
    "AMOUNT": "amounts of money",
    "CRYPTO": "bitcoin addresses",
    "US_ITIN": "United States taxpayer numbers",
    "US_DRIVER_LICENSE": "United States driver licences",
    "US_BANK_NUMBER": "United States bank account numbers",
    "UK_NHS": "United Kingdom health service numbers",
    "UK_NINO": "United Kingdom national insurance numbers",
    "MEDICAL_LICENSE": "United States medical licences",
    DENIED: "what the site's deny list names",
}

_ALL_PSEUDONYMS: dict[str, Action] = dict.fromkeys(ENTITIES, "pseudonym")
# Fines, prices and figures are what most documents are about, and nobody's.
_WITHOUT_AMOUNTS: dict[str, Action] = {**_ALL_PSEUDONYMS, "AMOUNT": "keep"}
PRESETS: dict[Preset, dict[str, Action]] = {
    "default": _WITHOUT_AMOUNTS,
    "strict": _ALL_PSEUDONYMS,
    "finance": _WITHOUT_AMOUNTS,  # what `default` was called while that masked amounts
}


def unknown_entities(names: Iterable[str]) -> str | None:
    """A sentence about the names among `names` that are no entities, with all that are; None when there are none."""
    unknown = sorted(set(names) - set(ENTITIES))
    if not unknown:
        return None
    return f"masking does not know {', '.join(unknown)}; it knows {', '.join(ENTITIES)}"
