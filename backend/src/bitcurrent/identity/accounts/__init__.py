"""Accounts from the first day to the last: confirmed by e-mail, recovered, changed and closed.

Every step that proves an address or a wish by mail uses a link that is signed, expires, and works once.
"""
