"""Passwords that somebody who guesses would try first are refused; long odd ones of any characters are not."""

import pytest

from bitcurrent.identity.strength import CommonPassword, PasswordIsOwnName, check_password
from bitcurrent.kernel.errors import Invalid


@pytest.mark.parametrize(
    "password",
    [
        "Password1234!",
        "P@ssw0rd1234",
        "123456789012",
        "qwertyuiopas",
        "qwertyuiopasdfgh",
        "1qaz2wsx3edc",
        "aaaaaaaaaaaaaaaa",
        "abababababab",
        "dragondragondragon",
        "monkey!!!!!!!!",
        "11223344556677",
        "!!!sunshine2024",
        "iloveyou1234",
        "LETMEIN-letmein-letmein",
        "abcdefghijklmnop",
        "ｐａｓｓｗｏｒｄ１２３４",
    ],
)
def test_common_ones_and_their_variations_are_refused(password: str) -> None:
    with pytest.raises(CommonPassword):
        check_password(password, email="somebody@example.test", name="Some Body")


@pytest.mark.parametrize(
    ("password", "email", "name"),
    [
        ("ann-lee-is-great", "ann.lee@example.test", "A"),
        ("xx ANNLEE 20 xx", "ann.lee@example.test", "A"),
        ("my name is quillon", "q@example.test", "Quillon Smith"),
        ("smithsmithereens", "q@example.test", "Quillon Smith"),
        ("1999-quillon.smith", "q@example.test", "Quillon Smith"),
    ],
)
def test_those_made_of_the_name_or_address_are_refused(password: str, email: str, name: str) -> None:
    with pytest.raises(PasswordIsOwnName) as refusal:
        check_password(password, email=email, name=name, field="new_password")
    assert refusal.value.field == "new_password"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "zq8vKp2LmWx4",
        "ein ganz anderes Wort",
        "пароль из многих слов",
        "🐴🔋📎 and then some more",
        "ab3f-kk2p-9dd1-qqq2",
        "x" * 40 + "many different letters follow" + "y" * 59,
    ],
)
def test_others_of_any_characters_are_taken(password: str) -> None:
    check_password(password, email="an@example.test", name="An O")


@pytest.mark.parametrize("length", [0, 11, 129, 1000])
def test_the_length_is_12_to_128(length: int) -> None:
    with pytest.raises(Invalid) as refusal:
        check_password(("a1b2c3d4" * 200)[:length], email="a@example.test", name="A")
    assert refusal.value.details == {"minimum": "12", "maximum": "128"}
