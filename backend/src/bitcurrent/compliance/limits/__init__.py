"""Limits say how much of a product a customer may use in a period, by rules that are data with a version.

Rules are added and never changed. Callers say what was used: this room looks into nobody else's tables.
"""
