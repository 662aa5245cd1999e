"""The connection to CryoSPARC, and what its client raises put into sentences.

The client is cryosparc-tools. Its versions 4.7 and 5.0 are both spoken to; where they
differ, the difference is here and in `external_job`. The client warns about each of its
retries; those words go to the log of `--verbose`.
"""

from __future__ import annotations

import functools
import importlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from cryoscore_plugin.errors import ConfigError, InputError
from cryosparc_jobs.login import Login

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TRIES = 3
"""How often a request is made that a server or a network may fail for a moment."""

PAUSE = 2.0
"""Seconds before the second try; each later pause is twice as long."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Connection:
    """A server that knows who asks.

    Attributes
    ----------
    cs : CryoSPARC
        The object of the client.
    login : Login
        Where the server is.
    client_version, server_version : str
        Such as "5.0.3" and "v5.0.1".
    """

    cs: Any
    login: Login
    client_version: str
    server_version: str

    @property
    def is_v5(self) -> bool:
        """Whether the client is of version 5 or later."""
        return _major(self.client_version) >= 5

    def slot(self, described: dict[str, Any]) -> dict[str, Any]:
        """A slot with `name` and `dtype`, in the words of the client."""
        key = "name" if self.is_v5 else "prefix"
        return {key: described["name"]} | {
            word: value for word, value in described.items() if word != "name"
        }

    def version_doubt(self) -> str | None:
        """A sentence, if client and server are not of one minor version."""
        wanted = ".".join(self.server_version.lstrip("v").split(".")[:2])
        if wanted == ".".join(self.client_version.split(".")[:2]):
            return None
        return (
            f"CryoSPARC is of version {self.server_version}, but cryosparc-tools of "
            f"{self.client_version}; they should agree in the first two numbers. "
            f'Type: pip install "cryosparc-tools~={wanted}.0"'
        )


def connect(login: Login) -> Connection:
    """Log in.

    Parameters
    ----------
    login : Login
        Where the server is, and who asks.

    Raises
    ------
    ConfigError
        If no login is known, or the client is of another major version than the
        server.
    InputError
        If the server does not answer, or refuses.
    """
    client = importlib.import_module("cryosparc")
    warnings.filterwarnings("ignore", message=r"\*\*\* ")
    warnings.filterwarnings("ignore", message="CryoSPARC .* may not be compatible")
    version: str = client.__version__
    try:
        cs = _logged_in(login, version)
        server = (
            cs.api.config.get_version()
            if _major(version) >= 5
            else cs.cli.get_running_version()
        )
    except client_errors() as error:
        raise _connection_error(error, login, version) from error
    found = Connection(
        cs=cs, login=login, client_version=version, server_version=str(server)
    )
    if _major(found.server_version.lstrip("v")) != _major(version):
        raise ConfigError(found.version_doubt())
    return found


def _logged_in(login: Login, version: str) -> Any:  # noqa: ANN401  untyped client
    tools = importlib.import_module("cryosparc.tools")
    known = {"email": login.email, "password": login.password}
    if _major(version) >= 5:
        # Its environment variables are read at import, and contradict an address.
        return tools.CryoSPARC(login.url, host=None, base_port=None, **known)
    missing = [
        name
        for name, value in {
            "CRYOSPARC_LICENSE_ID": login.license,
            "CRYOSPARC_EMAIL": login.email,
            "CRYOSPARC_PASSWORD": login.password,
        }.items()
        if not value
    ]
    if missing:
        msg = (
            f"cryosparc-tools {version} needs {', '.join(missing)} in the environment, "
            "but finds nothing there. Set it, or type --ask-password for the password."
        )
        raise ConfigError(msg)
    return tools.CryoSPARC(
        license=login.license, host=login.host, base_port=login.port, **known
    )


def _connection_error(
    error: Exception, login: Login, version: str
) -> ConfigError | InputError:
    """Say why there is no connection."""
    codes = {_code(one) for one in _causes(error)}
    if "not provided or expired" in str(error):
        msg = (
            f"A login for {login.url} is wanted, but none is saved or it has expired. "
            f"Type: python -m cryosparc.tools login --url {login.url}"
        )
        return ConfigError(msg)
    if codes & {401, 403} or "authentication" in str(error):
        return InputError(
            f"CryoSPARC at {login.url} refused the login"
            f"{f' of {login.email}' if login.email else ''}. Check email and password, "
            f"or log in anew: python -m cryosparc.tools login --url {login.url}"
        )
    if 404 in codes:
        return InputError(
            f"CryoSPARC {'.'.join(version.split('.')[:2])} should answer at "
            f"{login.url}, but something else does. Check the address and the version "
            'of the server, and install its client: pip install "cryosparc-tools~=X.Y.0"'
        )
    return InputError(
        f"CryoSPARC should answer at {login.url}, but does not: "
        f"{reason(_causes(error)[-1])}. Check address and port, whether it runs, and "
        "whether a proxy stands between (NO_PROXY)."
    )


@functools.cache
def client_errors() -> tuple[type[Exception], ...]:
    """What the client raises when a request fails, whatever its version."""
    found: list[type[Exception]] = [
        ValueError,
        TypeError,
        OSError,
        AssertionError,
        RuntimeError,
    ]
    for module, name in (
        ("httpx", "HTTPError"),
        ("httpx", "StreamError"),
        ("cryosparc.errors", "CommandError"),
        ("cryosparc.errors", "DatasetLoadError"),
    ):
        try:
            found.append(getattr(importlib.import_module(module), name))
        except (ImportError, AttributeError):
            continue  # Another version of the client.
    return tuple(found)


@contextmanager
def asking(what: str, advice: str = "Try again.") -> Iterator[None]:
    """Put what the client raises into one sentence.

    Parameters
    ----------
    what : str
        What the server should do, after "CryoSPARC should".
    advice : str
        What to do next.

    Raises
    ------
    InputError
        If a request inside fails.
    """
    try:
        yield
    except InputError:
        raise
    except client_errors() as error:
        msg = f"CryoSPARC should {what}, but answered: {reason(error)}. {advice}"
        raise InputError(msg) from error


def patiently(
    call: Callable[[], Answer], *, refusals: range = range(400, 500)
) -> Answer:
    """Make a request again while server or network seem to fail for a moment.

    Parameters
    ----------
    call : Callable
        Makes the request anew each time it is called.
    refusals : range
        HTTP codes after which there is no use in trying again.
    """
    for number in range(1, TRIES):
        try:
            return call()
        except client_errors() as error:
            if _code(error) in refusals:
                raise  # It was understood, and is not wanted.
            logger.debug("Request failed, try %d", number, exc_info=True)
            time.sleep(PAUSE * 2 ** (number - 1))
    return call()


def reason(error: BaseException) -> str:
    """The first line of what a server or the client says, without addresses.

    Parameters
    ----------
    error : BaseException
        What was raised.
    """
    data = getattr(error, "data", None)
    if isinstance(data, dict) and (detail := data.get("detail") or data.get("message")):
        more = data.get("build_errors")
        words = f"{detail} ({'; '.join(map(str, more))})" if more else str(detail)
    else:
        words = str(error).split("\n", maxsplit=1)[0] or type(error).__name__
    return words.strip().rstrip(".")[:500]


def _code(error: BaseException) -> int | None:
    """The HTTP status in an error, if there is one."""
    response = getattr(error, "response", None)
    code = getattr(error, "code", getattr(response, "status_code", None))
    return code if isinstance(code, int) else None


def _causes(error: BaseException) -> list[BaseException]:
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None:
        found.append(cause)
        if len(found) > 3:
            break
    return found


def _major(version: str) -> int:
    head = version.split(".", maxsplit=1)[0]
    return int(head) if head.isdecimal() else 0
