"""Every letter can be written, says the same in text and HTML, and carries nobody's words but ours."""

import re
from html import unescape
from importlib import resources

import pytest

from bitcurrent.notifications.letters import (
    LETTERS,
    TEXT_LENGTH_MAX,
    UNSUBSCRIBE,
    BadTemplate,
    read_letter,
    write,
    write_note,
    write_text,
)
from bitcurrent.notifications.preview import samples
from bitcurrent.notifications.topics import TOPICS

BASE_URL = "https://broker.example"


def _values(template: str) -> dict[str, str]:
    return {name: f"the-{name}" for name in LETTERS[template].names | {"token"}}


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


PURPOSES = {letter.purpose for letter in LETTERS.values() if letter.purpose} | {UNSUBSCRIBE}


@pytest.mark.parametrize("purpose", sorted(PURPOSES))
def test_the_page_behind_the_links_knows_what_each_is_for(purpose: str) -> None:
    script = resources.files("bitcurrent.identity.accounts.pages").joinpath("link.js").read_text("utf-8")
    assert f"  {purpose}: {{" in script


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
        assert not re.findall(r"<(img|link|script|iframe)\b|url\(|@import", page)


def test_a_letter_is_made_for_dark_screens_too() -> None:
    page = write("password_changed", {"when": "now", "address": "here"}, BASE_URL).html
    assert 'name="color-scheme" content="light dark"' in page
    assert "prefers-color-scheme: dark" in page


def test_only_what_may_be_switched_off_says_where() -> None:
    for template, letter in LETTERS.items():
        written = write(template, _values(template), BASE_URL, unsubscribe="signed")
        assert written.is_essential == TOPICS[letter.topic].essential
        link = f"{BASE_URL}/account/link#unsubscribe=signed"
        assert (link in written.text, f'href="{link}"' in written.html) == (not written.is_essential,) * 2


@pytest.mark.parametrize("template", [name for name, letter in LETTERS.items() if letter.phone])
def test_a_text_is_short_and_holds_no_link(template: str) -> None:
    text = write_text(template, _values(template))
    assert text.startswith("BitCurrent: ")
    assert len(text) <= 160
    assert "http" not in text
    assert len(write_text(template, dict.fromkeys(_values(template), "x" * 499))) <= TEXT_LENGTH_MAX


@pytest.mark.parametrize("template", LETTERS)
def test_a_note_holds_no_token(template: str) -> None:
    assert "the-token" not in write_note(template, _values(template)).body


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("Subject: Tea\n\nWords.\n", "a topic"),
        ("Subject: Tea\nTopic: tea\n\nWords.\n", "a topic"),
        ("Topic: security\n\nWords.\n", "a subject"),
        ("Subject: Tea\nTopic: security\n\n", "words"),
        ("Subject: Tea\nTopic: security\nBcc: everybody\n\nWords.\n", "no line of a letter's head"),
        ("Subject: Tea\nSubject: Coffee\nTopic: security\n\nWords.\n", "no line of a letter's head"),
        ("Subject: Tea\nTopic: security\nAction: Drink\n\nWords.\n", "both"),
        ("Subject: Tea\nTopic: deposits\nText: Drink\n\nWords.\n", "nobody can choose"),
    ],
)
def test_a_file_that_is_no_letter_is_refused_with_its_name(source: str, why: str) -> None:
    with pytest.raises(BadTemplate, match=f"tea.txt.*{why}"):
        read_letter("tea.txt", source)


def test_every_letter_can_be_looked_at_with_a_sample_of_each_value() -> None:
    for one in samples(BASE_URL):
        unknown = [name for name in one.names if f"({name})" in one.text + (one.phone or "")]
        assert unknown == [], f"{one.template}: give the preview a sample of {unknown}"
