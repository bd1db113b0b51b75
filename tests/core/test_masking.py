from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundswell.core.masking import mask, mask_value

BOTH = ("email", "card")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail ada@example.org now", "mail [email] now"),
        ("<ada.b+c@mail.example.co.uk>,", "<[email]>,"),
        ("a@b.de;c@d.de", "[email];[email]"),
        ("paid with 4111 1111 1111 1111.", "paid with [card]."),
        ("card=5500-0055-5555-5559", "card=[card]"),
        ('{"pan":"378282246310005"}', '{"pan":"[card]"}'),
        ("6011111111111117", "[card]"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str):
    assert mask(text, BOTH) == masked


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn says no
        "0000000000000000",
        "2026-11-30T09:09:19.143199Z took 0.0212 s",
        "commit 4111111111111111aa",
        "git@host without a name",
        "@decorator and user@localhost",
        "repo:src/app.py#L1-L9",
        "10.1.2.3:8080 4096 17592186044416",
    ],
)
def test_what_is_none_is_left_alone(text: str):
    assert mask(text, BOTH) == text


def test_only_what_is_asked_for_is_masked():
    text = "a@b.de 6011111111111117"
    assert mask(text, ["card"]) == "a@b.de [card]"
    assert mask(text, ["email"]) == "[email] 6011111111111117"
    assert mask(text, []) == text


def test_values_are_masked_wherever_they_stand():
    value = {"a@b.de": ["6011111111111117", 3, None, ("x", "c@d.de")]}
    assert mask_value(value, BOTH) == {"[email]": ["[card]", 3, None, ("x", "[email]")]}


@given(st.dictionaries(st.text(), st.lists(st.text())))
def test_masking_twice_changes_nothing_more(value: Any):
    once = mask_value(value, BOTH)
    assert mask_value(once, BOTH) == once
