"""API keys on the wire."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from bitcurrent.identity import model
from bitcurrent.identity.keys import NewApiKey
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

# Generous bounds: the model's own checks say what is wrong in better words.
Label = Annotated[str, msgspec.Meta(max_length=300)]
Scopes = Annotated[list[model.Scope], msgspec.Meta(min_length=1, max_length=2)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
NetworkList = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=64)]],
    msgspec.Meta(
        max_length=100,
        description="Where the key may be used from: 203.0.113.7, 203.0.113.0/24, 2001:db8::/32. Empty: anywhere.",
    ),
]
SymbolList = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=41)]],
    msgspec.Meta(max_length=100, description="The markets that the key may trade: BTC/USD. Empty: all."),
]
SIGNED = "Only signed requests (X-BC-Signature) work: the secret itself is never sent. See docs/api-keys.md."
CAP = "The most, in USD, that orders placed with the key may be worth in a day (UTC). Null: no cap."


class CreateApiKey(Request, frozen=True, kw_only=True):
    """Make a key for a program."""

    label: Label
    scopes: Scopes
    expires_at: Moment | None = None
    networks: NetworkList = msgspec.field(default_factory=list)
    symbols: SymbolList = msgspec.field(default_factory=list)
    daily_notional: Amount | None = None
    require_signature: bool = False


class ChangeApiKey(Request, frozen=True, kw_only=True):
    """Change a key; what is left out stays. Null takes an end or a cap away, an empty list allows all."""

    label: Label | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET
    networks: NetworkList | UnsetType = UNSET
    symbols: SymbolList | UnsetType = UNSET
    daily_notional: Amount | UnsetType | None = UNSET
    require_signature: bool | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """What was sent."""
        sent = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in sent.items() if value is not UNSET}


class ApiKey(Answer, frozen=True, kw_only=True):
    """A key for a program, without its secret."""

    key_id: str
    label: str
    scopes: list[model.Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_address: str | None
    networks: list[str]
    symbols: list[str]
    daily_notional: Amount | None
    used_today: Amount
    require_signature: bool


class ApiKeyCreated(Answer, frozen=True, kw_only=True):
    """A new key. The secret is shown this once: a repeated request answers it as null."""

    api_key: ApiKey
    secret_key: str | None


def api_key(value: model.ApiKey) -> ApiKey:
    """A key as an answer."""
    limits = value.limits
    networks = limits.networks if limits else None
    symbols = limits.symbols if limits else None
    cap = limits.daily_notional if limits else None
    return ApiKey(
        key_id=value.key_id,
        label=value.label,
        scopes=sorted(value.scopes),
        created_at=value.created_at,
        expires_at=value.expires_at,
        revoked_at=value.revoked_at,
        last_used_at=value.last_used_at,
        last_used_address=value.last_used_address,
        networks=networks.texts() if networks else [],
        symbols=sorted(symbols) if symbols else [],
        daily_notional=None if cap is None else Amount(cap),
        used_today=Amount(value.used_today),
        require_signature=limits.require_signature if limits else False,
    )


def api_key_created(value: NewApiKey) -> ApiKeyCreated:
    """A new key as an answer, with its secret."""
    return ApiKeyCreated(api_key=api_key(value.key), secret_key=value.secret)
