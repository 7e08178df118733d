"""Notifications write to customers: letters by e-mail, each queued in the transaction of what it tells.

What is rolled back is never told; what is committed is told at least once, until the mail server has taken it.
"""
