"""Screening compares people's names with the sanctions lists in force and says clear, review or block, and why.

Lists are imported whole or not at all; what looks like a listed person goes to people of compliance as a case.
"""
