"""Documents as people send them, and as people who mean harm send them."""

import io
import struct
import zlib

from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

CANARY = "Zuzana Kanarienvogel"
"""A name that must be found nowhere."""


def picture(
    kind: str = "JPEG", *, mode: str = "RGB", size: tuple[int, int] = (640, 400), seed: int = 0, located: bool = False
) -> bytes:
    """A picture that nobody else has with this seed; a located one says where it was taken, and lies on its side."""
    image = Image.new(mode, size)
    image.paste(tuple((seed * 37 + 60 * band) % 256 for band in range(len(image.getbands()))), (0, 0, 320, 200))
    more = {}
    if located:
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x010F] = CANARY
        exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
        more["exif"] = exif
    target = io.BytesIO()
    image.save(target, kind, **more)
    return target.getvalue()


def animated_png() -> bytes:
    """A PNG that moves."""
    frames = [Image.new("RGB", (200, 200), colour) for colour in ("red", "blue")]
    target = io.BytesIO()
    frames[0].save(target, "PNG", save_all=True, append_images=frames[1:])
    return target.getvalue()


def pixel_bomb(width: int = 20_000, height: int = 10_000) -> bytes:
    """Two hundred megapixels in a few hundred kilobytes."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + width * 3)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b"")))


def pdf(*, pages: int = 1, seed: int = 0) -> bytes:
    """A plain PDF with a picture on each page."""
    target = io.BytesIO()
    first, *others = [Image.open(io.BytesIO(picture(seed=seed + number))) for number in range(pages)]
    first.save(target, "PDF", save_all=True, append_images=others)
    return target.getvalue()


def lively_pdf() -> bytes:
    """One with scripts, an action, an attachment, a link, a form, metadata, and a located photograph."""
    writer = PdfWriter()
    for page in PdfReader(io.BytesIO(pdf())).pages:
        writer.add_page(page)
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(
        {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("app.alert('boo')")}
    )
    writer.add_attachment("letter.html", b"<script>stolen</script>")
    writer.add_metadata({"/Author": CANARY})
    page = writer.pages[0]
    action = DictionaryObject(
        {NameObject("/S"): NameObject("/URI"), NameObject("/URI"): TextStringObject("http://evil.example")}
    )
    page[NameObject("/AA")] = DictionaryObject({NameObject("/O"): action})
    page[NameObject("/Metadata")] = writer._add_object(DictionaryObject({NameObject("/X"): TextStringObject(CANARY)}))
    for image in page["/Resources"]["/XObject"].values():  # type: ignore[index]  # pypdf types any object
        stream = image.get_object()
        stream[NameObject("/Metadata")] = writer._add_object(
            DictionaryObject({NameObject("/Y"): TextStringObject(CANARY)})
        )
        stream._data = picture(located=True)
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def locked_pdf() -> bytes:
    """One that opens with a password."""
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(pdf())))
    writer.encrypt("secret")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
