"""Every letter can be written, says the same in text and HTML, and carries nobody's words but ours."""

import re
from html import unescape
from string import Template

import pytest

from bitcurrent.notifications.letters import LETTERS, write

BASE_URL = "https://broker.example"


def _values(template: str) -> dict[str, str]:
    letter = LETTERS[template]
    names = {name for text in (*letter.paragraphs, *letter.closing) for name in Template(text).get_identifiers()}
    return {name: f"the-{name}" for name in names | {"token"}}


@pytest.mark.parametrize("template", LETTERS)
def test_a_letter_says_the_same_in_both_forms(template: str) -> None:
    letter = write(template, _values(template), BASE_URL)
    assert letter.subject
    assert "\n" not in letter.subject
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", letter.html.partition("<body")[2])).split())
    for paragraph in letter.text.split("\n\n")[:-1]:
        if not paragraph.startswith(str(LETTERS[template].action)):
            assert " ".join(paragraph.split()) in words
    assert "$" not in letter.text + letter.html


@pytest.mark.parametrize("template", [name for name, letter in LETTERS.items() if letter.purpose])
def test_a_link_is_the_same_in_both_forms_and_its_token_reaches_no_server(template: str) -> None:
    letter = write(template, _values(template), BASE_URL)
    (link,) = re.findall(r"https://\S+", letter.text)
    (target,) = re.findall(r'href="([^"]+)"', letter.html)
    assert unescape(target) == link == f"{BASE_URL}/account/link#{LETTERS[template].purpose}=the-token"


def test_values_are_escaped_and_lose_their_control_characters() -> None:
    values = {"when": "now", "address": '<script>alert("x")</script>\r\nBcc: everybody@example.test'}
    letter = write("password_changed", values, BASE_URL)
    assert "<script" not in letter.html
    assert "&lt;script&gt;" in letter.html
    assert "\r" not in letter.text
    assert "\nBcc:" not in letter.text


def test_a_letter_loads_nothing_from_anywhere() -> None:
    for template in LETTERS:
        page = write(template, _values(template), BASE_URL).html
        assert not re.findall(r"<(img|link|script|iframe|style)\b|url\(|@import", page)
