"""What a customer writes into the statement of a category, checked against the fields that it asks for. Pure."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from bitcurrent.compliance.conduct.packs import Field, Kind
from bitcurrent.kernel.errors import Invalid

TEXT_LENGTH_MAX: Final = 100
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,12}", re.ASCII)


def checked_answers(kind: Kind, answers: Mapping[str, str], *, today: date) -> Mapping[str, str]:
    """What a statement asks for, every rule checked; raises Invalid, naming the field, the limit and its value."""
    known = {field.name: field for field in kind.fields}
    if strange := set(answers) - set(known):
        raise Invalid(f"The statement '{kind.name}' asks for nothing of this name.", field=f"answers.{min(strange)}")
    given = {name: _checked(known[name], " ".join(text.split()), today) for name, text in answers.items()}
    if len(given) < kind.needs:
        missing = next(name for name in known if name not in given)
        raise Invalid(
            f"The statement '{kind.name}' needs {kind.needs} of: {', '.join(known)}.",
            field=f"answers.{missing}",
            details={"minimum": str(kind.needs)},
        )
    return given


def _checked(field: Field, text: str, today: date) -> str:
    where = f"answers.{field.name}"
    if field.kind == "number":
        if not _NUMBER.fullmatch(text):
            raise Invalid("Write a whole number.", field=where)
        if not field.minimum <= int(text) <= field.maximum:
            raise Invalid(
                f"This statement is for numbers from {field.minimum} to {field.maximum}.",
                field=where,
                details={"minimum": str(field.minimum), "maximum": str(field.maximum)},
            )
        return str(int(text))
    if field.kind == "date":
        return _checked_day(field, text, today)
    if not 2 <= len(text) <= TEXT_LENGTH_MAX or not text.isprintable():
        raise Invalid(f"Write 2 to {TEXT_LENGTH_MAX} characters.", field=where)
    return text


def _checked_day(field: Field, text: str, today: date) -> str:
    where = f"answers.{field.name}"
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise Invalid("Write a day like 2026-01-31.", field=where)
    months = (today.year - day.year) * 12 + today.month - day.month - (today.day < day.day)
    if day > today or months >= field.months:
        raise Invalid(
            f"This has to be a day of the last {field.months} months.",
            field=where,
            details={"months": str(field.months)},
        )
    return day.isoformat()
