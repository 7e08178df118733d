"""Reversals take card money back: refunds that we send, refunds made at the processor, and disputes.

What became of one is only what the processor says. What was taken and is not there any more is owed.
"""
