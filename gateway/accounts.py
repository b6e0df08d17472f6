"""Accounts: one configured connection to a provider each. A part of the settings, with the kinds of values in them.

A secret may be written `env:NAME` or `file:PATH`; it is resolved here and never shown.
"""

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gateway import profiles
from gateway.profiles import Profile


def _resolve(value: object) -> object:
    """`env:NAME` and `file:PATH` → the secret itself."""
    if isinstance(value, str) and value.startswith("env:"):
        name = value[4:]
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set: set it, or write the secret itself")
        value = os.environ[name]
    if isinstance(value, str) and value.startswith("file:") and not value.startswith("file://"):
        path = value[5:]
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"the file {path} cannot be read ({error.strerror}): mend its path or rights") from None
    if not value:
        raise ValueError("empty: anybody could know it")
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError('not a network: write it as in "203.0.113.0/24", one host as in "203.0.113.7/32"') from None


def _matching(pattern: str, otherwise: str) -> AfterValidator:
    """What a text has to look like; `otherwise` says what is wrong and what to do."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(otherwise)
        return text

    return AfterValidator(check)


Secret = Annotated[SecretStr, BeforeValidator(_resolve)]
DelayText = Annotated[
    str, _matching(r"[1-9]\d{0,7}(ms|s|m|h)", 'not a delay: write a whole number with ms, s, m or h, as in "10s"')
]
Name = Annotated[str, _matching(r"[a-z0-9-]{1,100}", "a name is of a-z, 0-9 and -, 100 at most: rename the account")]
Username = Annotated[str, _matching(r"[^:]+", "a username has no colon (RFC 7617) and is not empty")]
UrlPath = Annotated[str, _matching(r"/\S*", 'not a path: begin it with / and leave no blanks, as in "/mm7/sinch"')]
HttpUrl = Annotated[str, _matching(r"https?://[^\s/]\S*", "not a provider's URL: write https://host/path")]
# `host` is a name, an address, `*.name` or `*`; without `port` the scheme's own is meant, `*` is any.
FETCH_HOST = (
    r"(?:(?P<scheme>https?)://)?(?P<host>\*|(?:\*\.)?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}|\*))?"
)
FetchHost = Annotated[
    str,
    _matching(
        FETCH_HOST, "not a host: write photos.example.net, *.example.net, host:8443, or http://host for plain http"
    ),
]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
Positive = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Credential(_Model):
    """One pair of Basic credentials."""

    username: Username
    password: Secret


def _option(default: Any, description: str, *example: object, **more: Any) -> Any:
    """An option with what it means, for the README's table and `deploy/example.toml`."""
    return Field(default, description=description, examples=list(example) or None, **more)


class Inbound(_Model):
    """Who may send callbacks. `networks` and `basic` both count where both are given."""

    networks: list[Network] = _option([], "Where callbacks may come from.", ["203.0.113.0/24", "2001:db8::/48"])
    basic: list[Credential] = _option(
        [],
        "Basic credentials, one pair of which must be shown; several, so that they can be changed one after the other.",
        [{"username": "sinch", "password": "env:SINCH_CALLBACK_PASSWORD"}],
    )
    open: bool = _option(default=False, description="Anybody may call. Without this, `networks` or `basic` is needed.")

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if not (self.networks or self.basic or self.open):
            raise ValueError("anybody could send callbacks: set networks or basic, or open = true if that is meant")
        return self


class Outbound(_Model):
    """How messages are submitted to the provider. Leave it out where nothing is to be sent."""

    url: HttpUrl = _option(..., "Where messages are submitted.", "https://api.example.net/mm7/v1/")
    vaspid: Secret | None = _option(None, "Who we are there, as the provider has given it to us.", "env:SINCH_API_KEY")
    vasid: str | None = _option(None, "Which service of ours it is.", "111122mms")
    sender: str | None = _option(None, "The default of a command's `from`.", "111122")
    basic: Credential | None = _option(
        None, "Basic credentials of ours.", {"username": "me", "password": "env:SINCH_PASSWORD"}
    )
    rate: Positive = _option(15.0, "Messages per second, evenly, for all workers that share a state store.")
    concurrency: Annotated[int, Field(ge=1, le=1000)] = _option(
        16, "Requests at the same time, for each worker process."
    )
    timeout: Positive = _option(30.0, "Seconds for the provider's answer.")
    retry_delays: list[DelayText] = _option(["10s", "60s", "5m", "30m"], "The waits between attempts.")
    on_unknown: Literal["park", "resend"] = _option(
        "park", "What to do with a message that was sent and not answered: `park` it as `mt.unknown`, or `resend`."
    )
    image_max_bytes: Annotated[int, Field(ge=1024)] | None = _option(
        None,
        "Larger JPEG, PNG and GIF pictures that do not move are scaled down to it; needs `mm7-gateway[images]`.",
        300_000,
    )


class Account(_Model):
    """One connection to a provider. `name` is the key it stands under; it becomes a part of queues' names."""

    name: Name
    profile_name: Annotated[str, Field(alias="profile")] = _option(
        ..., "What the provider needs; `generic` where no other is its own.", "sinch"
    )
    mm7_version: str | None = _option(
        None, "Of what we send; answers echo what was asked. Default: the profile's.", "6.8.0"
    )
    namespace: str | None = _option(
        None,
        "As above; it follows from profile and version where they are known together.",
        "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4",
        validate_default=True,
    )
    path: UrlPath | None = _option(None, "Of its callbacks. Default: `/mm7/<account>`.", "/mm7/sinch-us")
    inbound: Inbound | None = None
    outbound: Outbound | None = None

    @field_validator("profile_name")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in profiles.names():
            raise ValueError(f"no such profile: choose one of {', '.join(profiles.names())}")
        return value

    @field_validator("namespace")
    @classmethod
    def _follows(cls, value: str | None, info: ValidationInfo) -> str | None:
        version, profile_name = info.data.get("mm7_version"), info.data.get("profile_name")
        if value is not None and profile_name:
            profile = profiles.load(profile_name)
            if not profile.accepts(version or profile.mm7_version, value):
                raise ValueError(f"{profile.title} does not take {version or profile.mm7_version} in this namespace")
        if value is None and version and profile_name:
            namespaces = profiles.load(profile_name).namespaces
            if version not in namespaces:
                known = ", ".join(namespaces)
                raise ValueError(
                    f"mm7_version {version} has no namespace at {profile_name}: use {known}, or set this too"
                )
        return value

    @property
    def profile(self) -> Profile:
        """What the provider's accounts have in common."""
        return profiles.load(self.profile_name)

    @property
    def version_written(self) -> str:
        """The MM7Version of what we send."""
        return self.mm7_version or self.profile.mm7_version

    @property
    def namespace_written(self) -> str:
        """The namespace of what we send."""
        return self.namespace or self.profile.namespaces[self.version_written]

    @property
    def callback_path(self) -> str:
        """The URL path of its callbacks."""
        return self.path or f"/mm7/{self.name}"
