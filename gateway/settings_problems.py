"""What is wrong with a setting, in one line: its name, its value, what to do. Secrets are not repeated."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.contract.problems import path_of

_SECRETS = {"basic", "vaspid", "amqp_url", "state_url"}
_USERINFO = re.compile(r"//[^/\s]*@")


def problem(error: Mapping[str, Any]) -> str:
    """One line: the setting, its value, what to do."""
    location = error["loc"]
    name = path_of(location)
    if location[0] != "accounts":
        name = f"MM7_{str(location[0]).upper()}{name.removeprefix(str(location[0]))}"
    elif len(location) == 1:
        name = "MM7_ACCOUNTS"
    value = error["input"]
    secret = _SECRETS & {str(step) for step in location}
    if secret or isinstance(value, (Mapping, list)) or error["type"] == "missing":
        return f"{name}: {_sentence(error)}"
    return f"{name} = {_USERINFO.sub('//…@', repr(value))}: {_sentence(error)}"


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "missing: add it"
    if error["type"] == "extra_forbidden":
        return "no such setting: mend its spelling, or remove it"
    text = str(error["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
