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
    "order_buy",
    "order_sell",
    "order_market",
    "bonus",
]
PRODUCTS: tuple[Product, ...] = get_args(Product)

ORDERS: tuple[Product, ...] = ("trading", "order_buy", "order_sell", "order_market")
"""Trading is all orders; the others are those of one side, or those without a price of their own."""

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
    "order_buy": "Purchases",
    "order_sell": "Sales",
    "order_market": "Market orders",
    "bonus": "Bonuses",
}
"""As people call them."""
