"""Identity knows who somebody is: users, sessions, API keys and the guards that use them.

Passwords never leave it; what others see is an `Actor` with an id, a role and scopes.
"""
