"""Monitoring looks at what customers have done, within seconds, and tells people what seems wrong.

It reads the event log with a cursor of its own. Rules are data with versions; each sees a window of earlier
transactions and says why it speaks. What comes of it are alerts, cases, and held withdrawals where a rule says so.
"""
