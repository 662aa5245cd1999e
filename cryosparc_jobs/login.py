"""Where CryoSPARC is, and who asks: from options, environment, saved token or prompt.

A password is taken from the environment or from a prompt, never from the command line,
where every user of the machine could read it. A token of `python -m cryosparc.tools
login` is found by the client itself, by exactly the address that was given there.
"""

from __future__ import annotations

import functools
import getpass
import os
import sys
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import click

from cryoscore_plugin.cli.options import Callback, with_options
from cryoscore_plugin.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where CryoSPARC is, and who asks.

    Attributes
    ----------
    url : str
        Address of the web interface, without a slash at its end.
    email : str or None
        Account; None takes that of the saved token.
    password : str or None
        None if a saved token is to be used. Not part of the `repr`.
    license : str or None
        License number, which clients before 5.0 want. Not part of the `repr`.
    """

    url: str
    email: str | None = None
    password: str | None = field(default=None, repr=False)
    license: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """Name of the computer."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Base port; 80 or 443 where the address names none."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)


def login_options(callback: Callback) -> Callback:
    """Add the options that say where CryoSPARC is; pass on one `login`.

    Parameters
    ----------
    callback : Callback
        Click callback that takes `login`, keyword-only. The command raises
        `ConfigError` if no address, or two, were given.
    """

    @functools.wraps(callback)
    def with_login(*args: object, **values: Any) -> object:  # noqa: ANN401  as click has it
        login = chosen_login(
            values.pop("url"),
            host=values.pop("host"),
            port=values.pop("port"),
            email=values.pop("email"),
            ask=values.pop("ask_password"),
        )
        return callback(*args, login=login, **values)

    return with_options(cast("Callback", with_login), _OPTIONS)


_OPTIONS = (
    click.option(
        "--url",
        help="Address of CryoSPARC, such as http://cryoem:39000; the same words as in "
        "`python -m cryosparc.tools login`. Default: $CRYOSPARC_BASE_URL.",
    ),
    click.option(
        "--host",
        help="Its computer, in place of --url. Default: $CRYOSPARC_MASTER_HOSTNAME.",
    ),
    click.option(
        "--port",
        type=click.IntRange(1, 65535),
        help="Its base port, with --host. Default: $CRYOSPARC_BASE_PORT.",
    ),
    click.option("--email", help="Your account. Default: $CRYOSPARC_EMAIL."),
    click.option(
        "--ask-password",
        is_flag=True,
        help="Ask for the password. Default: $CRYOSPARC_PASSWORD, or the saved login.",
    ),
)


def chosen_login(
    url: str | None,
    *,
    host: str | None = None,
    port: int | None = None,
    email: str | None = None,
    ask: bool = False,
) -> Login:
    """Put options and environment together.

    Parameters
    ----------
    url : str or None
        Value of `--url`.
    host : str or None
        Value of `--host`.
    port : int or None
        Value of `--port`.
    email : str or None
        Value of `--email`.
    ask : bool
        Whether to ask for the password.

    Raises
    ------
    ConfigError
        If there is no address, two of them, or nobody to ask.
    """
    email = email or _environment("CRYOSPARC_EMAIL")
    password = _environment("CRYOSPARC_PASSWORD")
    if ask:
        email = email or _asked("Email of your CryoSPARC account: ", secret=False)
        password = _asked(f"CryoSPARC password of {email}: ", secret=True)
    return Login(
        url=_address(url, host, port),
        email=email,
        password=password,
        license=_environment("CRYOSPARC_LICENSE_ID"),
    )


def _address(url: str | None, host: str | None, port: int | None) -> str:
    if url and (host or port):
        msg = (
            f"--url is {url}, and --host or --port is given as well, but one address "
            "is wanted. Give one of them."
        )
        raise ConfigError(msg)
    if not url and not host and not port:
        url = _environment("CRYOSPARC_BASE_URL")
    host = host or _environment("CRYOSPARC_MASTER_HOSTNAME")
    named = str(port) if port else _environment("CRYOSPARC_BASE_PORT")
    if not url and host and named:
        url = f"http://{host}:{named}"
    if not url:
        msg = (
            "The address of CryoSPARC is wanted, but neither --url nor --host and "
            "--port were given. Type, for example, --url http://cryoem:39000, or set "
            "CRYOSPARC_BASE_URL."
        )
        raise ConfigError(msg)
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        msg = (
            f"--url should look like http://cryoem:39000, but is {url}. Copy the "
            "address from the browser, up to the port."
        )
        raise ConfigError(msg)
    if urlsplit(url).password:
        msg = (
            "--url should hold no password, but does. Set CRYOSPARC_PASSWORD, or "
            "use --ask-password."
        )
        raise ConfigError(msg)
    return url.rstrip("/")


def _environment(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _asked(prompt: str, *, secret: bool) -> str:
    if not sys.stdin.isatty():
        msg = (
            "--ask-password needs a terminal to ask in, but there is none. Log in "
            "once with `python -m cryosparc.tools login`, or set CRYOSPARC_EMAIL and "
            "CRYOSPARC_PASSWORD."
        )
        raise ConfigError(msg)
    return getpass.getpass(prompt) if secret else input(prompt)
