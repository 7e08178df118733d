"""Audit remembers who did what, from where and why, and never forgets or edits it."""
