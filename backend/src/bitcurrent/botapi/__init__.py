"""The bot API: the brokerage as programs know it from Alpaca, so that their SDKs work here unmodified.

It translates: paths, fields, words and refusals. What is decided is decided in trading, market_data and identity.
"""
