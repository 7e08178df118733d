"""Funding brings money in and out: deposits by card, conversions, refunds, disputes, withdrawals.

It promises only what the processor, the bank or the venue has said; an outcome that nobody knows stays unknown.
It asks compliance whether something may happen, and moves money only in journals of the ledger.
"""
