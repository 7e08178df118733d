"""An execution venue that behaves like Alpaca's crypto trading: orders, streams, market data.

`prices`, `replay`, `series` and `market` say what a coin costs; `engine` matches orders
against it and `store` keeps what was acknowledged; `trading_api`, `data_api` and the two
streams put all that on the wire.
"""
