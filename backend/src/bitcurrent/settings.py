"""Settings: everything that differs between one installation and another, read once from BITCURRENT_ variables.

A variable may be given as NAME_FILE instead, naming a file that holds the value (secrets mounted by an orchestrator).
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bitcurrent.kernel.crypto import BadKeys, Vault
from bitcurrent.kernel.networks import PRIVATE, Networks

PASSWORD_COST = 12
"""What bcrypt costs at least in production: a quarter of a second for each guess."""
PREFIX = "BITCURRENT_"
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Secret = Annotated[str, msgspec.Meta(min_length=32)]


class SettingsError(Exception):
    """A variable is missing or cannot be used; the message names it and never shows a value."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One installation. Field `database_url` is read from BITCURRENT_DATABASE_URL, and so on."""

    database_url: str
    redis_url: str
    secret_key: Secret
    password_pepper: Secret
    # What bcrypt costs: each step doubles it. Less than PASSWORD_COST is for tests, which hash for hundreds of people.
    password_cost: Annotated[int, msgspec.Meta(ge=4, le=16)] = PASSWORD_COST
    # "id:base64,id:base64": the current key first, then those that old records may still need.
    encryption_keys: Secret
    blind_index_key: Secret
    alpaca_key_id: str
    alpaca_secret_key: str
    alpaca_trading_url: str
    alpaca_data_url: str
    alpaca_stream_url: str
    alpaca_data_stream_url: str
    env: Literal["demo", "production"] = "production"
    owner_database_url: str = ""
    host: str = "127.0.0.1"
    port: Port = 8000
    live_port: Port = 8001
    worker_port: Port = 8006
    base_url: str = "http://127.0.0.1:8000"
    live_url: str = "ws://127.0.0.1:8001"
    allowed_origins: str = ""
    # How long the law wants a closed account's personal data kept before it may be erased: five years by default.
    erase_after_days: Annotated[int, msgspec.Meta(ge=0, le=36_525)] = 1_826
    # The rules for customers whose country we do not know, and whether those of the jurisdiction `none` have to go on
    # from the warning before they pay in or buy (or are only offered it).
    default_jurisdiction: Literal["uk", "us", "none"] = "none"
    risk_acknowledgement: Literal["required", "offered"] = "required"
    # Addresses or networks, with commas, whose X-Forwarded-For is believed; nobody's by default.
    trusted_proxies: str = ""
    # Addresses or networks, with commas, that the back office (/api/admin) is open to. Empty: nobody in production,
    # this machine and private networks in a demo.
    admin_networks: str = ""
    # /metrics of the API, on 127.0.0.1 only; 0 serves none.
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    # Withdrawals up to this worth in USD that screening has cleared need nobody; above, two operators.
    withdrawal_automatic_usd: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 1_000
    # Our own bank accounts, from which batches of withdrawals are paid, and whose they are:
    # "EUR=iban:DE89…,GBP=gb:204514:12345678,USD=us:021000021:123456789". Without one of a currency no batches of it.
    bank_holder: Annotated[str, msgspec.Meta(min_length=2, max_length=70)] = "BitCurrent"
    bank_own_accounts: str = ""
    # The demo's bank, which answers our files by itself and pays nobody; refused in production.
    demo_bank: bool = False
    # Every budget of requests is multiplied by this; for measurements and tests, which come from one address.
    rate_limit_factor: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    # How long everybody is told before every second factor of an account is removed: three days by default.
    lost_factor_wait_seconds: Annotated[int, msgspec.Meta(ge=1, le=31_536_000)] = 259_200
    # How long a new bank account or withdrawal address waits before money can leave to it: a day by default.
    destination_wait_seconds: Annotated[int, msgspec.Meta(ge=0, le=31_536_000)] = 86_400
    # From this worth on, in USD, a transfer of coins must say who receives it (the Travel Rule); 0 always.
    travel_rule_usd: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 1_000
    # Texts (codes by SMS, an extra): without account, token and sender none are sent.
    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    twilio_from: str = ""
    twilio_url: str = "https://api.twilio.com"
    # Cards (deposits, refunds): without a key none are taken; without the webhooks' secret their webhooks are refused.
    stripe_api_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_url: str = "https://api.stripe.com"
    # Whoever checks identities: without address and key every check is made by people; without the webhooks' secret
    # their webhooks are refused, and the provider is asked again and again.
    identity_url: str = ""
    identity_api_key: str = ""
    identity_webhook_secret: str = ""
    # Whether the processor pays out to our bank by itself: then payouts are booked, otherwise each one is a break.
    stripe_payouts: Literal["none", "automatic"] = "none"
    stripe_since: str = ""
    reconcile_seconds: Annotated[int, msgspec.Meta(ge=5, le=86_400)] = 60
    # What a deposit by card costs the customer, its smallest amount in any currency, and for how many days its money
    # cannot leave: the longest that fits of a usual card, one without 3-D Secure, a risky one, a first deposit.
    deposit_fee_bps: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 150
    deposit_minimum: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10
    deposit_release_days: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+=\d{1,3}(,[a-z]+=\d{1,3})*$")] = (
        "normal=3,unauthenticated=7,elevated=14,first=7"
    )
    # Exchange rates: the address of a file such as eurofxref-daily.xml, or "EUR/USD=1.08,GBP/USD=1.27"; neither: none.
    fx_url: str = ""
    fx_rates: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3}/USD=\d+(\.\d+)?(,|$))*$")] = ""
    fx_spread_bps: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 50
    # A reference rate of before Easter is four days old when the next one comes.
    fx_age_seconds_max: Annotated[int, msgspec.Meta(ge=60, le=2_592_000)] = 432_000
    # Refunds by operators above so much of a currency need a second person.
    refund_approval_above: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1_000
    # Stops an asset by itself when its price jumps or is no longer heard. Off is for tests that move prices at will.
    circuit_breaker: bool = True
    api_workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    alpaca_requests_per_minute: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 200
    venue_missing_seconds: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 60
    venue_heal_seconds: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 15
    # smtp://host:port, smtp+starttls://user:password@host:port or smtps://…; without it letters wait and are not sent.
    smtp_url: str = ""
    mail_from: str = "BitCurrent <no-reply@bitcurrent.example>"
    # 32 random bytes in base64url that sign the audit log's heads, and the file they are added to; both or no heads.
    audit_signing_key: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_-]{43}=?)?$")] = ""
    audit_heads: str = ""
    database_connections_min: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    database_connections_max: Annotated[int, msgspec.Meta(ge=2, le=200)] = 20
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def secure_cookies(self) -> bool:
        """Cookies are Secure and __Host- when the public address is https."""
        return self.base_url.startswith("https://")

    def open_admin_networks(self) -> Networks:
        """From where operators may come; raises ValueError for what is no network."""
        if self.env == "demo" and not self.admin_networks.strip():
            return Networks.of(PRIVATE)
        return Networks.parse(self.admin_networks)

    def processor_since(self) -> datetime | None:
        """From when the processor's lines are ours; raises msgspec.ValidationError for what is none with its zone."""
        if not self.stripe_since:
            return None
        since: datetime = msgspec.convert(self.stripe_since, Annotated[datetime, msgspec.Meta(tz=True)])
        return since

    def open_vault(self) -> Vault:
        """What encrypts and decrypts at rest; raises BadKeys, which shows no key."""
        return Vault.from_text(self.encryption_keys, self.blind_index_key)

    def __repr__(self) -> str:
        return f"Settings(env={self.env!r}, base_url={self.base_url!r})"  # never the secrets


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in `environ`; raises `SettingsError` naming the variable that is missing or wrong."""
    values: dict[str, str] = {}
    for field in msgspec.structs.fields(Settings):
        name = PREFIX + field.encode_name.upper()
        value = _from_variable_or_file(environ, name)
        if value is not None:
            values[field.encode_name] = value
        elif field.required:
            raise SettingsError(f"{name} is not set. See docs/settings.md for what it holds.")
    try:
        settings = msgspec.convert(values, Settings, strict=False)
        if settings.env == "production" and settings.password_cost < PASSWORD_COST:
            raise SettingsError(f"{PREFIX}PASSWORD_COST cannot be used: less than {PASSWORD_COST} is for tests.")
        if settings.env == "production" and settings.demo_bank:
            raise SettingsError(f"{PREFIX}DEMO_BANK cannot be used: a bank that pays nobody is for demos.")
        settings.open_vault()
        settings.open_admin_networks()
        _check_moment(settings)
    except BadKeys as error:
        raise SettingsError(str(error)) from None
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        name = PREFIX + path.rstrip("`").upper()
        raise SettingsError(f"{name} cannot be used: {problem}.") from None
    except ValueError:
        raise SettingsError(f"{PREFIX}ADMIN_NETWORKS cannot be used: write 10.0.0.0/8,203.0.113.7.") from None
    return settings


def _check_moment(settings: Settings) -> None:
    try:
        settings.processor_since()
    except msgspec.ValidationError:
        raise SettingsError(
            f"{PREFIX}STRIPE_SINCE cannot be used: write a moment with its zone, 2026-06-01T00:00:00Z."
        ) from None


def read_vault(environ: Mapping[str, str] = os.environ) -> Vault | None:
    """The vault alone, for who needs nothing else; None when no keys are set. Raises `SettingsError`."""
    keys = _from_variable_or_file(environ, PREFIX + "ENCRYPTION_KEYS")
    index_key = _from_variable_or_file(environ, PREFIX + "BLIND_INDEX_KEY")
    if keys is None or index_key is None:
        return None
    try:
        return Vault.from_text(keys, index_key)
    except BadKeys as error:
        raise SettingsError(str(error)) from None


def _from_variable_or_file(environ: Mapping[str, str], name: str) -> str | None:
    if name in environ:
        return environ[name]
    path = environ.get(name + "_FILE")
    if path is None:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE cannot be read: {error.strerror}.") from None
