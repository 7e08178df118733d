"""What is not working at the moment: said once when it begins and once when it is over, not at every try."""

import structlog

log = structlog.get_logger(__name__)


class Troubles:
    """The troubles of one service, by name."""

    def __init__(self) -> None:
        self._present: set[str] = set()

    def begin(self, name: str, error: BaseException) -> None:
        """It failed; logged when it did not fail before."""
        if name not in self._present:
            self._present.add(name)
            log.warning(name, cause=type(error).__name__, text=str(error)[:200])

    def end(self, name: str) -> None:
        """It worked; logged when it failed before."""
        if name in self._present:
            self._present.discard(name)
            log.info("trouble_over", trouble=name)
