"""The slides of a message, read from its SMIL part: which parts are shown together, in which order, for how long."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, Field

from gateway import mm7
from gateway.mm7 import smil
from gateway.mm7.headers import comparable

from .parts import Part

_TYPES = (smil.CONTENT_TYPE, "application/smil+xml")


class Slide(BaseModel):
    """What is shown together."""

    seconds: float | None = Field(description="For how long, in seconds; null where the document does not say.")
    parts: list[int] = Field(description="Their places in `parts`, counted from 0, in the order of the document.")


def read(parts: Sequence[mm7.Part], quirks: mm7.Quirks) -> list[Slide] | None:
    """The slides; None where there is no SMIL that can be read. What it names and is not there is a quirk."""
    document = next((part for part in parts if part.content_type in _TYPES), None)
    if document is None:
        return None
    try:
        found = smil.read(document.data)
    except ValueError:
        quirks.add("smil_unreadable")
        return None
    places = _places(parts)
    slides = []
    for slide in found:
        known = [places.get(comparable(source)) for source in slide.sources]
        if None in known:
            quirks.add("smil_unmatched")
        slides.append(Slide(seconds=slide.seconds, parts=[place for place in known if place is not None]))
    return slides


def _places(parts: Sequence[mm7.Part]) -> dict[str, int]:
    """Name → place. A Content-ID counts before a Content-Location, and that before a file name."""
    places: dict[str, int] = {}
    for names in zip(*((part.content_id, part.content_location, part.filename) for part in parts), strict=True):
        for place, name in enumerate(names):
            if name:
                places.setdefault(comparable(name), place)
    return places


def text(parts: Sequence[Part], slides: Sequence[Slide] | None) -> str | None:
    """All plain text, that on slides in their order, then the rest; a part counts once."""
    plain = {place: part.text for place, part in enumerate(parts) if part.content_type == "text/plain" and part.text}
    ordered = dict.fromkeys(place for place in _order(slides or (), len(parts)) if place in plain)
    return "\n".join((plain[place] or "").strip() for place in ordered) or None


def _order(slides: Sequence[Slide], count: int) -> Iterator[int]:
    for slide in slides:
        yield from slide.parts
    yield from range(count)
