"""Live tells customers what happens while it happens: prices, their orders, their balances, over WebSocket.

A process of its own. It reads and never writes: everything it tells is in the event log or on the price board.
"""
