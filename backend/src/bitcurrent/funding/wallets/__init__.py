"""Wallets send coins: addresses are told to the venue, transfers leave once and are found again when nobody answered.

The venue knows no id of ours, so an unanswered transfer is known by what it is: coin, address, amount and time.
"""
