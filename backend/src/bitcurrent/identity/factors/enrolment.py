"""Adding and removing second factors. Every change is written into the log, and the customer gets a letter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.identity.factors import challenges, codes, passkeys, repository
from bitcurrent.identity.factors.model import (
    METHOD_NAMES,
    PASSKEYS_MAX,
    RECOVERY_CODES,
    Enrolled,
    Method,
    Passkey,
    Tries,
    clean_phone,
    phone_hint,
)
from bitcurrent.identity.factors.notices import Notices
from bitcurrent.identity.factors.refusals import (
    AlreadyEnrolled,
    FactorLocked,
    NoSuchFactor,
    PasswordRequired,
    StrongFactorMissing,
    TooManyPasskeys,
    WrongCode,
    WrongPasskey,
)
from bitcurrent.identity.factors.service import Factors
from bitcurrent.identity.model import Actor
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid, Refusal
from bitcurrent.kernel.ids import UserId, new_id

LABEL_LENGTH_MAX = 60


@dataclass(frozen=True, slots=True)
class NewTotp:
    """A secret for an authenticator app, in this moment only."""

    secret: str
    uri: str
    qr_svg: str


@dataclass(frozen=True, slots=True)
class Added:
    """A factor was added; the first one brings recovery codes, shown this once."""

    recovery_codes: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that a user has, and how it stands."""

    have: Enrolled
    totp_since: datetime | None
    passkeys: tuple[Passkey, ...]
    phone_hint: str | None
    locks: dict[Method, datetime]


class Enrolment:
    """Adds and removes factors."""

    def __init__(
        self,
        *,
        database: Database,
        identity: Identity,
        factors: Factors,
        party: passkeys.RelyingParty,
        notices: Notices,
    ) -> None:
        self._database = database
        self._identity = identity
        self._vault = identity.vault
        self._factors = factors
        self._party = party
        self._notices = notices

    async def overview(self, connection: Connection, user_id: UserId) -> Overview:
        """What a user has."""
        totp = await repository.find_totp(connection, user_id)
        sms = await repository.find_sms(connection, user_id)
        phone = None
        if sms is not None and sms.confirmed_at is not None:
            phone = phone_hint(self._phone(user_id, sms.phone_encrypted))
        return Overview(
            have=await repository.enrolled(connection, user_id),
            totp_since=totp.confirmed_at if totp else None,
            passkeys=tuple(await repository.passkeys_of(connection, user_id)),
            phone_hint=phone,
            locks=await repository.locks(connection, user_id),
        )

    async def permit(self, actor: Actor, password: str | None) -> None:
        """The first factor is added by whoever knows the password; later ones by a fresh session (the route's guard).

        Raises PasswordRequired, WrongCredentials, TooMany or Unavailable. Call it before any transaction.
        """
        async with self._database.read() as connection:
            have = await repository.enrolled(connection, actor.user_id)
        if have.strong:
            return
        if password is None:
            raise PasswordRequired
        await self._identity.confirm_password(actor, password)

    # ---- authenticator apps

    async def begin_totp(self, connection: Connection, actor: Actor) -> NewTotp:
        """A new secret; it counts from its first right code on. Raises AlreadyEnrolled."""
        secret = codes.new_secret()
        if not await repository.put_totp(connection, actor.user_id, _sealed_secret(self._vault, actor.user_id, secret)):
            raise AlreadyEnrolled("an authenticator app")
        user = await self._identity.user(connection, actor.user_id)
        uri = codes.uri(secret, user.email)
        return NewTotp(secret, uri, codes.qr_svg(uri))

    async def confirm_totp(self, connection: Connection, actor: Actor, code: str, *, address: str) -> Added | Refusal:
        """The app works: its code is right. Raises NoSuchFactor or AlreadyEnrolled; returns refusals that count."""
        await repository.lock_user(connection, actor.user_id)
        totp = await repository.find_totp(connection, actor.user_id)
        if totp is None:
            raise NoSuchFactor
        if totp.confirmed_at is not None:
            raise AlreadyEnrolled("an authenticator app")
        before = await repository.enrolled(connection, actor.user_id)
        refusal = await self._try_first(connection, actor, "totp", codes.tidy(code), address)
        return refusal or await self._added(connection, actor, before, "totp", address)

    async def remove_totp(self, connection: Connection, actor: Actor, *, address: str) -> None:
        """Raises NoSuchFactor."""
        await repository.lock_user(connection, actor.user_id)
        if not await repository.delete_totp(connection, actor.user_id):
            raise NoSuchFactor
        await self._removed(connection, actor, "totp", address)

    # ---- passkeys

    async def begin_passkey(self, connection: Connection, actor: Actor) -> tuple[challenges.Begun, dict[str, Any]]:
        """A challenge and what the browser makes a passkey from; raises TooManyPasskeys."""
        known = await repository.passkeys_of(connection, actor.user_id)
        if len(known) >= PASSKEYS_MAX:
            raise TooManyPasskeys
        user = await self._identity.user(connection, actor.user_id)
        begun = await challenges.begin(
            connection, "passkey_registration", user_id=actor.user_id, session_id=actor.session_id
        )
        options = self._party.registration_options(
            user_id=user.id, account=user.email, name=user.display_name, challenge=begun.challenge.bytes, known=known
        )
        return begun, options

    async def add_passkey(
        self,
        connection: Connection,
        actor: Actor,
        *,
        challenge: str,
        label: str,
        credential: dict[str, Any],
        address: str,
    ) -> tuple[Passkey, Added]:
        """The passkey that the browser made. Raises ChallengeOver, WrongPasskey, AlreadyEnrolled or Invalid."""
        name = " ".join(label.split())
        if not 1 <= len(name) <= LABEL_LENGTH_MAX or not name.isprintable():
            raise Invalid(f"A label has 1 to {LABEL_LENGTH_MAX} visible characters.", field="label")
        await repository.lock_user(connection, actor.user_id)
        begun = await challenges.find(connection, challenge, "passkey_registration", session_id=actor.session_id)
        made = self._party.verify_registration(credential, challenge=begun.bytes)
        before = await repository.enrolled(connection, actor.user_id)
        if before.passkeys >= PASSKEYS_MAX:
            raise TooManyPasskeys
        passkey = Passkey(
            id=new_id(),
            user_id=actor.user_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            label=name,
            transports=made.transports,
            backed_up=made.backed_up,
            created_at=now(),
            last_used_at=None,
        )
        if not await repository.insert_passkey(connection, passkey):
            # Perhaps somebody else's: nothing more is said.
            raise WrongPasskey("it is known already")
        await repository.use_challenge(connection, begun.id)
        return passkey, await self._added(connection, actor, before, "passkey", address)

    async def remove_passkey(self, connection: Connection, actor: Actor, passkey_id: UUID, *, address: str) -> None:
        """Raises NoSuchFactor."""
        await repository.lock_user(connection, actor.user_id)
        if not await repository.delete_passkey(connection, actor.user_id, passkey_id):
            raise NoSuchFactor
        await self._removed(connection, actor, "passkey", address)

    # ---- phones

    async def begin_sms(self, connection: Connection, actor: Actor, phone: str) -> None:
        """Keep a phone that waits for its first code (send one after the commit).

        Raises StrongFactorMissing, AlreadyEnrolled or BadPhone.
        """
        number = clean_phone(phone)
        await repository.lock_user(connection, actor.user_id)
        if not (await repository.enrolled(connection, actor.user_id)).strong:
            raise StrongFactorMissing
        sealed = self._vault.encrypt(number.encode(), table="sms_factors", column="phone_encrypted", row=actor.user_id)
        if not await repository.put_sms(connection, actor.user_id, sealed):
            raise AlreadyEnrolled("a phone")

    async def confirm_sms(self, connection: Connection, actor: Actor, code: str, *, address: str) -> Added | Refusal:
        """The phone gets our codes. Raises NoSuchFactor, AlreadyEnrolled or StrongFactorMissing."""
        await repository.lock_user(connection, actor.user_id)
        sms = await repository.find_sms(connection, actor.user_id)
        if sms is None:
            raise NoSuchFactor
        if sms.confirmed_at is not None:
            raise AlreadyEnrolled("a phone")
        before = await repository.enrolled(connection, actor.user_id)
        if not before.strong:
            raise StrongFactorMissing
        refusal = await self._try_first(connection, actor, "sms", codes.tidy(code), address)
        return refusal or await self._added(connection, actor, before, "sms", address)

    async def remove_sms(self, connection: Connection, actor: Actor, *, address: str) -> None:
        """Raises NoSuchFactor."""
        await repository.lock_user(connection, actor.user_id)
        if not await repository.delete_sms(connection, actor.user_id):
            raise NoSuchFactor
        await self._removed(connection, actor, "sms", address)

    # ---- recovery codes

    async def renew_recovery_codes(self, connection: Connection, actor: Actor, *, address: str) -> tuple[str, ...]:
        """Ten new codes, shown this once; the old ones are gone."""
        await repository.lock_user(connection, actor.user_id)
        fresh = await self._new_recovery_codes(connection, actor.user_id)
        await self._notices.note(
            connection, user_id=actor.user_id, action="recovery_codes.renewed", address=address, letter={}
        )
        return fresh

    # ---- parts

    async def _try_first(
        self, connection: Connection, actor: Actor, method: Method, code: str, address: str
    ) -> Refusal | None:
        """The first code of a factor that is being added: the same tries, the same lock."""
        tries = await repository.lock_tries(connection, actor.user_id, method)
        moment = now()
        if tries.locked_until is not None and tries.locked(moment):
            return FactorLocked(method, tries.locked_until, moment)
        try_code = self._factors.try_totp if method == "totp" else self._factors.try_sms
        refusal = await try_code(connection, actor.user_id, code)
        if isinstance(refusal, WrongCode):
            return await self._factors.count_failure(
                connection, actor.user_id, method, tries.failed(moment), refusal, address
            )
        await repository.save_tries(connection, actor.user_id, method, Tries())
        return refusal

    async def _added(
        self, connection: Connection, actor: Actor, before: Enrolled, method: Method, address: str
    ) -> Added:
        """What follows from any new factor: the log, a letter, a fresh session, and codes with the first one."""
        assert actor.session_id is not None  # the routes' guards
        await repository.freshen(connection, actor.session_id)
        await self._notices.note(
            connection,
            user_id=actor.user_id,
            action="factor.added",
            address=address,
            letter={"method": METHOD_NAMES[method], "address": address},
            method=method,
        )
        if before.strong:
            return Added(None)
        return Added(await self._new_recovery_codes(connection, actor.user_id))

    async def _removed(self, connection: Connection, actor: Actor, method: Method, address: str) -> None:
        left = await repository.enrolled(connection, actor.user_id)
        if not left.strong:
            # Texts and recovery codes never stand alone.
            await repository.remove_all(connection, actor.user_id)
        await self._notices.note(
            connection,
            user_id=actor.user_id,
            action="factor.removed",
            address=address,
            letter={"method": METHOD_NAMES[method], "address": address},
            method=method,
            protected=left.strong,
        )

    async def _new_recovery_codes(self, connection: Connection, user_id: UserId) -> tuple[str, ...]:
        fresh = tuple(codes.new_recovery_code() for _ in range(RECOVERY_CODES))
        hashes: Sequence[bytes] = [codes.recovery_hash(self._vault, user_id, code) for code in fresh]
        await repository.replace_recovery_codes(connection, user_id, hashes)
        return fresh

    def _phone(self, user_id: UserId, sealed: bytes) -> str:
        return self._vault.decrypt(sealed, table="sms_factors", column="phone_encrypted", row=user_id).decode()


async def ensure_totp(connection: Connection, vault: Vault, user_id: UserId, secret: str) -> None:
    """An authenticator app with a secret that is known beforehand (demo logins), unless the user has one already."""
    await repository.lock_user(connection, user_id)
    if (await repository.enrolled(connection, user_id)).totp:
        return
    await repository.put_totp(connection, user_id, _sealed_secret(vault, user_id, secret))
    # Confirmed without using up a code of now: step 0 was half a century ago.
    await repository.accept_step(connection, user_id, 0)
    await record(
        connection,
        actor_id=None,
        actor_kind=ActorKind.SYSTEM,
        action="factor.added",
        subject=f"user:{user_id}",
        address="demo data",
        details={"method": "totp"},
    )


def _sealed_secret(vault: Vault, user_id: UserId, secret: str) -> bytes:
    return vault.encrypt(secret.encode(), table="totp_factors", column="secret_encrypted", row=user_id)
