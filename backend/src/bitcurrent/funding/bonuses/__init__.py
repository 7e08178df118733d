"""Bonuses are gifts with conditions: a campaign's rules are data, and what was earned is held until it is released.

They look at deposits and give; nobody is asked by them. What leaves before its time takes the bonus with it.
"""
