"""The processor's inbox: each webhook is proven, stored once, and applied in the transaction that stores it.

An acknowledgement means that it is durable. What fails to apply is kept and tried again; who applies what is told to
the inbox when the house is built.
"""
