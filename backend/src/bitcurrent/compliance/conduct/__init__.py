"""Conduct: what a customer must have read, understood and said before money goes in, by the rules of their country.

Each country's rules are a pack: data with a version (packs/). Where somebody stands follows from the evidence alone,
which only grows; nothing here ever stands in the way of selling or withdrawing.
"""
