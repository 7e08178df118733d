"""Files that people upload: what is seen survives, all else does not; what cannot be looked at safely is refused."""

import asyncio
import io
import time
import zlib

import pytest
from PIL import Image
from pypdf import PdfReader

from bitcurrent.compliance.kyc.cleaning import Refused, clean, without_tales
from bitcurrent.compliance.kyc.model import BadDocument, CleanersBusy
from bitcurrent.compliance.kyc.washing import WAITING_MAX, CleanFile, Laundry
from tests.support import papers
from tests.support.papers import CANARY


def wash(content: bytes) -> CleanFile:
    return asyncio.run(Laundry().clean(content))


def why(content: bytes) -> str:
    with pytest.raises(BadDocument) as refused:
        wash(content)
    return refused.value.details["why"]


def test_a_picture_loses_its_place_and_keeps_its_way_up() -> None:
    sent = papers.picture(located=True, size=(640, 400))
    assert Image.open(io.BytesIO(sent)).getexif().get_ifd(0x8825)
    made = wash(sent)
    shown = Image.open(io.BytesIO(made.content))
    assert (made.media_type, shown.size) == ("image/jpeg", (400, 640))
    assert not shown.getexif()
    assert CANARY.encode() not in made.content
    assert b"Exif" not in made.content
    assert (len(made.sha256), made.sha256 == made.clean_sha256) == (32, False)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("PNG", "1"), ("JPEG", "L")]
)
def test_every_kind_of_picture_becomes_a_plain_one(kind: str, mode: str) -> None:
    image = Image.new(mode, (300, 200))
    target = io.BytesIO()
    image.save(target, kind)
    shown = Image.open(io.BytesIO(clean(target.getvalue()).content))
    assert (shown.format, shown.mode, shown.size) == (kind, "RGB", (300, 200))


def test_a_picture_for_the_press_becomes_one_for_the_screen() -> None:
    assert Image.open(io.BytesIO(wash(papers.picture(mode="CMYK")).content)).mode == "RGB"


def test_what_hangs_behind_a_picture_is_gone() -> None:
    made = wash(papers.picture() + b"PK\x03\x04" + b"an archive behind the end")
    assert b"PK\x03\x04" not in made.content
    assert b"archive" not in made.content


def test_a_large_picture_is_made_smaller() -> None:
    shown = Image.open(io.BytesIO(wash(papers.picture(size=(6_000, 3_000))).content))
    assert shown.size == (5_000, 2_500)


def test_two_hundred_megapixels_are_refused_before_they_are_unfolded() -> None:
    bomb = papers.pixel_bomb()
    started = time.monotonic()
    assert why(bomb) == "too_many_pixels"
    print(f"  a bomb of {len(bomb):,} bytes is refused in {time.monotonic() - started:.2f} s")


def test_metadata_that_unfolds_without_end_is_refused() -> None:
    plain = papers.picture("PNG")
    text = zlib.compress(b"a" * 200_000_000, 9)
    bomb = plain[:33] + papers._chunk(b"zTXt", b"Comment\0\0" + text) + plain[33:]
    assert why(bomb) == "unreadable"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not_a_document"),
        (b"GIF89a" + b"\0" * 100, "not_a_document"),
        (b"PK\x03\x04" + b"\0" * 100, "not_a_document"),
        (b"MZ" + b"\0" * 100, "not_a_document"),
        (b"<html>%PDF-1.7", "not_a_document"),
        (b"\xff\xd8\xff", "unreadable"),
        (b"%PDF-1.7\n", "unreadable"),
        (b"%PDF-1.7\n<html><script>alert(1)</script></html>", "unreadable"),
        (b"\xff\xd8\xff" + b"\0" * 10_000_000, "too_large"),
    ],
)
def test_what_is_no_document_is_refused(content: bytes, expected: str) -> None:
    assert why(content) == expected


@pytest.mark.parametrize("whole", [papers.picture(), papers.picture("PNG"), papers.pdf()])
def test_what_is_cut_short_is_refused(whole: bytes) -> None:
    for part in (0.3, 0.6):
        with pytest.raises(Refused) as refused:
            clean(whole[: int(len(whole) * part)])
        assert refused.value.why in {"unreadable", "too_many_pages"}


def test_a_picture_that_moves_or_shows_nothing_is_refused() -> None:
    assert why(papers.animated_png()) == "animated"
    assert why(papers.picture(size=(50, 400))) == "too_small"


def test_of_a_pdf_only_the_pages_survive() -> None:
    sent = papers.lively_pdf()
    for word in (CANARY.encode(), b"JavaScript", b"evil", b"letter", b"/AA"):
        assert word in sent
    made = wash(sent + b"<html><script>alert(1)</script></html>")
    assert (made.media_type, made.pages) == ("application/pdf", 1)
    for word in (
        CANARY.encode(), b"JavaScript", b"evil", b"letter", b"script", b"EmbeddedFile", b"/AA", b"/Metadata", b"/Names",
        b"/Info", b"Exif", b"stolen",
    ):  # fmt: skip
        assert word not in made.content, word
    page = PdfReader(io.BytesIO(made.content)).pages[0]
    assert set(page) <= {"/Type", "/Parent", "/MediaBox", "/CropBox", "/Rotate", "/Contents", "/Resources"}
    assert page.images[0].image is not None
    assert page.images[0].image.size == (640, 400)


def test_a_pdf_that_is_locked_or_a_book_is_refused() -> None:
    assert why(papers.locked_pdf()) == "encrypted"
    assert why(papers.pdf(pages=21)) == "too_many_pages"


def test_a_photograph_keeps_its_colours_and_loses_its_tales() -> None:
    sent = papers.picture(located=True)
    told = without_tales(sent)
    assert CANARY.encode() not in told
    before, after = Image.open(io.BytesIO(sent)), Image.open(io.BytesIO(told))
    assert before.tobytes() == after.tobytes()
    assert not after.getexif()


def test_many_at_once_are_told_to_come_back() -> None:
    async def all_at_once() -> list[object]:
        laundry = Laundry()
        sent = papers.picture()
        return await asyncio.gather(*(laundry.clean(sent) for _ in range(WAITING_MAX + 3)), return_exceptions=True)

    done = asyncio.run(all_at_once())
    assert [type(each) for each in done].count(CleanersBusy) == 3
    assert sum(isinstance(each, CleanFile) for each in done) == WAITING_MAX
