"""The answer that opens a session: the token for programs, the same in a cookie for browsers."""

from litestar import Response
from litestar.datastructures import Cookie

from bitcurrent.identity import schemas
from bitcurrent.identity.service import Identity, Login
from bitcurrent.identity.tokens import LIFETIME
from bitcurrent.settings import Settings


def logged_in(login: Login, identity: Identity, settings: Settings, *, status: int = 200) -> Response[schemas.LoggedIn]:
    """A new session as an answer."""
    seconds = int(LIFETIME.total_seconds())
    cookies = [cookie_of(identity, settings, login.token, seconds), identity.csrf.cookie(login.token, seconds)]
    return Response(schemas.logged_in(login), status_code=status, cookies=cookies)


def cookie_of(identity: Identity, settings: Settings, value: str, seconds: int) -> Cookie:
    """The session's cookie; zero seconds take it back."""
    return Cookie(
        key=identity.cookie_name,
        value=value,
        max_age=seconds,
        path="/",
        httponly=True,
        secure=settings.secure_cookies,
        samesite="lax",
    )
