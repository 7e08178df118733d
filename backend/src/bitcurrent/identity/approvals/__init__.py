"""Approvals are the four eyes: what one operator asks for, another one grants, and it is done in the same moment.

Rooms register what they want approved by its kind. The database itself refuses that the same person does both.
"""
