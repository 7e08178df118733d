"""Makes a harmless file of an uploaded one, or refuses it. Runs as a program of its own with limits on time and memory.

What a file is, its content says, not its name. Pictures are decoded and encoded anew: nothing that is not a pixel
survives (metadata, places, archives behind the end). Of a PDF only the pages survive: no scripts, actions, forms,
attachments, links or metadata. Standard input is the file; standard output one line of JSON, then the clean file.
"""

import hashlib
import io
import json
import resource
import sys
from dataclasses import dataclass
from typing import Any, Final

BYTES_MAX: Final = 10_000_000
CLEAN_BYTES_MAX: Final = 15_000_000
PIXELS_MAX: Final = 50_000_000
SIDE_MIN: Final = 100
SIDE_MAX: Final = 5_000
"""Pixels; larger pictures are made smaller, smaller than the least show nothing."""
PAGES_MAX: Final = 20
OBJECTS_MAX: Final = 20_000
DEPTH_MAX: Final = 100
MEMORY_BYTES: Final = 1_500_000_000
CPU_SECONDS: Final = 20
JPEG_QUALITY: Final = 90

JPEG, PNG, PDF = "image/jpeg", "image/png", "application/pdf"
MAGIC: Final = ((b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG), (b"%PDF-", PDF))

# Keys of a PDF's dictionaries that do something, carry something along, or tell of whoever made it.
_LIVELY: Final = frozenset(
    {
        "/A", "/AA", "/AF", "/AcroForm", "/Alternates", "/Annots", "/B", "/Collection", "/D", "/Dests", "/EF",
        "/EmbeddedFiles", "/JS", "/JavaScript", "/Launch", "/Metadata", "/Names", "/OPI", "/OpenAction", "/PieceInfo",
        "/Ref", "/RichMediaContent", "/StructParent", "/StructParents", "/StructTreeRoot", "/SubmitForm", "/Thumb",
        "/URI", "/XFA",
    }
)  # fmt: skip
_PAGE_KEYS: Final = ("/Contents", "/MediaBox", "/CropBox", "/Rotate")


class Refused(Exception):
    """The file cannot be taken. `why` is stable; the message is for people; `details` hold the rule's values."""

    def __init__(self, why: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.why = why
        self.details = details


@dataclass(frozen=True, slots=True)
class Clean:
    """A harmless file."""

    media_type: str
    content: bytes
    pages: int


def clean(content: bytes) -> Clean:
    """The same document without anything that is not seen; raises Refused."""
    if not content:
        raise Refused("empty", "The file is empty.")
    if len(content) > BYTES_MAX:
        raise Refused("too_large", "A document has at most 10 MB.", maximum=str(BYTES_MAX))
    kind = next((kind for magic, kind in MAGIC if content.startswith(magic)), None)
    if kind is None:
        raise Refused("not_a_document", "Send a JPEG or PNG picture, or a PDF; other files are not taken.")
    try:
        made = _clean_pdf(content) if kind == PDF else _clean_picture(content, kind)
    except Refused:
        raise
    except MemoryError:
        raise Refused("too_much", "This file unfolds into more than we can look at.") from None
    except Exception as error:
        # Whatever a decoder stumbles over is the file's fault: its libraries raise of every kind.
        raise Refused("unreadable", "This file is damaged or cut short.") from error
    if len(made.content) > CLEAN_BYTES_MAX:
        raise Refused("too_large", "A document has at most 10 MB.", maximum=str(BYTES_MAX))
    return made


def _clean_picture(content: bytes, kind: str) -> Clean:
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # our own bound is lower, and says what it is
    with Image.open(io.BytesIO(content), formats=("JPEG",) if kind == JPEG else ("PNG",)) as opened:
        width, height = opened.size
        if width * height > PIXELS_MAX:
            raise Refused("too_many_pixels", "A picture has at most 50 megapixels.", maximum=str(PIXELS_MAX))
        if min(width, height) < SIDE_MIN:
            raise Refused("too_small", "A picture has at least 100 pixels on each side.", minimum=str(SIDE_MIN))
        if getattr(opened, "n_frames", 1) != 1:
            raise Refused("animated", "A document does not move: send a still picture.")
        opened.load()
        seen = _flat(ImageOps.exif_transpose(opened))
    seen.thumbnail((SIDE_MAX, SIDE_MAX))
    # A new picture of these pixels: whatever else the old one carried stays behind.
    fresh = Image.new("RGB", seen.size)
    fresh.paste(seen)
    target = io.BytesIO()
    if kind == PNG:
        fresh.save(target, "PNG", optimize=False)
        if target.tell() <= BYTES_MAX:
            return Clean(PNG, target.getvalue(), 1)
        target = io.BytesIO()
    fresh.save(target, "JPEG", quality=JPEG_QUALITY)
    return Clean(JPEG, target.getvalue(), 1)


def _flat(picture: Any) -> Any:
    """In red, green and blue on white."""
    from PIL import Image

    if picture.mode in {"I", "I;16", "I;16B", "I;16L", "F"}:
        # Sixteen bits of grey: the upper eight are seen.
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layered).convert("RGB")
    return picture.convert("RGB")


def _clean_pdf(content: bytes) -> Clean:
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import NameObject

    reader = PdfReader(io.BytesIO(content), strict=False)
    if reader.is_encrypted:
        raise Refused("encrypted", "This PDF is locked with a password. Send it without one.")
    count = len(reader.pages)
    if not 1 <= count <= PAGES_MAX:
        raise Refused("too_many_pages", f"A PDF has 1 to {PAGES_MAX} pages.", maximum=str(PAGES_MAX))
    if len(reader.xref_objStm) + sum(map(len, reader.xref.values())) > OBJECTS_MAX:
        raise Refused("too_much", "This file unfolds into more than we can look at.")
    writer = PdfWriter()
    for page in reader.pages:
        box = page.mediabox
        made = writer.add_blank_page(width=abs(box.width), height=abs(box.height))
        drawn = page.get_contents()
        if drawn is not None:
            drawn.get_data()  # raises for what is cut short
        resources = page.get("/Resources")  # inherited ones too: pypdf hands them down
        for key in _PAGE_KEYS:
            if key in page:
                made[NameObject(key)] = page.raw_get(key).clone(writer)
        if resources is not None:
            made[NameObject("/Resources")] = _plain(resources.get_object()).clone(writer)
    _sweep(writer)
    writer.metadata = None
    # What nothing leads to any more is not written.
    writer.compress_identical_objects(remove_duplicates=False, remove_unreferenced=True)
    target = io.BytesIO()
    writer.write(target)
    return Clean(PDF, target.getvalue(), count)


def _plain(resources: Any) -> Any:
    for key in _LIVELY & set(resources):
        del resources[key]
    return resources


def _sweep(writer: Any) -> None:
    """Take out of every object of the new file what acts, hides or tells, and look at each picture in it."""
    from pypdf.generic import DictionaryObject, StreamObject

    waiting: list[tuple[Any, int]] = [(each, 0) for each in writer._objects if each is not None]  # noqa: SLF001  it lists its objects nowhere else
    seen = 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > OBJECTS_MAX * 10 or depth > DEPTH_MAX:
            raise Refused("too_much", "This file unfolds into more than we can look at.")
        if isinstance(part, DictionaryObject):
            if part.get("/Type") not in {"/Catalog", "/Pages"}:
                for key in [key for key in part if key in _LIVELY and not _belongs(part, key)]:
                    del part[key]
            if isinstance(part, StreamObject) and part.get("/Subtype") == "/Image":
                _check_inner_picture(part)
            waiting.extend((value, depth + 1) for value in part.values() if isinstance(value, DictionaryObject | list))
        elif isinstance(part, list):
            waiting.extend((value, depth + 1) for value in part if isinstance(value, DictionaryObject | list))


def _belongs(part: Any, key: str) -> bool:
    """Whether a short name that acts elsewhere is a plain one here: line styles have /D, resources any name."""
    return key in {"/A", "/B", "/D"} and "/S" not in part and part.get("/Type") != "/Page"


def _check_inner_picture(stream: Any) -> None:
    width, height = int(stream.get("/Width", 0)), int(stream.get("/Height", 0))
    if width * height > PIXELS_MAX:
        raise Refused("too_many_pixels", "A picture has at most 50 megapixels.", maximum=str(PIXELS_MAX))
    if stream.get("/Filter") in ("/DCTDecode", ["/DCTDecode"]):
        # Its setter would encode anew what is encoded already.
        stream._data = without_tales(stream._data)  # noqa: SLF001  see above


def without_tales(jpeg: bytes) -> bytes:
    """A JPEG without comments and application segments, but for those that its colours need (JFIF, ICC, Adobe)."""
    if not jpeg.startswith(b"\xff\xd8"):
        raise Refused("unreadable", "This file is damaged or cut short.")
    kept, at = bytearray(b"\xff\xd8"), 2
    while at + 4 <= len(jpeg):
        marker = jpeg[at + 1]
        if jpeg[at] != 0xFF:
            raise Refused("unreadable", "This file is damaged or cut short.")
        if marker == 0xFF:  # fill bytes
            at += 1
            continue
        if marker == 0xDA:  # the picture itself, to its end and no further
            end = jpeg.rfind(b"\xff\xd9")
            return bytes(kept + jpeg[at : end + 2 if end > at else len(jpeg)])
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        segment = jpeg[at : at + 2 + length]
        if marker in {0xE0, 0xE2, 0xEE} or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept += segment
        at += 2 + max(length, 2)
    raise Refused("unreadable", "This file is damaged or cut short.")


def main() -> int:
    """Clean standard input; 0 with a clean file, 3 with a refusal, anything else an accident."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    content = sys.stdin.buffer.read(BYTES_MAX + 1)
    try:
        made = clean(content)
    except Refused as refusal:
        _tell({"why": refusal.why, "message": str(refusal), "details": refusal.details})
        return 3
    _tell(
        {
            "media_type": made.media_type,
            "pages": made.pages,
            "sha256": hashlib.sha256(content).hexdigest(),
            "clean_sha256": hashlib.sha256(made.content).hexdigest(),
        }
    )
    sys.stdout.buffer.write(made.content)
    return 0


def _tell(facts: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
