"""The ceremonies of WebAuthn (W3C, level 3): what a browser is asked, and whether its answer proves anything."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from bitcurrent.identity.factors.model import CHALLENGE_LIFETIME, Passkey
from bitcurrent.identity.factors.refusals import WrongPasskey
from bitcurrent.kernel.ids import UserId
from bitcurrent.settings import Settings

NAME = "BitCurrent"
CREDENTIAL_BYTES_MAX = 1023
TRANSPORTS_MAX = 8
_MILLISECONDS = int(CHALLENGE_LIFETIME.total_seconds() * 1000)
_KNOWN_TRANSPORTS = {each.value: each for each in AuthenticatorTransport}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What a registration proved."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backed_up: bool
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Used:
    """What an assertion proved."""

    sign_count: int
    backed_up: bool
    user_verified: bool


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom passkeys are made for: a domain, and the pages that may ask."""

    id: str
    origins: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "RelyingParty":
        """The public address's own. Browsers take no IP address: on loopback it is localhost, by either name."""
        base = urlsplit(settings.base_url)
        host = base.hostname or ""
        named = [f"{base.scheme}://{base.netloc}"]
        named += [origin.strip().rstrip("/") for origin in settings.allowed_origins.split(",") if origin.strip()]
        if _is_loopback(host):
            port = f":{base.port}" if base.port else ""
            return cls("localhost", (*named, f"{base.scheme}://localhost{port}"))
        return cls(host, tuple(named))

    def registration_options(
        self, *, user_id: UserId, account: str, name: str, challenge: bytes, known: list[Passkey]
    ) -> Json:
        """What `navigator.credentials.create` is given, as JSON."""
        options = generate_registration_options(
            rp_id=self.id,
            rp_name=NAME,
            user_id=user_id.bytes,
            user_name=account,
            user_display_name=name,
            challenge=challenge,
            timeout=_MILLISECONDS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=_descriptors(known),
        )
        return _plain(options_to_json(options))

    def authentication_options(self, *, challenge: bytes, known: list[Passkey], verified: bool) -> Json:
        """What `navigator.credentials.get` is given, as JSON. Nothing known: any passkey for us will do."""
        options = generate_authentication_options(
            rp_id=self.id,
            challenge=challenge,
            timeout=_MILLISECONDS,
            allow_credentials=_descriptors(known) or None,
            user_verification=(
                UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED
            ),
        )
        return _plain(options_to_json(options))

    def verify_registration(self, credential: Json, *, challenge: bytes) -> NewPasskey:
        """What a new passkey proves; raises WrongPasskey."""
        try:
            found = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=list(self.origins),
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, EOFError) as error:
            raise WrongPasskey from error
        if len(found.credential_id) > CREDENTIAL_BYTES_MAX:
            raise WrongPasskey
        return NewPasskey(
            credential_id=found.credential_id,
            public_key=found.credential_public_key,
            sign_count=found.sign_count,
            backed_up=found.credential_backed_up,
            transports=_transports(credential),
        )

    def verify_assertion(self, credential: Json, passkey: Passkey, *, challenge: bytes, verified: bool) -> Used:
        """What an answer of a known passkey proves; `verified` asks for its user's PIN or finger. Raises WrongPasskey.

        The sign counter is not looked at here: that it went back is told apart by the caller.
        """
        try:
            found = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=list(self.origins),
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,
                require_user_verification=verified,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, EOFError) as error:
            raise WrongPasskey from error
        return Used(found.new_sign_count, found.credential_backed_up, found.user_verified)


def counter_went_back(passkey: Passkey, sign_count: int) -> bool:
    """Whether a copy of the passkey may be about: a counter that counts must rise (WebAuthn, 7.2 step 22)."""
    return (sign_count > 0 or passkey.sign_count > 0) and sign_count <= passkey.sign_count


def credential_id_of(credential: Json) -> bytes:
    """The id that an answer names; raises WrongPasskey."""
    text = credential.get("rawId", credential.get("id"))
    if not isinstance(text, str) or not 1 <= len(text) <= 2 * CREDENTIAL_BYTES_MAX:
        raise WrongPasskey
    try:
        return base64url_to_bytes(text)
    except ValueError as error:
        raise WrongPasskey from error


def user_handle_of(credential: Json) -> bytes | None:
    """The user that a discoverable passkey names; None when it names none. Raises WrongPasskey."""
    response = credential.get("response")
    text = response.get("userHandle") if isinstance(response, dict) else None
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > 100:
        raise WrongPasskey
    try:
        return base64url_to_bytes(text)
    except ValueError as error:
        raise WrongPasskey from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _transports(credential: Json) -> tuple[str, ...]:
    response = credential.get("response")
    named = response.get("transports") if isinstance(response, dict) else None
    if not isinstance(named, list):
        return ()
    return tuple(each for each in named[:TRANSPORTS_MAX] if isinstance(each, str) and each in _KNOWN_TRANSPORTS)


def _descriptors(known: list[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=each.credential_id, transports=[_KNOWN_TRANSPORTS[name] for name in each.transports] or None
        )
        for each in known
    ]


def _plain(text: str) -> Json:
    options: Json = msgspec.json.decode(text)
    return options
