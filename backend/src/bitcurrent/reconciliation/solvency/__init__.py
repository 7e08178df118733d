"""Solvency: what is owed to customers as a Merkle-sum tree, beside what lies at venue, processor and bank.

Each customer can prove with a small script that what they are owed is in the published sum. It moves nothing.
"""
