"""What is wrong with a command, as path and sentence; pydantic's errors likewise. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

MAX_PROBLEMS, MAX_PATH_LENGTH = 100, 200
_FORMS: Mapping[object, str] = {
    "content_type": "not a content type: write type/subtype, as in image/jpeg",
    "url": "not a url: write https://host/path, s3://bucket/key, or one of the media store's",
    "sha256": "not a SHA-256: write 64 hexadecimal digits in lower case",
    "content_id": "not a Content-ID: write 1 to 120 of the characters A-Z a-z 0-9 _ . @ + -",
}


class Problem(BaseModel):
    """One thing that is wrong with a command."""

    path: str = Field(description="Where: `parts[1].url`; empty for the command as a whole.")
    problem: str = Field(description="What is wrong, in words.")


def problems_of(error: ValidationError) -> list[Problem]:
    """Pydantic's errors as path and sentence."""
    found = [
        Problem(path=path_of(e["loc"])[:MAX_PATH_LENGTH], problem=_sentence(e))
        for e in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    if len(found) > MAX_PROBLEMS:
        found[MAX_PROBLEMS:] = [Problem(path="", problem=f"and {len(found) - MAX_PROBLEMS} more problems")]
    return found


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "string_pattern_mismatch":
        return _FORMS[error["loc"][-1]]
    return str(error["msg"]).removeprefix("Value error, ")


def path_of(location: tuple[int | str, ...]) -> str:
    """("parts", 1, "url") → `parts[1].url`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).removeprefix(".")
