"""Where CryoSPARC is comes from options or environment, and no password is ever shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cryoscore_plugin.errors import ConfigError
from cryosparc_jobs.checks import token_path
from cryosparc_jobs.cli import cryosparc
from cryosparc_jobs.login import Login, chosen_login


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("BASE_URL", "MASTER_HOSTNAME", "BASE_PORT", "EMAIL", "PASSWORD"):
        monkeypatch.delenv(f"CRYOSPARC_{name}", raising=False)


def test_url_loses_the_slash_under_which_no_login_is_saved():
    assert chosen_login("http://cryoem:39000/").url == "http://cryoem:39000"


def test_host_and_port_are_as_good_as_a_url():
    assert chosen_login(None, host="cryoem", port=39000).url == "http://cryoem:39000"


def test_url_counts_more_than_the_variables_of_a_cryosparc_shell(monkeypatch):
    monkeypatch.setenv("CRYOSPARC_MASTER_HOSTNAME", "other")
    monkeypatch.setenv("CRYOSPARC_BASE_PORT", "1")
    assert chosen_login("http://cryoem:39000").url == "http://cryoem:39000"


def test_host_counts_more_than_a_url_in_the_environment(monkeypatch):
    monkeypatch.setenv("CRYOSPARC_BASE_URL", "http://other:1")
    assert chosen_login(None, host="cryoem", port=2).url == "http://cryoem:2"


def test_environment_is_enough(monkeypatch):
    monkeypatch.setenv("CRYOSPARC_MASTER_HOSTNAME", "cryoem")
    monkeypatch.setenv("CRYOSPARC_BASE_PORT", "39000")
    monkeypatch.setenv("CRYOSPARC_EMAIL", "ali@example.com")
    login = chosen_login(None)
    assert (login.host, login.port, login.email) == ("cryoem", 39000, "ali@example.com")


def test_email_of_the_command_line_counts_more(monkeypatch):
    monkeypatch.setenv("CRYOSPARC_EMAIL", "ali@example.com")
    assert (
        chosen_login("http://c:1", email="eva@example.com").email == "eva@example.com"
    )


@pytest.mark.parametrize(
    ("url", "host", "words"),
    [
        (None, None, "neither --url nor --host"),
        ("http://a:1", "b", "one address is wanted"),
        ("cryoem:39000", None, "should look like http://cryoem:39000"),
        ("http://me:secret@a:1", None, "should hold no password"),
    ],
)
def test_address_that_cannot_be_used_is_refused(url, host, words):
    with pytest.raises(ConfigError, match=words) as caught:
        chosen_login(url, host=host)
    assert "secret" not in str(caught.value)


def test_password_is_asked_for_in_a_terminal_only(monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "typed")
    login = chosen_login("http://c:1", email="ali@example.com", ask=True)
    assert login.password == "typed"  # noqa: S105  a test's
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(ConfigError, match="needs a terminal"):
        chosen_login("http://c:1", ask=True)


def test_password_is_not_in_the_repr():
    login = Login(url="http://c:1", password="secret", license="number")  # noqa: S106
    assert "secret" not in repr(login)
    assert "number" not in repr(login)


def test_no_command_takes_a_password_as_an_option():
    for command in cryosparc.commands.values():
        names = [name for option in command.params for name in option.opts]
        assert "--password" not in names
        assert "--license" not in names


def save_login(site, token):
    auth = pytest.importorskip("cryosparc.auth", reason="Version 4 saves no login.")
    auth.get_default_auth_config_path.cache_clear()
    sessions = auth.InstanceAuthSessions.load()
    until = datetime.now(UTC) + timedelta(days=1)
    saved = auth.Token(access_token=token, token_type="bearer")  # noqa: S106
    sessions.insert(site.url, "ali@example.com", saved, until)
    sessions.save()


def test_saved_login_is_enough(site, shell, monkeypatch):
    save_login(site, site.token)
    monkeypatch.delenv("CRYOSPARC_PASSWORD", raising=False)
    answer = shell("doctor", "--url", site.url)
    assert f"Logged in at {site.url}" in answer.out
    assert "login" not in site.calls
    assert f"Others can read your CryoSPARC token in {token_path()}" in answer.out


def test_saved_login_that_is_no_longer_valid_is_told(site, shell, monkeypatch):
    save_login(site, "an old token")
    monkeypatch.delenv("CRYOSPARC_PASSWORD", raising=False)
    answer = shell("doctor", "--url", site.url)
    assert "refused the login" in answer.out
    assert f"cryosparc.tools login --url {site.url}" in answer.out
    assert "an old token" not in answer.out + answer.err
