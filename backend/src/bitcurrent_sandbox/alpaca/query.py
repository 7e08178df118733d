"""Reads query parameters; every fault is the venue's own refusal."""

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca import errors


def moment(query: dict[str, str], name: str) -> int | None:
    """Microseconds of a time parameter, or None when absent."""
    value = query.get(name)
    if not value:
        return None
    try:
        return clock.micros(value)
    except (ValueError, OverflowError) as error:
        raise errors.malformed(f"invalid {name}: {value[:60]}") from error


def count(query: dict[str, str], name: str, *, usual: int, most: int) -> int:
    """A whole number from 1 to `most`."""
    value = query.get(name)
    if not value:
        return usual
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= most:
        raise errors.malformed(f"invalid {name}: {value[:60]}")
    return int(value)


def words(query: dict[str, str], *names: str) -> list[str]:
    """A list written with commas, under the first of the names that is there."""
    for name in names:
        if query.get(name):
            return [word.strip() for word in query[name].split(",") if word.strip()]
    return []


def choice(query: dict[str, str], name: str, options: tuple[str, ...]) -> str:
    """One of the options; the first when absent."""
    value = query.get(name) or options[0]
    if value not in options:
        raise errors.malformed(f"invalid {name}: {value[:60]}")
    return value


def flag(query: dict[str, str], name: str) -> bool:
    """A boolean; the Python SDK writes it `True`."""
    return query.get(name, "").lower() in ("true", "1", "t")
