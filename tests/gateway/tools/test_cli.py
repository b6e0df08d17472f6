"""`mm7` without a broker: decode, encode, schema; exit codes, and errors that say what to do."""

import json
import subprocess
from pathlib import Path

import pytest

from gateway import mm7
from gateway.tools import console
from gateway.tools.words import line, told

SAMPLES = Path(__file__).parents[2] / "samples"
REPORT = b"""<?xml version="1.0"?>
<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4">
<env:Header><TransactionID env:mustUnderstand="1">tx</TransactionID></env:Header>
<env:Body><DeliveryReportReq><MM7Version>6.8.0</MM7Version><MessageID>m</MessageID>
<Recipient><Number>15553199144</Number></Recipient><Sender><Number>111122</Number></Sender>
<Date>2026-03-16T14:03:51Z</Date><MMStatus>Retrieved</MMStatus></DeliveryReportReq></env:Body></env:Envelope>
"""
HEAD = b"POST / HTTP/1.1\r\nContent-Type: text/xml\r\n\r\n"
COMMAND = {"id": "a", "to": ["15553199144"], "from": "111122", "parts": [{"content_type": "text/plain", "text": "é"}]}
ACCOUNT = {"profile": "sinch", "outbound": {"url": "https://u:p@mmsc.example/mm7?x=1", "vasid": "v", "vaspid": "k"}}


@pytest.fixture
def config(configure, monkeypatch, tmp_path, clean):
    path = configure(tmp_path / "config.toml", {"one": {**ACCOUNT, "inbound": {"open": True}}, "two": ACCOUNT})
    monkeypatch.setenv("MM7_CONFIG", str(path))


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_captured_body_is_shown_as_one_json_object(invoke, tmp_path):
    done = invoke("decode", written(tmp_path / "body.xml", REPORT))
    shown = json.loads(done.stdout)
    assert (done.exit_code, done.stderr) == (0, "")
    assert (shown["operation"], shown["event"]["data"]["account"]) == ("DeliveryReportReq", "dry-run")
    assert not (tmp_path / ".run").exists(), "a dry run leaves nothing behind"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/request.http")), ids=lambda path: path.parent.name)
def test_every_request_of_the_providers_documents_is_accepted(invoke, path):
    done = invoke("decode", "--http", path)
    shown = json.loads(done.stdout)
    assert (done.exit_code, shown["refusal"], shown["answer"]["http_status"]) == (0, None, 200)
    assert shown["event"]["data"]["transaction_id"] == shown["message"]["transaction_id"]


@pytest.mark.parametrize(("options", "data"), [((), REPORT), (("--http",), HEAD + REPORT)])
def test_standard_input_is_read_for_a_dash(invoke, options, data):
    done = invoke("decode", *options, "-", stdin=data)
    assert (done.exit_code, json.loads(done.stdout)["event"]["type"]) == (0, "dr.received")


def test_a_content_type_is_believed(invoke):
    part = mm7.Part(content_type="text/plain", data=b"hi", charset="utf-8", content_id="c")
    submit = mm7.SubmitReq(
        transaction_id="t",
        namespace=mm7.REL_6_1_4,
        mm7_version="6.8.0",
        sender_identification=mm7.SenderIdentification(vaspid="k"),
        recipients=mm7.Recipients((mm7.Address("15553199144"),)),
        content=mm7.Content("cid:c"),
    )
    encoded = mm7.encode(submit, (part,))
    with_it = invoke("decode", "--content-type", encoded.content_type, "-", stdin=encoded.body)
    assert [one["text"] for one in json.loads(with_it.stdout)["event"]["data"]["parts"]] == ["hi"]
    assert "content_type_missing" not in json.loads(with_it.stdout)["quirks"]


def test_an_account_of_the_settings_is_used(invoke, config):
    done = invoke("decode", "--account", "one", "-", stdin=REPORT)
    assert (done.exit_code, json.loads(done.stdout)["event"]["data"]["profile"]) == (0, "sinch")


@pytest.mark.parametrize("data", [b"", b"<a/>", b"\xff\x00\xd8", b"x" * 100_000, b"<" * 100_000])
def test_what_is_refused_ends_with_three(invoke, data):
    done = invoke("decode", "-", stdin=data)
    assert (done.exit_code, json.loads(done.stdout)["event"]) == (3, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("decode", "nowhere.xml"), "nowhere.xml: No such file"),
        (("decode", "."), ".: Is a directory"),
        (("decode", "--http", "-"), "the file is empty"),
        (("decode", "--account", "nobody", "-"), "no account 'nobody' in the settings; there is one, two"),
        (("encode", "nowhere.json"), "nowhere.json: No such file"),
        (("encode", "--account", "nobody", "-"), "there is one, two"),
        (("send", "--account", "nobody", "--to", "1", "--text", "x"), "there is one, two"),
        (("send", "--account", "one", "--to", "1", "--attach", "nowhere.png"), "nowhere.png"),
        (("send", "--account", "one", "--to", "1", "--text", "\udcff"), "no UTF-8"),
    ],
)
def test_wrong_usage_ends_with_two_and_says_what_is_wrong(invoke, config, arguments, words):
    done = invoke(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


def test_settings_that_cannot_be_used_end_with_two_and_all_problems(invoke, monkeypatch):
    monkeypatch.setenv("MM7_LOG_LEVEL", "loud")
    monkeypatch.setenv("MM7_HTTP_PORT", "x")
    done = invoke("topology", "show")
    assert done.exit_code == 2
    assert "MM7_LOG_LEVEL = 'loud'" in done.stderr
    assert "MM7_HTTP_PORT = 'x'" in done.stderr


def test_without_settings_an_account_is_asked_for(invoke):
    done = invoke("send", "--account", "one", "--to", "1", "--text", "x")
    assert (done.exit_code, "MM7_CONFIG" in done.stderr) == (2, True)


def test_an_account_that_cannot_send_is_named_before_anything_is_enqueued(invoke, configure, monkeypatch, tmp_path):
    path = configure(tmp_path / "config.toml", {"one": {"profile": "sinch", "inbound": {"open": True}}})
    monkeypatch.setenv("MM7_CONFIG", str(path))
    done = invoke("send", "--account", "one", "--to", "1", "--text", "x")
    assert (done.exit_code, "cannot send" in done.stderr) == (2, True)


def test_encode_writes_the_request_byte_for_byte(invoke, config):
    done = invoke("encode", "--account", "one", "-", stdin=json.dumps(COMMAND).encode())
    assert done.exit_code == 0
    head, _, body = done.stdout_bytes.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /mm7?x=1 HTTP/1.1"
    assert (headers["Host"], headers["Content-Length"]) == ("mmsc.example", str(len(body)))
    decoded = mm7.decode(headers["Content-Type"], body)
    assert (decoded.message.transaction_id, decoded.quirks) == ("a", ())
    assert decoded.message.sender_identification.vaspid == "k"
    assert [part.data for part in decoded.parts if part.content_type == "text/plain"] == ["é".encode()]


def test_what_encode_writes_decode_reads(invoke, config):
    written = invoke("encode", "-", stdin=json.dumps(COMMAND).encode()).stdout_bytes
    read = invoke("decode", "--http", "-", stdin=written)
    assert (read.exit_code, json.loads(read.stdout)["operation"]) == (0, "SubmitReq")


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (b"no json", ["command: the body is no JSON"]),
        (b"[]", ["command: the command is no JSON object"]),
        (b"{}", ["id: ", "to: "]),
        ({**COMMAND, "parts": [{"content_type": "x", "text": "y"}], "surprise": 1}, ["parts[0].content_type: ", "surprise: "]),
        ({**COMMAND, "parts": [{"content_type": "a/b", "url": f"file:///{name}"} for name in "xy"]},
         ["parts[0].url: ", "parts[1].url: "]),
    ],
)  # fmt: skip
def test_a_command_that_cannot_work_ends_with_three_and_every_problem_by_its_path(invoke, command, lines):
    done = invoke("encode", "-", stdin=command if isinstance(command, bytes) else json.dumps(command).encode())
    assert (done.exit_code, done.stdout) == (3, "")
    assert all(any(told.startswith(line) for told in done.stderr.splitlines()) for line in lines)


@pytest.mark.parametrize("name", ["events", "commands"])
def test_schemas_are_printed(invoke, name):
    done = invoke("schema", name)
    assert (done.exit_code, json.loads(done.stdout)["$schema"]) == (0, "https://json-schema.org/draft/2020-12/schema")


def test_topology_is_shown_without_a_broker(invoke, config):
    rows = json.loads(invoke("topology", "show", "--json").stdout)
    assert {"mm7.events", "mm7.mt.one", "mm7.dead.two", "mm7.wait.10s"} <= {row["name"] for row in rows}
    assert "mm7.mt.one" in invoke("topology", "show").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", [["schema", "events"], ["topology", "show"]])
def test_a_disk_that_is_full_is_a_sentence(script, command):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([script, *command], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"mm7: [Errno 28] No space left on device\n")


def test_a_reader_that_has_gone_is_no_error_to_speak_of(script):
    shell = f"{script} schema events | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"{", b"")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"data": 1}', b'{"data": {}, "time": 1}', b"\xff\x1b[2J\n"])
def test_what_is_no_event_is_told_in_one_harmless_line(body):
    assert told(body).startswith("not an event of ours")
    assert told(body).isprintable()


def test_an_event_is_one_line_whatever_a_phone_has_sent():
    picture = {"content_type": "image/png", "bytes": 20_000}
    data = {
        "account": "a",
        "received_at": "2026-04-14T16:15:23Z",
        "sender": None,
        "text": "two\nlines\x1b[2J\u2028👩\u200d🚒",
        "parts": [picture],
        "quirks": ["q"],
    }
    shown = line({"time": "2014-01-01T00:00:00Z", "type": "mo.received", "data": data})
    assert (
        shown == '16:15:23 mo.received      a            from ?: "two lines [2J 👩\u200d🚒" [image/png 20 kB] quirks: q'
    )


def test_attachments_that_fit_no_message_are_refused(invoke, config, tmp_path):
    large = written(tmp_path / "large.png", b"\0" * (11 * 1024 * 1024 + 1))
    done = invoke("send", "--account", "one", "--to", "15553199144", "--attach", large)
    assert (done.exit_code, "at most" in done.stderr) == (2, True)


@pytest.mark.parametrize(("terminal", "after", "shown"), [(True, 0, True), (True, 60, False), (False, 0, False)])
def test_progress_is_shown_at_a_terminal_once_it_takes_long(terminal, after, shown, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR" if terminal else "NO_COLOR", "1")
    with console.progress("letters", 3, after=after) as done:
        for number in range(1, 4):
            done(number)
    assert ("letters" in capsys.readouterr().err) is shown


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("events",), "events"),
        (("events", "mo.received"), "mo.received"),
        (("commands",), "command"),
    ],
)
def test_the_schemas_are_printed_by_their_names_without_broker_and_settings(invoke, clean, arguments, name):
    done = invoke("schema", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["$id"] == f"https://mm7-gateway.example/schema/{name}.v1.json"


def test_the_asyncapi_document_is_printed_without_broker_and_settings(invoke, clean):
    done = invoke("schema", "asyncapi")
    assert (done.exit_code, json.loads(done.stdout)["asyncapi"]) == (0, "3.0.0")


def test_an_event_type_that_there_is_not_is_told_with_those_that_there_are(invoke):
    done = invoke("schema", "events", "mo.sent")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no event 'mo.sent'; there is mo.received, dr.received" in done.stderr
