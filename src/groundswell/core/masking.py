"""Masks personal data: e-mail addresses and card numbers. Telemetry alone is masked; answers and evidence are not.

A card number is 13 to 19 digits, in groups or not, that begin as a card's do and pass Luhn's check.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

Personal = Literal["email", "card"]
EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9_%+-])?"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
CARD = re.compile(r"(?<![0-9A-Za-z.])[2-6](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z])")
DIGIT = re.compile(r"[0-9](?:[ -]?[0-9]){12}")


def mask(text: str, what: Collection[Personal]) -> str:
    """The text with `[email]` and `[card]` in their places."""
    if "email" in what and "@" in text:
        text = EMAIL.sub("[email]", text)
    if "card" in what and len(text) >= 13 and DIGIT.search(text):
        text = CARD.sub(lambda found: "[card]" if _luhn(found[0]) else found[0], text)
    return text


def mask_value(value: Any, what: Collection[Personal]) -> Any:
    """A JSON-like value with all its texts masked."""
    if isinstance(value, str):
        return mask(value, what)
    if isinstance(value, Mapping):
        return {mask_value(key, what): mask_value(held, what) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mask_value(held, what) for held in value)
    return value


def _luhn(number: str) -> bool:
    digits = [int(character) for character in number if character.isdigit()]
    if len(set(digits)) == 1:
        return False
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
