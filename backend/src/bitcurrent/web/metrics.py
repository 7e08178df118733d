"""What the HTTP edge counts, and the server that shows it to this machine only.

Metrics name routes and volumes, so they never pass through the public port: a proxy in front would carry them out.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Histogram, start_http_server

REQUEST_SECONDS = Histogram(
    "bitcurrent_http_request_seconds",
    "Time from a request's arrival to the end of its answer.",
    ("method", "route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


@contextmanager
def metrics_server(port: int) -> Iterator[None]:
    """Serve /metrics on 127.0.0.1:`port` for the length of a block; port 0 serves nothing."""
    if port == 0:
        yield
        return
    server, thread = start_http_server(port, addr="127.0.0.1")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2)
