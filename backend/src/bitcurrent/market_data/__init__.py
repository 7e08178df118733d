"""Market data knows what can be traded and at what price: assets, quotes, candles, order books.

It asks the venue through a port, keeps what it hears for as long as the design allows, and says how old it is.
"""
