"""The page behind the links in our mails: plain HTML, one script, one style sheet.

The link's token stands behind the # of the address, so it reaches no server before the customer says yes.
"""

from functools import lru_cache
from importlib import resources

from litestar import Response

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)


@lru_cache(maxsize=4)
def _file(name: str) -> bytes:
    return resources.files("bitcurrent.identity.accounts.pages").joinpath(name).read_bytes()


def answer(name: str, media_type: str) -> Response[bytes]:
    """One of the page's files."""
    headers = {
        "Cache-Control": "public, max-age=300",
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
    }
    return Response(_file(name), media_type=media_type, headers=headers)
