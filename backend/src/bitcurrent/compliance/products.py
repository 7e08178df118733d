"""What customers can do here that limits count and stops hold up; one list of names for both."""

from typing import Literal, get_args

Product = Literal[
    "card_deposit",
    "card_refund",
    "bank_withdrawal",
    "crypto_withdrawal",
    "crypto_deposit",
    "conversion",
    "trading",
    "bonus",
]
PRODUCTS: tuple[Product, ...] = get_args(Product)

WITHDRAWALS: tuple[Product, ...] = ("card_refund", "bank_withdrawal", "crypto_withdrawal")
"""Every way by which money leaves."""

NAMES: dict[Product, str] = {
    "card_deposit": "Deposits by card",
    "card_refund": "Refunds to cards",
    "bank_withdrawal": "Withdrawals to bank accounts",
    "crypto_withdrawal": "Withdrawals of coins",
    "crypto_deposit": "Deposits of coins",
    "conversion": "Currency conversions",
    "trading": "Trading",
    "bonus": "Bonuses",
}
"""As people call them."""
