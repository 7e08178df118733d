"""Stops hold up a product, an asset or everything, at once, by an operator or by the house itself.

To stop, one person is enough; to let it run again takes two. Customers are told in plain words.
"""
