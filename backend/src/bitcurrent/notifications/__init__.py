"""Notifications tell customers: by e-mail, by text, and in an inbox of the house, as each of them chose.

Everything is queued in the transaction of what it tells: what is rolled back is never told; what is committed is told
at least once, until the carrier has taken it.
"""
