"""KYC verifies who customers are: profile and documents in, a level of verification with its evidence out.

A level is reached by a submission that a person or a provider has checked, and by nothing else; each keeps the
version of the rules that it was decided by. What was uploaded is re-made, encrypted, and seen only through links
that work once.
"""
