"""The web edge: how HTTP becomes a call and how a refusal becomes an answer.

Errors, idempotency, limits, headers and pages live here once, for every room.
"""
