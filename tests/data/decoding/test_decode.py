"""The decoder against Pillow's own answers, against every odd file, and against hostile bytes."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps
from tests.data.oddities import EXPECTED, encoded, exif_with, odd_files, photo, png_bomb

from striate.data.decoding import decode as decoding
from striate.data.decoding import formats
from striate.data.decoding.decode import decode, fit_pixels, pixel_hash, probe, to_channels
from striate.data.decoding.pixels import pixel_hashes
from striate.data.decoding.windows import PixelWindow
from striate.errors import ArgumentError, DecodingError

RGB = Image.fromarray(photo())
GRAY = RGB.convert("L")
LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "WEBP": {"lossless": True}}


def as_array(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_file_gives_its_pixels_back(kind):
    decoded = decode(encoded(RGB, kind, **LOSSLESS[kind]))
    assert np.array_equal(decoded.pixels, photo())
    assert decoded.repairs == ()


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("image", [RGB, GRAY], ids=["colour", "gray"])
def test_other_formats_decode_as_pillow_does(kind, image):
    data = encoded(image, kind)
    if kind not in formats.FORMATS:
        pytest.skip(f"this Pillow has no {kind}")
    with Image.open(decoding.io.BytesIO(data)) as opened:
        wanted = opened.convert(image.mode)
    assert np.array_equal(decode(data).pixels, as_array(wanted))


def test_path_text_bytes_image_and_array_are_decoded_alike(tmp_path):
    path = tmp_path / "a b ü.png"
    path.write_bytes(encoded(RGB))
    for source in (path, str(path), path.read_bytes(), RGB, photo()):
        assert np.array_equal(decode(source).pixels, photo())
        header = probe(source)
        assert (header.height, header.width, header.channels) == (40, 60, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_exif_orientation_is_applied_as_in_pillow(orientation, kind):
    data = encoded(RGB, kind, exif=exif_with(orientation), **LOSSLESS.get(kind, {}))
    with Image.open(decoding.io.BytesIO(data)) as image:
        wanted = ImageOps.exif_transpose(image).convert("RGB")
    decoded = decode(data)
    assert np.array_equal(decoded.pixels, np.asarray(wanted))
    assert decoded.repairs == ((f"rotated by EXIF orientation {orientation}",) if orientation > 1 else ())
    assert (probe(data).height, probe(data).width) == decoded.pixels.shape[:2]


def test_exif_that_makes_no_sense_is_passed_over():
    for block in (b"Exif\0\0" + os.urandom(40), b"Exif\0\0II*\0\xff\xff\xff\xff"):
        assert decode(encoded(RGB, "JPEG", exif=block)).repairs == ()
    assert decode(encoded(RGB, "JPEG", exif=exif_with(77))).repairs == ()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_gray_is_scaled_not_clipped(kind):
    values = np.linspace(0, 65535, 40 * 60).astype(np.uint16).reshape(40, 60)
    decoded = decode(encoded(Image.fromarray(values), kind))
    assert np.array_equal(decoded.pixels[..., 0], np.rint(values / 257).astype(np.uint8))
    assert decoded.repairs == ("16-bit gray scaled to 8 bits",)


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bit_gray_of_either_byte_order(mode):
    values = np.array([[0, 257, 65535]], np.dtype("<u2" if mode == "I;16" else ">u2"))
    image = Image.frombytes(mode, (3, 1), values.tobytes())
    assert decode(image).pixels[..., 0].tolist() == [[0, 1, 255]]
    assert decode(encoded(image, "TIFF")).pixels[..., 0].tolist() == [[0, 1, 255]]


def tiff_of(values: list[int], bits: int, photometric: int) -> bytes:
    """Return a one-row gray TIFF, for Pillow writes none of 12 bits and none where white is zero."""
    if bits == 16:
        packed = struct.pack(f"<{len(values)}H", *values)
    else:  # bits follow one another, whatever the byte order
        packed = sum(v << bits * i for i, v in enumerate(reversed(values))).to_bytes(len(values) * bits // 8, "big")
    tags = {256: len(values), 257: 1, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 1, 279: len(packed)}
    entries = b"".join(struct.pack("<HHIHxx", tag, 3, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHI", b"II", 42, 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(("bits", "photometric"), [(12, 1), (16, 1), (16, 0)])
def test_tiff_of_12_bits_or_with_white_as_zero(bits, photometric):
    top = 2**bits - 1
    decoded = decode(tiff_of([0, top // 3, top // 5, top], bits, photometric))
    levels = [0, 85, 51, 255]
    assert decoded.pixels[0, :, 0].tolist() == (levels if photometric else [255 - level for level in levels])
    assert decoded.repairs == (f"{bits}-bit gray scaled to 8 bits",)


def test_32_bit_and_float_gray_are_scaled_by_the_window_and_never_by_themselves():
    deep = encoded(Image.fromarray(np.array([[-100, 0, 155]], np.int32)), "TIFF")
    decoded = decode(deep, PixelWindow("int32", (-100.0,), (155.0,)))
    assert decoded.pixels[..., 0].tolist() == [[0, 100, 255]]
    assert decoded.repairs == ("32-bit gray scaled to 8 bits: -100 … 155 to 0 … 255",)
    real = encoded(Image.fromarray(np.array([[0.5, 1.0, 1.5]], np.float32)), "TIFF")
    decoded = decode(real, PixelWindow("float32", (0.5,), (2.5,)))
    assert decoded.pixels[..., 0].tolist() == [[0, 64, 128]]
    assert decoded.repairs == ("float gray scaled to 8 bits: 0.5 … 2.5 to 0 … 255",)
    for source in (deep, real, Image.new("F", (2, 2), 3.5)):
        with pytest.raises(DecodingError, match="where 8-bit images are expected"):
            decode(source)
    with pytest.raises(DecodingError, match="float pixels must be finite; 1 are not"):
        decode(Image.fromarray(np.array([[np.nan, 1.0]], np.float32)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_transparency_is_laid_over_white(mode):
    alpha = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    rgba = Image.fromarray(np.dstack([photo(), alpha]))
    image = {"RGBa": lambda: rgba.convert("RGBa"), "La": lambda: rgba.convert("LA").convert("La")}.get(
        mode, lambda: rgba.convert(mode)
    )()
    straight = image.convert({"RGBa": "RGBA", "La": "LA"}.get(mode, mode)).convert("RGBA")
    wanted = Image.alpha_composite(Image.new("RGBA", straight.size, "white"), straight)
    decoded = decode(image)
    assert np.array_equal(decoded.pixels, np.asarray(wanted)[..., : 1 if mode in ("LA", "La") else 3])
    assert decoded.repairs == ("transparency laid over white",)
    assert (decoded.pixels[:, 0] == 255).all()


def test_alpha_that_hides_nothing_is_no_repair():
    assert decode(encoded(RGB.convert("RGBA"))).repairs == ()
    assert np.array_equal(decode(np.dstack([photo(), np.full((40, 60), 255, np.uint8)])).pixels, photo())


@pytest.mark.parametrize("image", [RGB, GRAY, RGB.convert("P"), Image.fromarray(np.arange(256, dtype=np.uint16)[None])])
def test_one_transparent_colour_of_a_png_becomes_white(image):
    clear = image.getpixel((3, 0))
    data = encoded(image, transparency=clear)
    decoded = decode(data)
    assert (decoded.pixels[0, 3] == 255).all()
    assert decoded.repairs[-1] == "transparency laid over white"
    assert decoded.pixels.shape[2] == probe(data).channels


def test_palettes_become_gray_only_if_they_are():
    palette = RGB.convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(decode(encoded(palette)).pixels, np.asarray(palette.convert("RGB")))
    gray = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
    gray.putpalette([9, 9, 9, 100, 100, 100, 200, 200, 200])
    for kind in ("PNG", "TIFF", "GIF", "BMP"):
        data = encoded(gray, kind)
        assert decode(data).pixels.tolist() == [[[9], [100], [200]]], kind
        assert probe(data).channels == 1


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "1", "RGBX"])
def test_other_colour_spaces_become_rgb_as_in_pillow(mode):
    image = Image.fromarray(photo(), "RGB").convert(mode)
    wanted = image.convert("L" if mode == "1" else "RGB")
    assert np.array_equal(decode(image).pixels, as_array(wanted))
    assert decode(image).repairs == (("CMYK converted to RGB",) if mode == "CMYK" else ())


def test_cmyk_jpeg_of_adobe_is_not_inverted():
    decoded = decode(encoded(RGB.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(decoded.pixels.astype(int) - photo()).mean() < 12


def test_the_first_of_several_frames_is_taken():
    frames = [Image.fromarray(photo(seed=i)) for i in range(3)]
    for kind in ("PNG", "TIFF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **LOSSLESS[kind])
        decoded = decode(data)
        assert np.array_equal(decoded.pixels, photo(seed=0)), kind
        assert decoded.repairs == ("first frame of 3",)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_odd_file(name):
    status, detail = EXPECTED[name]
    data = odd_files()[name]
    if status == "skipped":
        with pytest.raises(DecodingError) as caught:
            decode(data)
        assert str(caught.value).startswith(detail)
    else:
        assert "; ".join(decode(data).repairs) == detail


def test_reasons_name_the_way_out():
    reasons = {
        b"\0\0\0\x18ftypheic\0\0\0\0mif1": "HEIC needs a package that reads it: pip install pillow-heif",
        b"version https://git-lfs.github.com/spec/v1\noid": "a Git LFS pointer, not the image: run git lfs pull",
        b"8BPS\0\1": "PSD is not supported: save the image as JPEG or PNG",
        b"%!PS-Adobe-3.0 EPSF-3.0\n": "EPS is not supported",
        b"\x89PNG\r\n\x1a\n": "damaged: begins like PNG",
        b"\0": "not an image: begins with b'\\\\x00'$",
    }
    for data, reason in reasons.items():
        with pytest.raises(DecodingError, match=reason):
            decode(data)


def test_files_that_are_no_files(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "big.png").write_bytes(b"x" * 11)
    monkeypatch.setattr(decoding, "LIMIT_BYTES", 10)
    reasons = {"none.png": "no such file", "pipe.png": "not a regular file", ".": "a folder", "big.png": "oversized"}
    for name, reason in reasons.items():
        with pytest.raises(DecodingError, match=reason):
            decode(tmp_path / name)
    with pytest.raises(DecodingError, match="cannot be read"):
        decode("a\0b.png")


def test_the_pixel_limit_is_our_own(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(DecodingError, match="oversized: 3,600 megapixels; at most 100 are decoded"):
        decode(png_bomb())
    with pytest.raises(DecodingError, match="oversized: 144 megapixels"):
        decode(png_bomb(12_000))
    with pytest.raises(DecodingError, match="oversized"):
        probe(Image.new("1", (20_000, 10_000)))


def test_large_images_below_the_limit_are_decoded_without_a_warning():
    assert decode(png_bomb(9_700)).pixels.shape == (9700, 9700, 1)  # Pillow warns from 89 megapixels on


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), np.float32), r"must be uint8, 0 to 255; got float32.*multiply by 255"),
        (np.zeros((4, 4), np.int64), "must be uint8, 0 to 255; got int64"),
        (np.zeros((3, 4, 5), np.uint8), r"got \(3, 4, 5\). Channels come last: use np.moveaxis"),
        (np.zeros((0, 4), np.uint8), r"got \(0, 4, 1\)"),
        (np.zeros(4, np.uint8), r"got \(4,\)"),
    ],
)
def test_arrays_that_are_no_image(array, message):
    for use in (decode, probe):
        with pytest.raises(DecodingError, match=message):
            use(array)


FILES = {
    f"{kind} {image.mode} {sorted(options)}": encoded(image, kind, **options)
    for kind, image, options in [
        ("PNG", RGB, {}),
        ("PNG", RGB.convert("P"), {"transparency": 3, "exif": exif_with(6)}),
        ("JPEG", RGB, {"exif": exif_with(5), "progressive": True}),
        ("JPEG", RGB.convert("CMYK"), {}),
        ("MPO", RGB, {"save_all": True, "append_images": [RGB]}),
        ("GIF", RGB.convert("P"), {"save_all": True, "append_images": [GRAY.convert("P")]}),
        ("BMP", RGB.convert("P"), {}),
        ("TIFF", RGB, {"compression": "tiff_lzw"}),
        ("TIFF", RGB.convert("P"), {"exif": exif_with(6)}),
        ("TIFF", GRAY.convert("F"), {}),
        ("WEBP", RGB.convert("RGBA"), {"exif": exif_with(8)}),
        ("PPM", RGB, {}),
        ("AVIF", RGB, {}),
        ("JPEG2000", RGB, {}),
    ]
    if kind == "MPO" or kind in formats.FORMATS
}


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6),
    head=st.booleans(),
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_hostile_bytes_are_decoded_or_refused_never_worse(name, changes, head, keep):
    data = bytearray(FILES[name])
    for place, new in changes:
        at = int(place * (min(len(data), 120) if head else len(data)))
        data[at : at + len(new)] = new
    data = bytes(data[: int(keep * len(data))])
    try:
        decoded = decode(data)
    except DecodingError:
        return
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.shape[2] in (1, 3)
    header = probe(data)  # what decodes has a readable header
    assert decoded.pixels.shape[2] == header.channels
    assert sorted(decoded.pixels.shape[:2]) == sorted((header.height, header.width))


@settings(max_examples=100)
@given(st.binary(max_size=64))
def test_bytes_out_of_nowhere_are_refused(data):
    with pytest.raises(DecodingError):
        decode(data)


def test_pillows_settings_and_the_warning_filters_are_left_as_they_are():
    before = (list(warnings.filters), Image.MAX_IMAGE_PIXELS)
    files = list(odd_files().values()) * 3
    barrier = threading.Barrier(4)

    def work(_):
        barrier.wait()
        for data in files:
            with contextlib.suppress(DecodingError):
                decode(data)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert before == (list(warnings.filters), Image.MAX_IMAGE_PIXELS)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_threads_decode_alike():
    wanted = {name: decode(data).pixels for name, data in FILES.items()}
    with ThreadPoolExecutor(4) as pool:
        for name, decoded in zip(list(FILES) * 5, pool.map(decode, list(FILES.values()) * 5), strict=True):
            assert np.array_equal(decoded.pixels, wanted[name])


@pytest.mark.parametrize("size", [(28, 28), (60, 40), (80, 30), (1, 1), (200, 200)])
@pytest.mark.parametrize("channels", [1, 3])
def test_fitting_is_pillows(size, channels):
    pixels = to_channels(photo(), channels)
    image = Image.fromarray(pixels.squeeze())
    wide = size[::-1]
    bilinear = Image.Resampling.BILINEAR
    wanted = {
        "crop": ImageOps.fit(image, wide, bilinear),
        "stretch": image.resize(wide, bilinear),
        "pad": ImageOps.pad(image, wide, bilinear),
    }
    for fit, oracle in wanted.items():
        fitted = fit_pixels(pixels, size, fit)
        assert fitted.shape == (*size, channels)
        difference = np.abs(fitted.astype(int) - as_array(oracle).astype(int))
        assert difference.max() <= 1, fit


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from([1, 3]),
    st.sampled_from(["crop", "pad", "stretch"]),
)
def test_every_size_can_be_fitted_to_every_other(old, new, channels, fit):
    pixels = np.full((*old, channels), 200, np.uint8)
    fitted = fit_pixels(pixels, new, fit)
    assert fitted.shape == (*new, channels)
    if fit != "pad":
        assert (fitted == 200).all()
    if old == new:
        assert fitted is pixels


def test_sizes_and_fits_that_are_none():
    assert fit_pixels(photo(), 28).shape == fit_pixels(photo(), (28, 28)).shape
    for size in [(0, 5), (5,), 0, (1.5, 2), "ab", None]:
        with pytest.raises(ArgumentError, match="size must be"):
            fit_pixels(photo(), size)
    with pytest.raises(ArgumentError, match="fit must be one of crop, pad, stretch; got 'squeeze'"):
        fit_pixels(photo(), (4, 4), "squeeze")


def test_channels_are_changed_as_in_pillow():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(to_channels(pixels, 1), as_array(Image.fromarray(pixels).convert("L")))
    gray = to_channels(pixels, 1)
    assert np.array_equal(to_channels(gray, 3), np.asarray(Image.fromarray(gray[..., 0]).convert("RGB")))
    assert to_channels(pixels, 3) is pixels
    with pytest.raises(ArgumentError, match="channels must be 1"):
        to_channels(pixels, 0)
    with pytest.raises(DecodingError, match="3 bands, where 4 are wanted"):
        to_channels(pixels, 4)


def test_hashes_tell_images_apart_and_know_equal_ones():
    images = np.random.default_rng(0).integers(0, 256, (500, 8, 8, 3), dtype=np.uint8)
    images[7] = images[3]
    hashes = pixel_hashes(images)
    assert hashes.dtype == np.uint64
    assert len(np.unique(hashes)) == 499
    assert hashes[7] == hashes[3] == pixel_hash(images[3]) == pixel_hash(np.asfortranarray(images[3]))
    assert pixel_hash(images[0]) != pixel_hash(images[0].reshape(8, 24, 1))


def test_the_hash_stays_the_same_for_ever():
    # splits depend on it: another value here would reshuffle every user's data
    assert pixel_hash(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)) == 3343793604912875813


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA names no folder of real images")
def test_real_photographs_decode_as_in_pillow():
    paths = sorted(path for path in Path(os.environ["STRIATE_DATA"]).rglob("*") if path.suffix in (".jpg", ".png"))
    for path in paths[:: max(1, len(paths) // 50)]:
        with Image.open(path) as image:
            wanted = ImageOps.exif_transpose(image).convert("L" if image.mode == "L" else "RGB")
        assert np.array_equal(decode(path).pixels, as_array(wanted)), path
