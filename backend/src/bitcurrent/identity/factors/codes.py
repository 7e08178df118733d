"""Codes: what an authenticator app shows, recovery codes, and codes sent by text."""

import base64
import hmac
import io
import secrets

import pyotp
import segno

from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.ids import UserId

ISSUER = "BitCurrent"
STEP_SECONDS = 30
STEPS_AROUND = 1
"""A phone's clock may be off by half a minute, and people type slowly."""
RECOVERY_BYTES = 10
SMS_DIGITS = 6
LENGTH_MAX = 64


def new_secret() -> str:
    """A secret of 160 bits for an authenticator app, in base 32."""
    return pyotp.random_base32(length=32)


def uri(secret: str, account: str) -> str:
    """What the QR code says: otpauth://totp/…"""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def qr_svg(text: str) -> str:
    """A QR code as an SVG element that scales with its place."""
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(out, kind="svg", border=4, xmldecl=False, omitsize=True, light="#fff")
    return out.getvalue().decode()


def matching_step(secret: str, code: str, *, at_seconds: int) -> int | None:
    """The half minute whose code this is, of now and its neighbours; None when it is no such code.

    Looks at all of them in any case, so that the time tells nothing.
    """
    totp = pyotp.TOTP(secret)
    given = code.encode("utf-8", "replace")
    now = at_seconds // STEP_SECONDS
    found = None
    for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), given):
            found = step
    return found


def new_recovery_code() -> str:
    """Eighty random bits in four groups that can be typed."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def recovery_hash(vault: Vault, user_id: UserId, code: str) -> bytes:
    """How a recovery code is stored: a keyed hash, however it was typed."""
    plain = "".join(character for character in code.lower() if character.isalnum())
    return vault.blind_index(f"{user_id} {plain}", purpose="recovery_codes.code")


def new_sms_code() -> str:
    """Six random digits."""
    return f"{secrets.randbelow(10**SMS_DIGITS):0{SMS_DIGITS}}"


def sms_hash(vault: Vault, user_id: UserId, code: str) -> bytes:
    """How a code sent by text is stored: keyed, because six digits are soon tried out."""
    return vault.blind_index(f"{user_id} {code}", purpose="sms_factors.code")


def tidy(code: str) -> str:
    """A code as people type it, without spaces."""
    return "".join(code.split())
