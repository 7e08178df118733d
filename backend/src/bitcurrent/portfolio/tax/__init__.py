"""Tax reports: what a customer's disposals gained in a tax year, line by line, by the rules of a country.

Records for the customer's own return, never advice. It only reads.
"""
