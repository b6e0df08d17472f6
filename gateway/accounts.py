"""Accounts: one configured connection to a provider each. A part of the settings, with the kinds of values in them.

A secret may be written `env:NAME` or `file:PATH`; it is resolved here and never shown.
"""

import os
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gateway import profiles
from gateway.profiles import Profile

_DELAY = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def _resolve(value: object) -> object:
    """`env:NAME` and `file:PATH` → the secret itself."""
    if isinstance(value, str) and value.startswith("env:"):
        name = value[4:]
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set: set it, or write the secret itself")
        return os.environ[name]
    if isinstance(value, str) and value.startswith("file:") and not value.startswith("file://"):
        try:
            return Path(value[5:]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(
                f"the file {value[5:]} cannot be read ({error.strerror}): mend its path or rights"
            ) from None
    return value


def _delay(text: str) -> str:
    if not _DELAY.fullmatch(text):
        raise ValueError('not a delay: write a number with ms, s, m or h, as in "10s"')
    return text


Secret = Annotated[SecretStr, BeforeValidator(_resolve)]
DelayText = Annotated[str, AfterValidator(_delay)]
Positive = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Credential(_Model):
    """One pair of Basic credentials."""

    username: str
    password: Secret


class Inbound(_Model):
    """Who may send callbacks."""

    networks: list[IPv4Network | IPv6Network] = []
    basic: list[Credential] = []
    open: bool = False

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if not (self.networks or self.basic or self.open):
            raise ValueError("anybody could send callbacks: set networks or basic, or open = true if that is meant")
        return self


class Outbound(_Model):
    """How messages are submitted to the provider."""

    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    vaspid: Secret | None = None
    vasid: str | None = None
    sender: str | None = None
    basic: Credential | None = None
    rate: Positive = 15.0
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 16
    timeout: Positive = 30.0
    retry_delays: list[DelayText] = ["10s", "60s", "5m", "30m"]
    on_unknown: Literal["park", "resend"] = "park"


class Account(_Model):
    """One connection to a provider. `name` is the key it stands under."""

    name: str = ""
    profile_name: Annotated[str, Field(alias="profile")]
    mm7_version: str | None = None
    namespace: Annotated[str | None, Field(validate_default=True)] = None
    path: Annotated[str, Field(pattern=r"^/\S*$")] | None = None
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
