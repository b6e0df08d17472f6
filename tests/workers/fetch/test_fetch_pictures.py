"""Pictures scaled down: real ones, made here."""

import io
import warnings

import pytest

from workers import pictures

Image = pytest.importorskip("PIL.Image", reason="without Pillow there is no scaling")


def noise(size: tuple[int, int], mode: str = "RGB"):
    return Image.effect_noise(size, 60).convert(mode)


def written(picture, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def read(data: bytes):
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_photo_becomes_small_enough_and_keeps_its_shape(mode) -> None:
    photo = written(noise((1600, 800), mode), "JPEG", quality=95)
    small = pictures.fit(photo, 60_000)
    assert 10_000 < len(small) <= 60_000
    found = read(small)
    assert found.format == "JPEG"
    assert found.width / found.height == pytest.approx(2, rel=0.02)


def test_quality_goes_before_size() -> None:
    photo = written(noise((400, 300)), "JPEG", quality=98)
    small = pictures.fit(photo, len(photo) - 1)
    assert read(small).size == (400, 300)
    assert len(small) < len(photo)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_is_turned_upright_and_loses_its_exif(kind) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "a camera"
    photo = written(noise((600, 300)), kind, quality=95, exif=exif)
    found = read(pictures.fit(photo, 20_000))
    assert found.height > found.width
    assert not found.getexif()


@pytest.mark.parametrize("kind, mode", [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("GIF", "P")])
def test_other_pictures_are_scaled_and_stay_of_their_kind(kind, mode) -> None:
    picture = noise((500, 250), mode)
    data = written(picture, kind)
    small = pictures.fit(data, len(data) // 4)
    assert len(small) <= len(data) // 4
    found = read(small)
    assert found.format == kind
    assert found.width / found.height == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_what_is_transparent_stays_so(kind) -> None:
    picture = noise((300, 300), "RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 150, 300))
    data = written(picture, kind)
    found = read(pictures.fit(data, len(data) // 3)).convert("RGBA")
    assert found.getpixel((2, found.height // 2))[3] == 0
    assert found.getpixel((found.width - 2, found.height // 2))[3] == 255


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_what_moves_is_left_alone(kind) -> None:
    frames = [noise((100, 100)) for _ in range(3)]
    data = written(frames[0], kind, save_all=True, append_images=frames[1:])
    assert pictures.fit(data, 1000) is data


def test_a_photo_with_its_preview_is_a_photo() -> None:
    photo = written(noise((600, 300)), "MPO", save_all=True, append_images=[noise((60, 30))])
    found = read(pictures.fit(photo, 20_000))
    assert (found.format, found.width > found.height) == ("JPEG", True)


def test_colours_are_kept_where_they_still_mean_the_same() -> None:
    for mode, kept in (("RGB", b"a profile"), ("CMYK", None)):
        photo = written(noise((300, 300), mode), "JPEG", quality=95, icc_profile=b"a profile")
        assert read(pictures.fit(photo, 20_000)).info.get("icc_profile") == kept


def test_what_is_small_enough_is_left_alone() -> None:
    photo = written(noise((100, 100)), "JPEG")
    assert pictures.fit(photo, len(photo)) is photo


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff" + b"no photo" * 1000,
        b"GIF89a" + b"\xff" * 5000,
        b"\x89PNG\r\n\x1a\n" + b"x" * 5000,
        b"text" * 2000,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" + b"x" * 5000,
    ],
)
def test_what_cannot_be_read_is_sent_as_it_is(data) -> None:
    assert pictures.fit(data, 1000) is data


def test_a_photo_that_is_cut_off_is_sent_as_it_is() -> None:
    photo = written(noise((400, 400)), "JPEG")
    half = photo[: len(photo) // 2]
    assert pictures.fit(half, 1000) is half


def test_a_kind_that_is_not_meant_is_left_alone() -> None:
    data = written(noise((200, 200)), "TIFF")
    assert pictures.fit(data, 1000) is data


@pytest.mark.parametrize("side", [8000, 15_000])
def test_a_picture_that_would_fill_the_memory_is_not_taken_apart(side) -> None:
    bomb = written(Image.new("1", (side, side)), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in production
        assert pictures.fit(bomb, 1024) is bomb


def test_a_limit_that_cannot_be_met_leaves_the_picture_as_it_is() -> None:
    data = written(noise((300, 300)), "PNG")
    assert pictures.fit(data, 60) is data


@pytest.mark.parametrize("size", [(5000, 3), (3, 5000)])
def test_a_long_thin_picture_comes_to_an_end(size) -> None:
    data = written(noise(size), "PNG")
    assert len(pictures.fit(data, 2000)) <= 2000
