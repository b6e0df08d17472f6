"""Settings that cannot be used, ports that are taken: every problem is named, nothing is a traceback."""

import socket

import pytest

ACCOUNT = {"profile": "sinch", "inbound": {"open": True}, "outbound": {"url": "http://127.0.0.1:9/"}}
NOWHERE = "amqp://127.0.0.1:9/"


async def test_every_problem_of_the_settings_is_listed_at_once(run, configure, tmp_path):
    bad = {
        "profile": "nobody",
        "surprise": 1,
        "inbound": {"basic": [{"username": "u", "password": "env:NOT_SET_ANYWHERE"}]},
        "outbound": {"url": "ftp://x", "rate": -1, "retry_delays": ["soon"]},
    }
    path = configure(tmp_path / "config.toml", {"one": bad, "two": {"profile": "sinch"}})
    program = run(
        "gateway", CONFIG=path, HTTP_PORT=99999, LOG_LEVEL="loud", AMQP_URL="http://:s3cret@x", ANSWER_WITHIN=0
    )
    assert await program.ended() == 2
    for expected in (
        "MM7_HTTP_PORT = '99999'", "MM7_LOG_LEVEL = 'loud'", "MM7_AMQP_URL", "MM7_ANSWER_WITHIN",
        "accounts.one.profile = 'nobody'", "accounts.one.surprise", "NOT_SET_ANYWHERE", "accounts.one.outbound.url",
        "accounts.one.outbound.rate", "accounts.one.outbound.retry_delays[0] = 'soon'", "accounts.two.inbound",
    ):  # fmt: skip
        assert expected in program.log
    assert "s3cret" not in program.log


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"CONFIG": "/nowhere/config.toml"}, "no such file"),
        ({"CONFIG": "/"}, "no such file"),
        ({"ACCOUNTS": "no json"}, "MM7_ACCOUNTS"),
        ({"ACCOUNTS": "{}", "CONFIG": ""}, "account"),
        ({"AMQP_URL": "amqp://host:99999/"}, "broker's URL"),
        ({"MEDIA_URL": "ftp://x"}, "MM7_MEDIA_URL"),
        ({"MEDIA_URL": "az://"}, "cannot start"),
    ],
    ids=str,
)
async def test_settings_that_cannot_be_used_are_a_sentence(run, configure, tmp_path, settings, words):
    path = configure(tmp_path / "config.toml", {"one": ACCOUNT})
    program = run("gateway", **{"CONFIG": path, "AMQP_URL": NOWHERE} | settings)
    assert await program.ended() == 2
    assert words in program.log


@pytest.mark.parametrize("delay", ["1.5s", "48h"])
async def test_a_delay_that_no_queue_can_wait_is_a_sentence(run, configure, tmp_path, delay):
    outbound = {**ACCOUNT["outbound"], "retry_delays": ["10s", delay]}
    path = configure(tmp_path / "config.toml", {"one": {**ACCOUNT, "outbound": outbound}})
    program = run("workers", CONFIG=path, AMQP_URL=NOWHERE)
    assert await program.ended() == 2
    assert "not a delay" in program.log


@pytest.mark.parametrize("content", [b"\xff", b"accounts = 3", b"[accounts.\xc3\xbc]", b"x = 1"])
async def test_a_file_that_is_no_settings_is_a_sentence(run, tmp_path, content):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    program = run("gateway", CONFIG=path, AMQP_URL=NOWHERE)
    assert await program.ended() == 2
    assert "the settings cannot be used" in program.log


@pytest.mark.parametrize(("module", "variable"), [("gateway", "HTTP"), ("gateway", "ADMIN"), ("workers", "ADMIN")])
async def test_a_port_that_is_taken_is_a_sentence(run, configure, tmp_path, module, variable):
    path = configure(tmp_path / "config.toml", {"one": ACCOUNT})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = run(module, CONFIG=path, AMQP_URL=NOWHERE, **{f"{variable}_PORT": port})
        assert await program.ended() == 1  # another start may help
    assert "cannot start" in program.log
    assert str(port) in program.log
    assert "in use" in program.log


async def test_a_name_that_is_not_there_yet_is_worth_another_start(run, configure, tmp_path):
    path = configure(tmp_path / "config.toml", {"one": ACCOUNT})
    program = run("gateway", CONFIG=path, AMQP_URL=NOWHERE, ADMIN_HOST="nowhere.invalid")
    assert await program.ended() == 1
    assert "cannot start" in program.log
    assert "nowhere.invalid" in program.log


async def test_a_worker_whose_accounts_cannot_send_says_so(run, configure, tmp_path):
    path = configure(tmp_path / "config.toml", {"one": {"profile": "sinch", "inbound": {"open": True}}})
    program = run("workers", CONFIG=path, AMQP_URL=NOWHERE)
    assert await program.ended() == 2
    assert "no account can send" in program.log
