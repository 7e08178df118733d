"""The words of letters about withdrawals and bank accounts, as the parts that a Letter is made of."""

from typing import NotRequired, Required, TypedDict


class Words(TypedDict):
    """A letter's parts; see `letters.Letter`."""

    subject: Required[str]
    paragraphs: Required[tuple[str, ...]]
    action: NotRequired[str]
    purpose: NotRequired[str]
    closing: NotRequired[tuple[str, ...]]


_BACK = "Everything that was set aside for it is in your balance again, the fee too."
_NOT_YOU = (
    "If this was not you, somebody is in your account: change your password now, end the sessions that you do not "
    "know, and write to our support."
)

WITHDRAWAL_LETTERS: dict[str, Words] = {
    "withdrawal_confirm": {
        "subject": "Confirm your withdrawal",
        "paragraphs": (
            (
                "Somebody, hopefully you, asked from the address $address to withdraw $amount $asset to $destination. "
                "The fee is $fee $asset."
            ),
            "Compare the amount and the destination before you confirm.",
        ),
        "action": "Confirm this withdrawal",
        "purpose": "confirm_withdrawal",
        "closing": (
            "The link works once, for 24 hours. Without it nothing leaves your account.",
            _NOT_YOU,
        ),
    },
    "withdrawal_sent": {
        "subject": "Your withdrawal is on its way",
        "paragraphs": ("$amount $asset were sent to $destination. The fee was $fee $asset.", _NOT_YOU),
    },
    "withdrawal_settled": {
        "subject": "Your withdrawal has arrived",
        "paragraphs": ("Your withdrawal of $amount $asset to $destination is complete.",),
    },
    "withdrawal_failed": {
        "subject": "Your withdrawal could not be paid",
        "paragraphs": ("Your withdrawal of $amount $asset to $destination could not be paid.", _BACK),
    },
    "withdrawal_returned": {
        "subject": "Your withdrawal came back",
        "paragraphs": (
            (
                "The bank sent your withdrawal of $amount $asset to $destination back to us. The amount is in your "
                "balance again. Look at the account's details before you try once more."
            ),
        ),
    },
    "withdrawal_refused": {
        "subject": "Your withdrawal was refused",
        "paragraphs": (
            "Your withdrawal of $amount $asset to $destination was refused.",
            _BACK,
            "Write to our support if you do not know why.",
        ),
    },
    "withdrawal_expired": {
        "subject": "Your withdrawal was not confirmed",
        "paragraphs": ("Your withdrawal of $amount $asset to $destination was not confirmed in time.", _BACK),
    },
    "bank_account_added": {
        "subject": "A bank account was added",
        "paragraphs": (
            (
                "The bank account $label was added to your account at $when, from the address $address. It can be used "
                "from $usable_at on."
            ),
            _NOT_YOU,
        ),
    },
    "bank_account_removed": {
        "subject": "A bank account was removed",
        "paragraphs": (
            "The bank account $label was removed from your account at $when, from the address $address.",
            _NOT_YOU,
        ),
    },
}
