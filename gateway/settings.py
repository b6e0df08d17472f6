"""Settings: environment variables MM7_… over a TOML file named by MM7_CONFIG. Read once, in __main__.

Strategy: every problem is reported at once, each with the setting's name, its value and what to do.
"""

import importlib.util
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic_settings
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from gateway.accounts import Account, FetchHost, Listed, Network, Port, Positive, Secret
from gateway.settings_problems import problem


class SettingsError(Exception):
    """Settings that cannot be used; one line a problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _media_default() -> str:
    return f"file://{Path.cwd()}/.run/media"


def _state_default() -> str:
    return f"sqlite:///{Path.cwd()}/.run/state.db"


class Settings(BaseSettings):
    """All settings of both programs and of the mm7 tool."""

    model_config = SettingsConfigDict(env_prefix="MM7_", env_nested_delimiter="__", extra="forbid", frozen=True)

    amqp_url: Secret = Field(SecretStr("amqp://guest:guest@127.0.0.1:5672/"), description="The broker.")
    http_host: str = Field("127.0.0.1", description="Where callbacks are received.")
    http_port: Port = Field(8080, description="0 is any free one.")
    reuse_port: bool = Field(default=False, description="Several receivers may share the port of one host.")
    trusted_proxies: Annotated[list[Network], *Listed] = Field(
        [],
        description="Networks of the proxies before the receiver: callbacks from there are judged by the last address "
        "in X-Forwarded-For that is not in these.",
    )
    admin_host: str = Field("127.0.0.1", description="/livez /readyz /metrics")
    admin_port: Port | None = Field(None, description="Default: 8081, of the worker 8082.")
    answer_within: Positive = Field(1.8, description="Seconds from the body's arrival to the answer.")
    body_within: Positive = Field(5.0, description="Seconds for a callback's body to arrive; then 408.")
    max_body_bytes: Annotated[int, Field(ge=1024)] = Field(10 * 1024 * 1024, description="Larger callbacks: 413.")
    max_bytes_in_flight: Annotated[int, Field(ge=1024)] = Field(
        128 * 1024 * 1024, description="Bytes of callbacks being read and answered at a time; past it 503."
    )
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = Field(
        0.0, description="After SIGTERM, seconds in which a receiver takes callbacks and /readyz says that it ends."
    )
    spool_dir: str = Field(
        ".run/spool", description="Where events wait while the broker is away; empty: no spool, callbacks get 503."
    )
    spool_max_bytes: Annotated[int, Field(ge=1024)] = Field(1024**3, description="A fuller spool takes nothing: 503.")
    spool_max_age: Positive = Field(
        3 * 24 * 3600.0, description="Seconds an account's oldest event may wait; past it the account gets 503."
    )
    media_url: str = Field(default_factory=_media_default, description="file://, s3://, gs://, az:// or memory://")
    media_inline_max_bytes: Annotated[int, Field(ge=0, le=256 * 1024)] = Field(
        0, description="Parts up to this size stand in the event itself, in base64, instead of in the media store."
    )
    media_sign_seconds: Annotated[int, Field(ge=0, le=7 * 24 * 3600)] = Field(
        0, description="How long a signed link to a part is valid, where the store can sign; 0: no such links."
    )
    media_keep: Positive = Field(
        30 * 24 * 3600.0, description="Seconds an event may refer to its parts: `mm7 media prune` spares these."
    )
    state_url: Secret = Field(
        default_factory=lambda: SecretStr(_state_default()), description="sqlite:///, redis://, rediss://"
    )
    fetch_max_bytes: Annotated[int, Field(ge=1024)] = Field(
        10 * 1024 * 1024, description="Of a command's part that is fetched by url, and of all of them together."
    )
    fetch_within: Positive = Field(20.0, description="Seconds to fetch the parts of a command.")
    fetch_hosts: Annotated[list[FetchHost], *Listed] = Field(
        [],
        description="Where https:// urls may lead: `photos.example.net`, `*.example.net`, `host:8443`, `host:*`, `*`; "
        "`http://host` allows plain http too. Empty: any public host.",
    )
    fetch_networks: Annotated[list[Network], *Listed] = Field(
        [], description="Private networks that may be fetched from all the same: `10.1.2.0/24`."
    )
    fetch_buckets: Annotated[list[str], *Listed] = Field(
        [], description="Buckets that s3:// urls may name. Empty: none but the media store's own."
    )
    commands_kept: Annotated[float, Field(ge=3600)] = Field(
        7 * 24 * 3600.0,
        description="Seconds, an hour at least, that a command's id and outcome are remembered: it is not sent again.",
    )
    messages_kept: Positive = Field(
        7 * 24 * 3600.0, description="Seconds after a submit in which its reports carry the command."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")
    log_format: Literal["json", "console"] | None = Field(
        None, description="Default: console on a terminal, else json."
    )
    accounts: Mapping[str, Account] = Field(
        {}, description="The connections to providers, by name.", validate_default=True
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, value: list[Network]) -> list[Network]:
        if any(each.prefixlen == 0 for each in value):
            raise ValueError("everybody could say who he is: name the proxies' own networks")
        return value

    @field_validator("amqp_url")
    @classmethod
    def _amqp(cls, value: SecretStr) -> SecretStr:
        if not re.match(r"amqps?://[^/\s]+", value.get_secret_value()):
            raise ValueError("not a broker's URL: write amqp://user:password@host:5672/vhost, or amqps://")
        return value

    @field_validator("media_url")
    @classmethod
    def _media(cls, value: str) -> str:
        if value.partition("://")[0] not in ("file", "s3", "gs", "az", "memory"):
            raise ValueError("not a media store: write file:///folder, s3://bucket, gs://bucket, az://… or memory://")
        return value

    @field_validator("state_url")
    @classmethod
    def _state(cls, value: SecretStr) -> SecretStr:
        if not re.match(r"sqlite:///+[^/\s]|rediss?://[^/\s]|memory://$", value.get_secret_value()):
            raise ValueError(
                "not a state store: write sqlite:///folder/state.db, redis://host:6379/0, rediss://… or memory://"
            )
        return value

    @field_validator("accounts", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {name: {**one, "name": name} if isinstance(one, Mapping) else one for name, one in value.items()}

    @field_validator("accounts", mode="after")
    @classmethod
    def _own_paths(cls, value: Mapping[str, Account]) -> Mapping[str, Account]:
        paths = [account.callback_path.rstrip("/") for account in value.values()]
        if doubled := sorted({path for path in paths if paths.count(path) > 1}):
            raise ValueError(f"two accounts have the path {', '.join(doubled)}: give each its own")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # not a source of ours
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over TOML; nothing else."""
        toml = os.environ.get("MM7_CONFIG")
        files = (TomlConfigSettingsSource(settings_cls, toml_file=toml),) if toml else ()
        return (init_settings, env_settings, *files)

    @classmethod
    def load(cls, **given: Any) -> Self:  # any setting, by its name
        """Read environment and file. Raises SettingsError."""
        config = os.environ.get("MM7_CONFIG")
        if config and not Path(config).is_file():
            raise SettingsError([f"MM7_CONFIG = {config!r}: no such file; name a TOML file, or unset it"])
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError([problem(dict(e)) for e in error.errors(include_url=False)]) from None
        except pydantic_settings.SettingsError as error:
            raise SettingsError([f"MM7_ACCOUNTS: no JSON ({error.__cause__}): mend it, or use a TOML file"]) from None
        except (ValueError, OSError) as error:
            raise SettingsError([f"MM7_CONFIG = {config!r}: no TOML that can be read ({error}): mend it"]) from None


def unknown_variables() -> list[str]:
    """Variables that begin like a setting and are none: most likely misspelt."""
    prefixes = tuple(f"MM7_{name}".upper() for name in Settings.model_fields)
    known = ("MM7_CONFIG", "MM7_TEST_", "MM7_XSD_DIR", "MM7_SETUP_", "MM7_EXAMPLES")
    return sorted(name for name in os.environ if name.startswith("MM7_") and not name.startswith((*prefixes, *known)))


class ReceiverSettings(Settings):
    """The receiver's: it needs accounts, and each must say who may call."""

    @field_validator("accounts", mode="before")
    @classmethod
    def _callable(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        if not value:
            raise ValueError("no account: name a TOML file with [accounts.<name>] in MM7_CONFIG")
        return {name: {"inbound": {}, **one} if isinstance(one, Mapping) else one for name, one in value.items()}


class WorkerSettings(Settings):
    """The worker's: it needs an account that it can send through."""

    @field_validator("accounts", mode="after")
    @classmethod
    def _sending(cls, value: Mapping[str, Account]) -> Mapping[str, Account]:
        if not any(account.outbound for account in value.values()):
            raise ValueError("no account can send: give one an [accounts.<name>.outbound] with the provider's url")
        scaling = [name for name, each in value.items() if each.outbound and each.outbound.image_max_bytes]
        if scaling and importlib.util.find_spec("PIL") is None:
            raise ValueError(
                f"image_max_bytes of {', '.join(scaling)} needs Pillow: install mm7-gateway[images], or take it out"
            )
        return value

    @field_validator("accounts", mode="after")
    @classmethod
    def _remembered(cls, value: Mapping[str, Account], info: ValidationInfo) -> Mapping[str, Account]:
        kept = info.data.get("commands_kept", math.inf)
        longest = max((account.outbound.timeout for account in value.values() if account.outbound), default=0.0)
        if kept < 2 * longest:
            raise ValueError(
                f"a command that waits {longest:g} s for its answer would be forgotten meanwhile and sent again: "
                "shorten the timeout, or set MM7_COMMANDS_KEPT to twice as much at least"
            )
        return value

    @field_validator("state_url")
    @classmethod
    def _lasting(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value().startswith("memory:"):
            raise ValueError(
                "what was sent would be forgotten with the worker and sent again: "
                "write sqlite:///folder/state.db, redis://host:6379/0 or rediss://…"
            )
        return value
