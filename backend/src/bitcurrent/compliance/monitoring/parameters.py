"""What each rule can be told: typed, and bounded so that no version can be impossible."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, get_args

import msgspec

from bitcurrent.compliance.monitoring.model import MARK_KINDS, RULE_NAMES, MarkKind, RuleName, ThresholdImpossible
from bitcurrent.kernel.money import plain

Count = Annotated[int, msgspec.Meta(ge=2, le=500)]
Hours = Annotated[int, msgspec.Meta(ge=1, le=24 * 90)]
Days = Annotated[int, msgspec.Meta(ge=1, le=400)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]

WORTH_MAX: Final = Decimal(1_000_000_000)


class _Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Amounts are USD, and more than nothing."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal) and not (value.is_finite() and 0 < value <= WORTH_MAX):
                raise ValueError(f"{name} must be more than 0 and at most {plain(WORTH_MAX)}")

    @property
    def window(self) -> timedelta:
        """How far it looks back; one alert for a customer within that time."""
        hours, days = getattr(self, "hours", 0), getattr(self, "days", 0)
        return timedelta(hours=hours, days=days)


class Structuring(_Parameters, frozen=True, kw_only=True):
    """Several amounts just under a limit."""

    limit: Decimal = Decimal(1_000)
    margin_percent: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10
    count: Count = 3
    hours: Hours = 72


class Velocity(_Parameters, frozen=True, kw_only=True):
    """Money in and out more often, or more of it, than people need."""

    count: Count = 20
    worth: Decimal = Decimal(50_000)
    hours: Hours = 24


class PassThrough(_Parameters, frozen=True, kw_only=True):
    """In by card and out again, with hardly a trade between."""

    minimum: Decimal = Decimal(1_000)
    out_percent: Percent = 80
    traded_percent: Percent = 20
    hours: Hours = 48


class DormantLarge(_Parameters, frozen=True, kw_only=True):
    """Nothing for a long time, then much."""

    days: Days = 180
    minimum: Decimal = Decimal(5_000)


class ManyCards(_Parameters, frozen=True, kw_only=True):
    """More cards than a person has."""

    cards: Annotated[int, msgspec.Meta(ge=2, le=50)] = 4
    days: Days = 30


class SharedMarks(_Parameters, frozen=True, kw_only=True):
    """Several customers with one card, one destination, or one device."""

    customers: Annotated[int, msgspec.Meta(ge=2, le=100)] = 3
    kinds: tuple[MarkKind, ...] = MARK_KINDS
    days: Days = 30

    def __post_init__(self) -> None:
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise ValueError("kinds names at least one kind, and each once")


class NewAddressDrain(_Parameters, frozen=True, kw_only=True):
    """Nearly everything to a destination that was saved a moment ago: an account that somebody has taken over."""

    minimum: Decimal = Decimal(5_000)
    share_percent: Percent = 80
    hours: Hours = 72


class Wash(_Parameters, frozen=True, kw_only=True):
    """Buying and selling the same over and over, with nothing gained."""

    minimum: Decimal = Decimal(10_000)
    flips: Annotated[int, msgspec.Meta(ge=2, le=500)] = 6
    matched_percent: Percent = 90
    hours: Annotated[int, msgspec.Meta(ge=1, le=72)] = 1


class CardCountry(_Parameters, frozen=True, kw_only=True):
    """A card of another country than the customer's home."""

    minimum: Decimal = Decimal(500)
    allowed: tuple[Country, ...] = ()
    days: Days = 30


Parameters = (
    Structuring | Velocity | PassThrough | DormantLarge | ManyCards | SharedMarks | NewAddressDrain | Wash | CardCountry
)

KINDS: Final[Mapping[RuleName, type[Parameters]]] = dict(zip(RULE_NAMES, get_args(Parameters), strict=True))


def read_parameters(name: RuleName, values: Mapping[str, Any]) -> Parameters:
    """A rule's parameters out of plain values; what is left out is as the house comes. Raises ThresholdImpossible."""
    # Amounts are text on every wire: a number of JSON's would be a binary fraction.
    for key, value in values.items():
        if isinstance(value, float):
            raise ThresholdImpossible(f'The rule {name} takes {key} as text, such as "0.5".', field="parameters")
    try:
        return msgspec.convert(dict(values), KINDS[name], strict=True)
    except msgspec.ValidationError as error:
        raise ThresholdImpossible(f"The rule {name} cannot work like that: {error}.", field="parameters") from None


def with_settings(name: RuleName, values: Mapping[str, Any], settings: Sequence[str]) -> Parameters:
    """The same with `name=value` texts from a command line over them; raises ThresholdImpossible."""
    changed = dict(values)
    known = {field.name: field.type for field in msgspec.structs.fields(KINDS[name])}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or key not in known:
            raise ThresholdImpossible(
                f"The rule {name} has no setting {key!r}: write one of {', '.join(known)} as name=value.",
                field="parameters",
            )
        if key in {"kinds", "allowed"}:
            changed[key] = [part for part in text.split(",") if part]
        elif known[key] is Decimal:
            changed[key] = text
        else:
            changed[key] = int(text) if text.isascii() and text.isdigit() else text
    return read_parameters(name, changed)


def written(parameters: Parameters) -> dict[str, Any]:
    """The parameters as they are stored and shown: amounts as text."""
    plain_values: dict[str, Any] = msgspec.to_builtins(parameters)
    return plain_values
