"""Settings: environment over TOML, every problem at once, secrets never shown."""

from pathlib import Path

import pytest

from gateway.settings import ReceiverSettings, Settings, SettingsError, WorkerSettings, unknown_variables

ACCOUNT = """
[accounts.sinch-us]
profile = "sinch"
[accounts.sinch-us.inbound]
networks = ["203.0.113.0/24"]
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MM7_AMQP_URL", "MM7_CONFIG", "MM7_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """load(toml, kind, MM7_X=…): the settings of a file and an environment."""

    def from_(toml: str | bytes | None = None, kind: type[Settings] = Settings, **env: str) -> Settings:
        if toml is not None:
            path = tmp_path / "config.toml"
            path.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
            monkeypatch.setenv("MM7_CONFIG", str(path))
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return kind.load()

    return from_


@pytest.fixture
def problems(load):
    def of(*args, **kwargs) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(*args, **kwargs)
        assert str(caught.value) == "\n".join(caught.value.problems)
        return caught.value.problems

    return of


def test_the_defaults_run_on_one_machine(load) -> None:
    settings = load()
    assert settings.amqp_url.get_secret_value() == "amqp://guest:guest@127.0.0.1:5672/"
    assert (settings.http_host, settings.http_port, settings.reuse_port) == ("127.0.0.1", 8080, False)
    assert (settings.admin_host, settings.admin_port) == ("127.0.0.1", None)
    assert (settings.answer_within, settings.body_within, settings.max_body_bytes) == (1.8, 5.0, 10485760)
    assert (settings.spool_dir, settings.log_level, settings.log_format) == (".run/spool", "info", None)
    assert settings.media_url == f"file://{Path.cwd()}/.run/media"
    assert settings.accounts == {}


def test_an_account_s_defaults_follow_from_its_name_and_profile(load) -> None:
    account = load(ACCOUNT, ReceiverSettings).accounts["sinch-us"]
    assert (account.name, account.callback_path) == ("sinch-us", "/mm7/sinch-us")
    assert (account.version_written, account.namespace_written[-13:]) == ("6.8.0", "REL-6-MM7-1-4")
    older = load(ACCOUNT.replace('"sinch"\n', '"sinch"\nmm7_version = "5.3.0"\npath = "/x"\n', 1)).accounts["sinch-us"]
    assert (older.version_written, older.namespace_written[-13:], older.callback_path) == (
        "5.3.0",
        "REL-5-MM7-1-2",
        "/x",
    )


def test_the_environment_comes_before_the_file_down_to_single_settings_of_an_account(load) -> None:
    settings = load(
        "http_port = 1\nlog_level = 'debug'" + ACCOUNT,
        MM7_HTTP_PORT="2",
        **{"MM7_ACCOUNTS__SINCH-US__OUTBOUND__URL": "http://x/mm7", "MM7_ACCOUNTS__SINCH-US__MM7_VERSION": "5.3.0"},
    )
    assert (settings.http_port, settings.log_level) == (2, "debug")
    account = settings.accounts["sinch-us"]
    assert (account.profile_name, account.mm7_version, account.outbound.url) == ("sinch", "5.3.0", "http://x/mm7")
    assert [str(network) for network in account.inbound.networks] == ["203.0.113.0/24"]


def test_accounts_may_be_json_in_the_environment(load) -> None:
    settings = load(MM7_ACCOUNTS='{"a": {"profile": "generic", "inbound": {"open": true}}}')
    assert settings.accounts["a"].inbound.open


def test_a_secret_may_be_in_a_variable_or_a_file(load, tmp_path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    toml = f"""
amqp_url = "env:BROKER"
[accounts.a]
profile = "generic"
[accounts.a.inbound]
basic = [{{ username = "one", password = "file:{tmp_path}/secret" }}, {{ username = "two", password = "itself" }}]
[accounts.a.outbound]
url = "http://x"
vaspid = "env:KEY"
"""
    settings = load(toml, BROKER="amqp://u:hunter2@h/", KEY="hunter3")
    account = settings.accounts["a"]
    found = [one.password.get_secret_value() for one in account.inbound.basic]
    assert found == ["from a file", "itself"]
    assert settings.amqp_url.get_secret_value() == "amqp://u:hunter2@h/"
    assert account.outbound.vaspid.get_secret_value() == "hunter3"
    for secret in ("hunter2", "hunter3", "from a file", "itself"):
        assert secret not in repr(settings)
        assert secret not in settings.model_dump_json()


EVERYTHING_WRONG = """
http_port = 99999
answer_within = -1
body_within = "soon"
max_body_bytes = 1
log_level = "loud"
reuse_port = "perhaps"
spol_dir = "x"
amqp_url = "http://user:hunter2@host"
state_url = "env:NOT_SET"
media_url = "ftp://user:hunter2@host"
[accounts.BAD_name]
profile = "sinch"
[accounts.a]
profile = "sinc"
path = "mm7"
colour = "red"
[accounts.a.inbound]
networks = ["203.0.113.5/24", "everywhere"]
basic = ["me:hunter2", { username = "a:b", password = "file:/does/not/exist" }, { username = "c" }, { username = "d", password = "" }]
[accounts.a.outbound]
url = "ftp://me:hunter2@host"
basic = "me:hunter2"
vaspid = 5
rate = 0
concurrency = 0
retry_delays = ["10 seconds"]
on_unknown = "guess"
[accounts.b]
profile = "vibes"
mm7_version = "5.5.0"
inbound = { open = false }
[accounts.c]
inbound = { open = true }
"""
NAMED = {
    "MM7_HTTP_PORT = 99999": "65535",
    "MM7_ANSWER_WITHIN = -1": "greater than 0",
    "MM7_BODY_WITHIN = 'soon'": "number",
    "MM7_MAX_BODY_BYTES = 1": "1024",
    "MM7_LOG_LEVEL = 'loud'": "'debug', 'info', 'warning' or 'error'",
    "MM7_REUSE_PORT = 'perhaps'": "boolean",
    "MM7_SPOL_DIR = 'x'": "mend its spelling",
    "MM7_AMQP_URL": "write amqp://",
    "MM7_STATE_URL": "the environment variable NOT_SET is not set",
    "MM7_MEDIA_URL = 'ftp://…@host'": "write file:///",
    "accounts.BAD_name.name = 'BAD_name'": "rename",
    "accounts.BAD_name.inbound": "anybody could send callbacks",
    "accounts.a.profile = 'sinc'": "choose one of generic, ",
    "accounts.a.path = 'mm7'": "begin it with /",
    "accounts.a.colour = 'red'": "no such setting",
    "accounts.a.inbound.networks[0] = '203.0.113.5/24'": "203.0.113.0/24",
    "accounts.a.inbound.networks[1] = 'everywhere'": "not a network",
    "accounts.a.inbound.basic[0]": "Credential",
    "accounts.a.inbound.basic[1].username": "no colon",
    "accounts.a.inbound.basic[1].password": "/does/not/exist cannot be read",
    "accounts.a.inbound.basic[2].password": "missing: add it",
    "accounts.a.inbound.basic[3].password": "empty",
    "accounts.a.outbound.url = 'ftp://…@host'": "https://host/path",
    "accounts.a.outbound.basic": "Credential",
    "accounts.a.outbound.vaspid": "string",
    "accounts.a.outbound.rate = 0": "greater than 0",
    "accounts.a.outbound.concurrency = 0": "greater than or equal to 1",
    "accounts.a.outbound.retry_delays[0] = '10 seconds'": '"10s"',
    "accounts.a.outbound.on_unknown = 'guess'": "'park' or 'resend'",
    "accounts.b.namespace = None": "use 5.3.0, 6.8.0",
    "accounts.b.inbound": "open = true if that is meant",
    "accounts.c.profile": "missing: add it",
}


def test_every_problem_is_named_at_once_with_its_value_and_what_to_do(problems) -> None:
    found = dict(problem.split(": ", 1) for problem in problems(EVERYTHING_WRONG, ReceiverSettings))
    assert list(found)
    assert set(found) == set(NAMED)
    for name, fix in NAMED.items():
        assert fix in found[name]


def test_no_secret_is_shown_in_a_problem(problems) -> None:
    assert "hunter2" not in "\n".join(problems(EVERYTHING_WRONG, ReceiverSettings))


@pytest.mark.parametrize(
    ("toml", "env", "problem"),
    [
        ("x = [", {}, "config.toml': no TOML that can be read"),
        (b"\xff\xfe", {}, "config.toml': no TOML that can be read"),
        ("", {"MM7_ACCOUNTS": "{"}, "MM7_ACCOUNTS: no JSON"),
        (None, {"MM7_CONFIG": "/does/not/exist"}, "MM7_CONFIG = '/does/not/exist': no such file"),
        (None, {"MM7_CONFIG": "/etc"}, "MM7_CONFIG = '/etc': no such file"),
        (None, {"MM7_CONFIG": "/proc/self/mem"}, "MM7_CONFIG = '/proc/self/mem': no TOML that can be read"),
        ("[accounts.a]\nprofile = 'sinch'\nprofile = 'vibes'", {}, "config.toml': no TOML that can be read"),
        ("accounts = 3", {}, "MM7_ACCOUNTS = 3: input should be a valid dictionary"),
        ("[accounts]\na = 3", {}, "accounts.a = 3: input should be a valid dictionary"),
        ("", {"MM7_AMQP_URL": "env:"}, "MM7_AMQP_URL: the environment variable  is not set"),
        ("", {"MM7_AMQP_URL": ""}, "MM7_AMQP_URL: empty"),
    ],
)
def test_what_cannot_even_be_read_is_a_problem_too(problems, toml, env, problem) -> None:
    [found] = problems(toml, **env)
    assert problem in found


def test_two_accounts_cannot_have_one_path(problems) -> None:
    toml = "\n".join(
        f"[accounts.{name}]\nprofile = 'generic'\npath = '/x{end}'" for name, end in (("a", ""), ("b", "/"))
    )
    assert problems(toml) == ["MM7_ACCOUNTS: two accounts have the path /x: give each its own"]


def test_the_receiver_needs_accounts_that_say_who_may_call(problems, load) -> None:
    assert "no account" in problems("", ReceiverSettings)[0]
    assert problems("accounts = 3", ReceiverSettings) == ["MM7_ACCOUNTS = 3: input should be a valid dictionary"]
    [closed] = problems("[accounts.a]\nprofile = 'generic'", ReceiverSettings)
    assert closed.startswith("accounts.a.inbound: anybody could send callbacks")
    assert load("[accounts.a]\nprofile = 'generic'").accounts["a"].inbound is None


def test_the_worker_needs_an_account_that_can_send(problems, load) -> None:
    assert "no account can send" in problems(ACCOUNT, WorkerSettings)[0]
    assert (
        load(ACCOUNT + "[accounts.sinch-us.outbound]\nurl = 'http://x'", WorkerSettings).accounts["sinch-us"].outbound
    )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("state_url = 'memory://'", "MM7_STATE_URL: what was sent would be forgotten"),
        ("commands_kept = 3599", "MM7_COMMANDS_KEPT = 3599: input should be greater than or equal to 3600"),
        ("commands_kept = 7199", "accounts: a command that waits 3600 s for its answer would be forgotten"),
    ],
)
def test_the_worker_refuses_to_forget_what_it_has_sent(problems, load, setting: str, said: str) -> None:
    account = ACCOUNT + "[accounts.sinch-us.outbound]\nurl = 'http://x'\ntimeout = 3600"
    found = problems(f"{setting}\n{account}", WorkerSettings)
    assert any(problem.replace("MM7_ACCOUNTS", "accounts").startswith(said) for problem in found), found
    assert load(f"commands_kept = 7200\n{account}", WorkerSettings)


def test_a_variable_that_begins_like_a_setting_and_is_none_is_named(monkeypatch) -> None:
    monkeypatch.setenv("MM7_HTPP_PORT", "80")
    monkeypatch.setenv("MM7_ACCOUNTS__SINCH__PROFILE", "sinch")
    assert unknown_variables() == ["MM7_HTPP_PORT"]


@pytest.mark.parametrize("given", ["a.example, *.b.example", '["a.example", "*.b.example"]'])
def test_a_list_in_one_variable_is_written_with_commas_or_as_json(monkeypatch, given) -> None:
    monkeypatch.setenv("MM7_FETCH_HOSTS", given)
    assert Settings.load().fetch_hosts == ["a.example", "*.b.example"]


def test_a_problem_in_a_list_names_its_variable(monkeypatch) -> None:
    monkeypatch.setenv("MM7_FETCH_HOSTS", "a.example, b c")
    with pytest.raises(SettingsError, match=r"MM7_FETCH_HOSTS\[1\] = 'b c'"):
        Settings.load()
