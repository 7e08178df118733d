"""The address book: where coins may be sent, checked by network and checksum, after a cool-down."""
