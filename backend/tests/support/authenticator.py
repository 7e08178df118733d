"""A software authenticator: makes passkeys and signs with them as a browser and its device do (WebAuthn, level 3)."""

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40
Json = dict[str, Any]


@dataclass
class Passkey:
    """One key pair, for one user of one site."""

    credential_id: bytes
    user_handle: bytes
    rp_id: str
    private_key: ec.EllipticCurvePrivateKey
    sign_count: int = 0


@dataclass
class Authenticator:
    """A device with passkeys, in a browser on a page of `origin`. `counts` says whether it keeps a counter."""

    origin: str
    verifies: bool = True
    counts: bool = True
    passkeys: list[Passkey] = field(default_factory=list)

    def create(self, options: Json, **changes: Any) -> Json:
        """What navigator.credentials.create gives, by toJSON(); `changes` bend single facts of it."""
        passkey = Passkey(
            os.urandom(32), _bytes(options["user"]["id"]), options["rp"]["id"], ec.generate_private_key(ec.SECP256R1())
        )
        self.passkeys.append(passkey)
        attested = bytes(16) + len(passkey.credential_id).to_bytes(2, "big") + passkey.credential_id
        data = self._data(passkey, ATTESTED, changes) + attested + _cose(passkey.private_key)
        client = self._client("webauthn.create", options["challenge"], changes)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "attestationObject": _text(attestation),
            "clientDataJSON": _text(client),
            "transports": ["internal"],
        }
        return _credential(passkey, response)

    def get(self, options: Json, passkey: Passkey | None = None, **changes: Any) -> Json:
        """What navigator.credentials.get gives, by toJSON()."""
        allowed = {each["id"] for each in options.get("allowCredentials", [])}
        used = passkey or next(
            each
            for each in self.passkeys
            if each.rp_id == options["rpId"] and (not allowed or _text(each.credential_id) in allowed)
        )
        used.sign_count += int(self.counts)
        data = self._data(used, 0, changes)
        client = self._client("webauthn.get", options["challenge"], changes)
        signature = used.private_key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        handle = changes.get("user_handle", used.user_handle)
        response = {
            "authenticatorData": _text(data),
            "clientDataJSON": _text(client),
            "signature": _text(changes.get("signature", signature)),
            "userHandle": None if handle is None else _text(handle),
        }
        return _credential(used, response)

    def _data(self, passkey: Passkey, flags: int, changes: Json) -> bytes:
        verified = USER_VERIFIED if changes.get("verified", self.verifies) else 0
        present = USER_PRESENT if changes.get("present", True) else 0
        rp_id = changes.get("rp_id", passkey.rp_id)
        count = changes.get("sign_count", passkey.sign_count)
        set_flags = bytes([flags | verified | present])
        return hashlib.sha256(rp_id.encode()).digest() + set_flags + int(count).to_bytes(4, "big")

    def _client(self, kind: str, challenge: str, changes: Json) -> bytes:
        data = {
            "type": changes.get("type", kind),
            "challenge": changes.get("challenge", challenge),
            "origin": changes.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(data).encode()


def _credential(passkey: Passkey, response: Json) -> Json:
    name = _text(passkey.credential_id)
    return {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "response": response,
        "clientExtensionResults": {},
        "authenticatorAttachment": "platform",
    }


def _cose(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    # EC2, ES256, P-256, x, y (RFC 9053).
    return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
