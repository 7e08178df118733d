"""Conversions turn one of a customer's currencies into another, at a rate that was quoted and holds for 15 seconds.

A quote is used once. The house takes the other side: what it owns of each currency by that is in the `fx` accounts.
"""
