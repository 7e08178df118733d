"""The European Central Bank's daily reference rates: funding's port `RateSource` by the published XML.

The address is a setting: any file of the same form will do, such as the sandbox's, whose rates move.
"""
