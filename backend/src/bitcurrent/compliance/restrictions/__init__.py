"""Restrictions take something from one customer for a while: withdrawals, orders or logging in.

An operator or a rule of the house begins one; several may stand for the same, and each ends by itself. The customer is
told in plain words that it is so, and never which rule it was.
"""
