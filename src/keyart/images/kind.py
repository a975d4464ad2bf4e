"""What a file is, by its first bytes."""

# What each kind begins with: (offset, bytes).
_SIGNATURES = (
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("GIF", 0, b"GIF87a"),
    ("GIF", 0, b"GIF89a"),
    ("WEBP", 8, b"WEBP"),
    ("TIFF", 0, b"II*\0"),
    ("TIFF", 0, b"MM\0*"),
    ("TIFF", 0, b"II+\0"),
    ("TIFF", 0, b"MM\0+"),
    ("BMP", 0, b"BM"),
    ("JPEG 2000", 0, b"\0\0\0\x0cjP  \r\n\x87\n"),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XL", 0, b"\0\0\0\x0cJXL \r\n\x87\n"),
    ("Photoshop", 0, b"8BPS"),
    ("PDF", 0, b"%PDF-"),
    ("PostScript", 0, b"%!PS"),
    ("OpenEXR", 0, b"v/1\x01"),
    ("GIMP", 0, b"gimp xcf"),
    ("icon", 0, b"\0\0\1\0"),
    ("SVG", 0, b"<svg"),
    ("HTML", 0, b"<!DOCTYPE html"),
    ("HTML", 0, b"<!doctype html"),
    ("HTML", 0, b"<html"),
    ("XML", 0, b"<?xml"),
    ("Git LFS pointer", 0, b"version https://git-lfs"),
)
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# Kinds that decode() reads; HEIF with keyart[heif].
READ = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
HEAD = 64  # bytes that kind_of needs


def kind_of(data: bytes) -> str | None:
    """The kind of a file, one of READ or the name of another; None if it is unknown.

    data: its content, or its first HEAD bytes.
    """
    if data[4:8] == b"ftyp":
        size = min(int.from_bytes(data[:4], "big"), HEAD)
        brands = [data[8:12], *(data[at : at + 4] for at in range(16, size, 4))]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if any(brand in _HEIF for brand in brands):
            return "HEIF"
    for kind, offset, signature in _SIGNATURES:
        if data.startswith(signature, offset):
            return kind
    return None
