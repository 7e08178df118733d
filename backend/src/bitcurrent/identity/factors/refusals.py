"""Why a second factor was not accepted, added or removed."""

from collections.abc import Sequence
from datetime import datetime

from bitcurrent.identity.factors.model import FRESH, PASSKEYS_MAX, Method
from bitcurrent.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated, Unavailable

STEP_UP = "POST /api/step-up"
ENROL = "POST /api/factors/totp or POST /api/factors/passkeys/options"


class SecondFactorRequired(Forbidden):
    """The session is not fresh enough for this."""

    code = "second_factor_required"
    title = "Second factor needed"

    def __init__(self, methods: Sequence[Method]) -> None:
        super().__init__(
            f"This needs a second factor used within {FRESH.seconds // 60} minutes. Use one at {STEP_UP} and repeat.",
            details={"methods": ",".join(methods), "how": STEP_UP, "fresh_seconds": str(FRESH.seconds)},
        )


class SecondFactorMissing(Forbidden):
    """The account has no second factor, and this needs one."""

    code = "second_factor_missing"
    title = "Second factor needed"

    def __init__(self) -> None:
        super().__init__(
            f"This needs a second factor, and your account has none yet. Add one at {ENROL}.", details={"how": ENROL}
        )


class PasswordRequired(Forbidden):
    """The first factor of an account is added by whoever knows the password."""

    code = "password_required"
    title = "Password needed"

    def __init__(self) -> None:
        super().__init__("Adding the first second factor needs your password.", field="password")


class WrongCode(Unauthenticated):
    """Not the code; the tries that are left are told."""

    code = "wrong_code"
    title = "Wrong code"

    def __init__(self, left: int) -> None:
        super().__init__(
            f"This code is wrong. {left} more wrong ones lock this factor for a while.",
            field="code",
            details={"tries_left": str(left)},
        )


class CodeUsed(Unauthenticated):
    """Right once, and only once."""

    code = "code_used"
    title = "Code used before"

    def __init__(self) -> None:
        super().__init__("This code, or a newer one, was used already. Wait for the next one.", field="code")


class WrongPasskey(Unauthenticated):
    """The passkey's answer does not prove anything."""

    code = "wrong_passkey"
    title = "Passkey refused"

    def __init__(self, why: str = "its answer does not fit this request") -> None:
        super().__init__(f"The passkey was refused: {why}. Ask for a new challenge and try again.", field="credential")


class FactorLocked(TooMany):
    """Too many wrong tries."""

    code = "factor_locked"
    title = "Factor locked"

    def __init__(self, method: Method, until: datetime, now: datetime) -> None:
        seconds = max(1, -int(-(until - now).total_seconds() // 1))
        super().__init__(
            f"Too many wrong tries: this factor ({method}) is locked for {-(-seconds // 60)} more minutes. "
            "Another factor or a recovery code still works. We have written to you.",
            details={"method": method, "locked_until": until.isoformat(), "retry_after_seconds": str(seconds)},
        )


class ChallengeOver(Unauthenticated):
    """Unknown, expired, used, or made for something else: nobody learns which."""

    code = "challenge_over"
    title = "Challenge over"

    def __init__(self) -> None:
        super().__init__("This challenge is not valid any more. Begin again.", field="challenge")


class MethodMissing(Invalid):
    """The account does not have this factor, so it cannot be used."""

    code = "method_missing"

    def __init__(self, methods: Sequence[Method]) -> None:
        super().__init__(
            "You have no such factor. Use one of those you have.",
            field="method",
            details={"methods": ",".join(methods)},
        )


class ProofIncomplete(Invalid):
    """The method needs another part."""

    code = "proof_incomplete"

    def __init__(self, part: str) -> None:
        super().__init__(f"This method needs `{part}`.", field=part)


class AlreadyEnrolled(Conflict):
    """There is one already."""

    code = "factor_already_enrolled"

    def __init__(self, what: str) -> None:
        super().__init__(f"You have {what} already. Remove it first.")


class TooManyPasskeys(Conflict):
    """Enough."""

    code = "too_many_passkeys"

    def __init__(self) -> None:
        super().__init__(f"There are {PASSKEYS_MAX} passkeys already. Remove one first.")


class StrongFactorMissing(Conflict):
    """Texts can be intercepted: they are an extra, never the only factor."""

    code = "strong_factor_missing"

    def __init__(self) -> None:
        super().__init__("Texts are only an extra. Add an authenticator app or a passkey first.")


class NoSuchFactor(NotFound):
    """Not there, or not yours."""

    code = "no_such_factor"

    def __init__(self) -> None:
        super().__init__("You have no such factor.")


class SmsNotConfigured(Unavailable):
    """The installation has no one to send texts."""

    code = "sms_not_configured"
    title = "SMS is not configured"

    def __init__(self) -> None:
        super().__init__("SMS is not configured here: no text can be sent. Use another factor.")


class LostFactorOpen(Conflict):
    """One request at a time."""

    code = "lost_factor_open"

    def __init__(self, ends_at: datetime) -> None:
        super().__init__(
            "There is an open request already; its wait goes on.", details={"ends_at": ends_at.isoformat()}
        )


class LostFactorClosed(Conflict):
    """The request has ended, or is in a state that does not allow this."""

    code = "lost_factor_closed"

    def __init__(self, state: str) -> None:
        super().__init__(f"This request is {state}; nothing was done.", details={"state": state})


class OwnRequest(Forbidden):
    """Nobody approves their own request."""

    code = "own_request"

    def __init__(self) -> None:
        super().__init__("Somebody else must decide on your own request.")
