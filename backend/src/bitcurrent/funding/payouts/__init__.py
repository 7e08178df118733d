"""Payouts to banks by file: operators make a batch, carry its file to their bank, and read the bank's answers in.

Two people stand behind every batch. A file of the bank counts wholly or not at all, and once.
"""
