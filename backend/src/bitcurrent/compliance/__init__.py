"""Compliance says whether something may happen, by rules that are data with a version, and keeps the evidence.

It moves no money and knows no room above it: what it must weigh is handed to it.
"""
