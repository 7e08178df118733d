"""Exports are long lists that a customer asked for: written by the worker, kept for a week, fetched as a file.

A list is read through a cursor and kept in pieces, so that its length costs time and never memory.
"""
