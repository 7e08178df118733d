"""Why coins cannot be sent there now. Pure."""

from bitcurrent.kernel.errors import Conflict


class AddressNotReady(Conflict):
    """Our wait is over and the venue's is not."""

    code = "address_not_ready"

    def __init__(self) -> None:
        super().__init__(
            "The venue has not approved this address so far; that takes up to a day. Nothing was done.",
            field="destination",
        )
