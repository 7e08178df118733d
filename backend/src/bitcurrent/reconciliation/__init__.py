"""Reconciliation proves the books: against their own laws here, and against what venue and processor say.

It only reads. What it finds is told to people; nothing is ever plugged by itself.
"""
