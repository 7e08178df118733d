"""Adjustments: money that two operators give a customer or take back, with a reason and its evidence.

The database itself refuses a journal of this kind without the approval of a second person.
"""
