"""The outside world on one machine: venues and vendors that speak their real protocols.

A process of its own, for development, tests and demonstrations. It imports nothing from
the brokerage and the brokerage imports nothing from it; they meet only on the wire.
"""
