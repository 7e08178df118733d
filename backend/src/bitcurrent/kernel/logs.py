"""Logs: one JSON object a line on standard output, and nothing secret in it."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

SECRET_WORDS = ("password", "secret", "token", "authorization", "cookie", "pepper")
"""A value whose name holds one of these is never written, whoever passes it."""


def configure_logs(level: str) -> None:
    """Set up structlog and the standard library's loggers for this process."""
    logging.basicConfig(stream=sys.stdout, level=max(LEVELS[level], logging.INFO), format="%(message)s", force=True)
    # A line for each call would name addresses and queries that are nobody's business here.
    for chatty in ("httpx", "httpcore", "websockets", "asyncio", "stripe"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            structlog.processors.JSONRenderer(serializer=_encode),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank what must not be written. A structlog processor."""
    for name in event:
        if any(word in name.lower() for word in SECRET_WORDS):
            event[name] = "hidden"
    return event


def _encode(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
