"""Audit remembers who did what, from where and why, and never forgets or edits it.

Acts are written in the transaction of the act itself. One sealer chains them by hash aside, and signed heads of that
chain leave the database every minute, so that even its owner cannot change the past unseen.
"""
