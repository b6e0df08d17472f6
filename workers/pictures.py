"""Pictures that are too large are scaled down: with Pillow, which is there where `mm7-gateway[images]` is installed."""

import io
from typing import Any

TYPES = frozenset({"image/jpeg", "image/jpg", "image/png", "image/gif"})
MAX_PIXELS = 50_000_000  # of one that is taken apart: 200 MB of memory at four bytes each
_FORMATS = ("JPEG", "PNG", "GIF")
_QUALITIES = (85, 70, 55)
_LEAST_SIDE = 16
_MOST, _LEAST = 0.9, 0.3  # of a side, from one try to the next


def fit(data: bytes, max_bytes: int) -> bytes:
    """The picture in at most `max_bytes`, upright and without its EXIF; as it is where it is small enough, moves,
    cannot be read or cannot be made to fit. It takes a second or two of a large one: run it in a thread.
    """
    if len(data) <= max_bytes:
        return data
    from PIL import Image  # noqa: PLC0415  # takes 0.1 s, and need not be there

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS or _moves(picture):
                return data
            return _smaller(picture, max_bytes) or data
    except Exception:  # noqa: BLE001  # a damaged picture makes Pillow raise anything; the provider may yet read it
        return data


def _moves(picture: Any) -> bool:
    # A photo with its preview (MPO, a kind of JPEG) has two frames and does not move.
    return picture.format in ("GIF", "PNG") and getattr(picture, "n_frames", 1) > 1


def _smaller(picture: Any, max_bytes: int) -> bytes | None:
    from PIL import Image, ImageOps  # noqa: PLC0415  # as above

    kind = picture.format if picture.format in _FORMATS else "JPEG"
    upright = ImageOps.exif_transpose(picture)
    if kind == "JPEG":
        whole = upright.convert("RGB" if upright.mode != "L" else "L")
    else:
        whole = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    if whole.mode != picture.mode:
        whole.info.pop("icc_profile", None)  # it is of other colours
    scale = 1.0
    while True:
        size = (max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
        sized = whole if scale == 1.0 else whole.resize(size, Image.Resampling.LANCZOS)
        for quality in _QUALITIES if kind == "JPEG" else _QUALITIES[:1]:
            written = _written(sized, kind, quality)
            if len(written) <= max_bytes:
                return written
        if max(size) <= _LEAST_SIDE:
            return None
        scale *= min(_MOST, max(_LEAST, (max_bytes / len(written)) ** 0.5))


def _written(picture: Any, kind: str, quality: int) -> bytes:
    file = io.BytesIO()
    profile = picture.info.get("icc_profile") if kind != "GIF" and picture.mode != "L" else None
    picture.save(file, kind, quality=quality, optimize=True, icc_profile=profile)
    return file.getvalue()
