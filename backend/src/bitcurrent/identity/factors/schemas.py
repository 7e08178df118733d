"""What second factors say and hear on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from bitcurrent.identity.factors import model, refusals
from bitcurrent.identity.factors.codes import LENGTH_MAX
from bitcurrent.identity.factors.enrolment import NewTotp, Overview
from bitcurrent.identity.factors.service import Asked
from bitcurrent.web.schemas import Answer, Request

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=LENGTH_MAX, description="As the app, list or text shows.")]
Token = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
_Text = Annotated[str, msgspec.Meta(max_length=1000)]
Credential = Annotated[dict[str, Any], msgspec.Meta(description="The browser's PublicKeyCredential, by its toJSON().")]
_Options = Annotated[dict[str, Any], msgspec.Meta(description="For PublicKeyCredential.parse…OptionsFromJSON().")]
_Method = Literal["totp", "passkey", "recovery_code", "sms"]


class UseFactor(Request, frozen=True, kw_only=True):
    """Show a factor: a `code`, or a passkey's `credential`."""

    method: _Method
    code: Code | None = None
    credential: Credential | None = None
    challenge: Token | None = None


class CompleteLogin(Request, frozen=True, kw_only=True):
    """The second step of a login, within five minutes of the first."""

    challenge: Token
    method: _Method
    code: Code | None = None
    credential: Credential | None = None


class LogInByPasskey(Request, frozen=True, kw_only=True):
    """A passkey instead of a password."""

    challenge: Token
    credential: Credential


class ChallengeOnly(Request, frozen=True, kw_only=True):
    """Which login this is about."""

    challenge: Token


class BeginFactor(Request, frozen=True, kw_only=True):
    """Add a factor. The password is needed for the first one only."""

    password: _Text | None = None


class ConfirmCode(Request, frozen=True, kw_only=True):
    """Show that a new factor works."""

    code: Code


class AddPasskey(Request, frozen=True, kw_only=True):
    """What the browser made of the options."""

    challenge: Token
    label: Annotated[str, msgspec.Meta(max_length=300)]
    credential: Credential


class AddPhone(Request, frozen=True, kw_only=True):
    """A phone for codes by text."""

    phone: Annotated[str, msgspec.Meta(max_length=40, description="With country code: +14155550123.")]


class AskLostFactor(Request, frozen=True, kw_only=True):
    """Every second factor is lost. The challenge is the one that logging in with the password gave."""

    challenge: Token
    reason: _Text


class CancelLostFactor(Request, frozen=True, kw_only=True):
    """The token of the link in our letter."""

    token: Token


class Decide(Request, frozen=True, kw_only=True):
    """Why support decides so."""

    reason: _Text


class SecondFactorNeeded(Answer, frozen=True, kw_only=True):
    """The password was right; now a second factor. `passkey` is what the browser's passkeys are asked with."""

    next: Literal["second_factor"]
    challenge: str
    expires_at: datetime
    methods: list[_Method]
    passkey: _Options | None


class PasskeyAsked(Answer, frozen=True, kw_only=True):
    """What a passkey is asked."""

    challenge: str
    expires_at: datetime
    passkey: _Options


class StepUpAsked(Answer, frozen=True, kw_only=True):
    """With what this session can be made fresh."""

    challenge: str
    expires_at: datetime
    methods: list[_Method]
    passkey: _Options | None


class Fresh(Answer, frozen=True, kw_only=True):
    """Until when this session needs no other factor."""

    fresh_until: datetime


class TotpBegun(Answer, frozen=True, kw_only=True):
    """For an authenticator app: scan the picture, or type the secret. It counts once a code of it was shown."""

    secret: str
    uri: str
    qr_svg: str


class FactorAdded(Answer, frozen=True, kw_only=True):
    """The factor works. With the first one come ten recovery codes, shown this once."""

    recovery_codes: list[str] | None


class RecoveryCodes(Answer, frozen=True, kw_only=True):
    """Ten new codes, shown this once: a repeated request answers null. The old ones are gone."""

    recovery_codes: list[str] | None


class Passkey(Answer, frozen=True, kw_only=True):
    """A passkey or security key."""

    id: UUID
    label: str
    created_at: datetime
    last_used_at: datetime | None
    backed_up: bool


class PasskeyAdded(Answer, frozen=True, kw_only=True):
    """The new passkey. With the first factor come ten recovery codes, shown this once."""

    passkey: Passkey
    recovery_codes: list[str] | None


class LostFactorWait(Answer, frozen=True, kw_only=True):
    """A request of somebody who lost every factor, and when its wait ends."""

    state: str
    requested_at: datetime
    ends_at: datetime


class Factors(Answer, frozen=True, kw_only=True):
    """My second factors. `methods` is empty when there is none; `fresh_until` says that one was used just now."""

    methods: list[_Method]
    totp_since: datetime | None
    passkeys: list[Passkey]
    phone: str | None
    recovery_codes_left: int
    locked_until: dict[str, datetime]
    fresh_until: datetime | None
    lost_factor: LostFactorWait | None


class LostFactorRequest(Answer, frozen=True, kw_only=True):
    """A lost-factor request as support sees it."""

    id: UUID
    user_id: UUID
    state: str
    requested_at: datetime
    ends_at: datetime
    reason: str
    address: str
    decided_by: UUID | None
    decided_at: datetime | None
    decision: str | None
    ended_at: datetime | None


def proof_of(method: model.Method, code: str | None, credential: Mapping[str, Any] | None) -> model.Proof:
    """What was shown; raises ProofIncomplete when the part that the method needs is missing."""
    if method == "passkey":
        if credential is None:
            raise refusals.ProofIncomplete("credential")
        return model.Proof(method, credential=credential)
    if code is None:
        raise refusals.ProofIncomplete("code")
    return model.Proof(method, code=code)


def second_factor_needed(asked: Asked) -> SecondFactorNeeded:
    """The first step's answer."""
    return SecondFactorNeeded(
        next="second_factor",
        challenge=asked.token,
        expires_at=asked.expires_at,
        methods=list(asked.methods),
        passkey=asked.passkey,
    )


def step_up_asked(asked: Asked) -> StepUpAsked:
    """What a session can be made fresh with."""
    return StepUpAsked(
        challenge=asked.token, expires_at=asked.expires_at, methods=list(asked.methods), passkey=asked.passkey
    )


def totp_begun(made: NewTotp) -> TotpBegun:
    """A new secret as an answer."""
    return TotpBegun(secret=made.secret, uri=made.uri, qr_svg=made.qr_svg)


def passkey(value: model.Passkey) -> Passkey:
    """A passkey as an answer."""
    return Passkey(
        id=value.id,
        label=value.label,
        created_at=value.created_at,
        last_used_at=value.last_used_at,
        backed_up=value.backed_up,
    )


def factors(value: Overview, *, fresh_until: datetime | None, lost: model.LostFactor | None) -> Factors:
    """Everything that a user has, as an answer."""
    return Factors(
        methods=list(value.have.methods),
        totp_since=value.totp_since,
        passkeys=[passkey(each) for each in value.passkeys],
        phone=value.phone_hint,
        recovery_codes_left=value.have.recovery_codes,
        locked_until={str(method): until for method, until in value.locks.items()},
        fresh_until=fresh_until,
        lost_factor=lost_factor_wait(lost) if lost else None,
    )


def lost_factor_wait(value: model.LostFactor) -> LostFactorWait:
    """An open request as its customer sees it."""
    return LostFactorWait(state=value.state.value, requested_at=value.requested_at, ends_at=value.ends_at)


def lost_factor_request(value: model.LostFactor) -> LostFactorRequest:
    """A request as support sees it."""
    return LostFactorRequest(
        id=value.id,
        user_id=value.user_id,
        state=value.state.value,
        requested_at=value.requested_at,
        ends_at=value.ends_at,
        reason=value.reason,
        address=value.address,
        decided_by=value.decided_by,
        decided_at=value.decided_at,
        decision=value.decision,
        ended_at=value.ended_at,
    )
