"""The words of letters about second factors, as the parts that a Letter is made of."""

from typing import NotRequired, Required, TypedDict


class Words(TypedDict):
    """A letter's parts; see `letters.Letter`."""

    subject: Required[str]
    paragraphs: Required[tuple[str, ...]]
    action: NotRequired[str]
    purpose: NotRequired[str]


_NOT_YOU = (
    "If this was not you, somebody knows your password and can get into your account: change the password, end the "
    "sessions that you do not know, and write to our support."
)
_CANCEL = "If you still have any of your factors, or did not ask for this, cancel it: the link works without a login."

FACTOR_LETTERS: dict[str, Words] = {
    "factor_added": {
        "subject": "A second factor was added",
        "paragraphs": ("The $method was added to your account as a second factor, at $when from $address.", _NOT_YOU),
    },
    "factor_removed": {
        "subject": "A second factor was removed",
        "paragraphs": (
            "The $method is no longer a second factor of your account, since $when, from $address.",
            _NOT_YOU,
        ),
    },
    "factor_locked": {
        "subject": "A second factor is locked",
        "paragraphs": (
            (
                "Somebody who knows your password typed five wrong codes, the last at $when from $address. The "
                "$method is locked until $until; your other factors and recovery codes still work."
            ),
            "If this was not you, change your password now.",
        ),
    },
    "recovery_codes_renewed": {
        "subject": "New recovery codes",
        "paragraphs": ("Ten new recovery codes were made for your account at $when; the old ones are void.", _NOT_YOU),
    },
    "recovery_code_used": {
        "subject": "A recovery code was used",
        "paragraphs": (
            "One of your recovery codes was used at $when from $address. $left of them are left.",
            "Make new ones when few are left. " + _NOT_YOU,
        ),
    },
    "passkey_copied": {
        "subject": "A passkey may have been copied",
        "paragraphs": (
            (
                "At $when a passkey of your account was shown from $address whose counter had gone back. That happens "
                "when there is a copy of it. It was refused."
            ),
            "If you do not know why, remove that passkey from your account.",
        ),
    },
    "lost_factor_requested": {
        "subject": "Somebody says that your second factors are lost",
        "paragraphs": (
            (
                "Somebody who knows your password asked, at $when from $address, to remove every second factor of your "
                "account. Our support checks it; not before $ends_at are they removed."
            ),
            _CANCEL,
        ),
        "action": "Cancel the request",
        "purpose": "cancel_lost_factor",
    },
    "lost_factor_reminded": {
        "subject": "Half of the wait is over: your second factors",
        "paragraphs": (
            (
                "Somebody asked, from $address, to remove every second factor of your account. Half of the wait is "
                "over; not before $ends_at are they removed."
            ),
            _CANCEL,
        ),
        "action": "Cancel the request",
        "purpose": "cancel_lost_factor",
    },
    "lost_factor_canceled": {
        "subject": "Your second factors stay",
        "paragraphs": (
            "The request to remove your second factors was canceled at $when, by $how. Nothing was changed.",
            "If you did not make that request, change your password now: whoever made it knows it.",
        ),
    },
    "lost_factor_refused": {
        "subject": "Your second factors stay",
        "paragraphs": (
            "Our support refused the request to remove the second factors of your account. Nothing was changed.",
            "If you did not make that request, change your password now: whoever made it knows it.",
        ),
    },
    "lost_factor_lapsed": {
        "subject": "Your second factors stay",
        "paragraphs": (
            (
                "The request to remove the second factors of your account has lapsed: it could not be checked in time. "
                "Nothing was changed. Write to our support, or ask again."
            ),
        ),
    },
    "lost_factor_done": {
        "subject": "Your second factors were removed",
        "paragraphs": (
            (
                "As you asked, every second factor of your account was removed at $when, and every session was ended. "
                "Log in with your password and add a new one at once."
            ),
            "If you did not ask for this, write to our support at once.",
        ),
    },
}
