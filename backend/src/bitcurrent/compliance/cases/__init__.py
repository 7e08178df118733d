"""Cases are what people of compliance look into: opened by rules, closed by two people, kept for good.

Rooms open them and say what shall happen when one is closed or opened again; this room knows none of those rooms.
"""
