"""Trading turns a customer's wish into an order, and fills into journals.

It checks every rule before it holds money. It never talks to a vendor: the venue stands behind a port.
"""
