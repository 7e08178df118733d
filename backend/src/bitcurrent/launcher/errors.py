"""What can go wrong while bringing a machine up, told so that a person can mend it."""


class LaunchError(Exception):
    """Something about this machine stops us; `mend` says what to do about it."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend
