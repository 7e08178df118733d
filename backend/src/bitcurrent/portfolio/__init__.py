"""Portfolio tells a customer what they own, what it is worth and earned, and why a balance is what it is.

It only reads. Every worth says of when its prices are; what has no price is named and never guessed.
"""
