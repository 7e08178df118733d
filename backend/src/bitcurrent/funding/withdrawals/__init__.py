"""Withdrawals: money leaves only after its owner, our rules and where needed two operators have said so.

The machine is the same for every rail (back to the card, bank, wallet): hold, confirm, screen, approve, send, settle.
What a rail may have done and we do not know stays `sending`, is asked for, and is never sent a second time.
"""
