"""Statements say what a customer's account did in one month: opening, every line, closing, fees and worth.

Their figures are the ledger's own: opening and lines add up to closing, and closing is what the books say.
"""
