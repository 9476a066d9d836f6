"""Images of more than 8 bits, of many bands, strips and pages: one window for a set, nothing dropped or cut off."""

from __future__ import annotations

import io
import shutil
import struct
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageFile
from tests.training.stopping import StopAt

import striate
from striate.data.decoding.decode import decode, probe
from striate.data.decoding.windows import PixelWindow, choose_window
from striate.data.preparing.prepare import prepare
from striate.data.reading import read
from striate.errors import DataError, DecodingError, StriateError
from striate.selection.fit import run_one
from striate.training.engine.state import Interrupted


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))


def tiff(array, extra=None, form=1, photometric=None) -> bytes:
    """Return a plain TIFF of (h, w, bands), with ExtraSamples if `extra` says so."""
    h, w, b = array.shape
    data, order = array.astype(array.dtype.newbyteorder("<")).tobytes(), {3: "<H", 4: "<I"}
    photometric = (2 if b >= 3 else 1) if photometric is None else photometric
    tags = [(256, 4, [w]), (257, 4, [h]), (258, 3, [8 * array.itemsize] * b), (259, 3, [1]), (262, 3, [photometric]),
            (273, 4, [8]), (277, 3, [b]), (278, 4, [h]), (279, 4, [len(data)]), (284, 3, [1])]  # fmt: skip
    tags += [(338, 3, extra)] if extra else []
    tags += [(339, 3, [form] * b)]
    start = 8 + len(data) + len(data) % 2
    after, rows, blob = start + 6 + 12 * len(tags), b"", b""
    for tag, kind, values in tags:
        body = b"".join(struct.pack(order[kind], value) for value in values)
        rows += struct.pack("<HHI", tag, kind, len(values))
        rows += body.ljust(4, b"\0") if len(body) <= 4 else struct.pack("<I", after + len(blob))
        blob += body if len(body) > 4 else b""
    head = b"II*\0" + struct.pack("<I", start) + data + b"\0" * (len(data) % 2)
    return head + struct.pack("<H", len(tags)) + rows + bytes(4) + blob


def png16(array) -> bytes:
    """Return a 16-bit PNG of (h, w, 1, 2, 3 or 4)."""
    h, w, c = array.shape

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", w, h, 16, {1: 0, 2: 4, 3: 2, 4: 6}[c], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def encoded(image, kind="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def write(root, name, data):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)


def levels(root, make, count=12, suffix="tif", low=(300.0, 340.0), noise=4.0):
    """Write two classes that differ in the level alone; `make` encodes float64 (h, w)."""
    for k, level in enumerate(low):
        for i in range(count):
            values = np.random.default_rng(100 * k + i).normal(level, noise, (16, 16))
            write(root, f"k{k}/{i}.{suffix}", make(values))
    return root


MAKERS = {
    "16-bit PNG": ("png", lambda v: encoded(v.round().astype(np.uint16))),
    "16-bit TIFF": ("tif", lambda v: encoded(v.round().astype(np.uint16), "TIFF")),
    "16-bit RGB PNG": ("png", lambda v: png16(np.stack([v, v + 5, v + 9], 2).round().astype(np.uint16))),
    "16-bit RGB TIFF": ("tif", lambda v: tiff(np.stack([v, v + 5, v + 9], 2).round().astype(np.uint16))),
    "float": ("tif", lambda v: encoded((v / 1000).astype(np.float32), "TIFF")),
    "int32 below zero": ("tif", lambda v: encoded((v - 70_000).round().astype(np.int32), "TIFF")),
    "int16": ("tif", lambda v: tiff((v - 320).round().astype(np.int16)[..., None], form=2)),
    "16-bit PGM": ("pgm", lambda v: b"P5 16 16 65535\n" + v.round().astype(">u2").tobytes()),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_classes_that_differ_in_level_can_be_told_apart(kind, tmp_path):
    suffix, make = MAKERS[kind]
    images = prepare(read(levels(tmp_path / "x", make, suffix=suffix)))
    assert images.window is not None
    assert any("one window that the model keeps" in note for note in images.notes)
    means = images.images.mean((1, 2, 3))
    assert means[images.labels == 0].max() + 50 < means[images.labels == 1].min()
    assert images.ledger.count("repaired") == len(images)


@pytest.mark.parametrize("odd", [0, 65535])
def test_a_hot_or_a_dead_pixel_does_not_widen_the_window(odd, tmp_path):
    def make(values):
        values = values.round().astype(np.uint16)
        values[3, 5] = odd
        return encoded(values)

    window = prepare(read(levels(tmp_path / "x", make, suffix="png"))).window
    assert window is not None
    assert 270 < window.low[0] < window.high[0] < 370


def test_one_odd_image_widens_the_window_by_its_own_width_at_most():
    usual = [np.random.default_rng(i).integers(300, 400, (16, 16, 1)).astype(np.uint16) for i in range(99)]
    window = choose_window([*usual, np.full((16, 16, 1), 60_000, np.uint16)], [65535.0])
    assert 390 < window.high[0] < 510


def test_eight_bits_and_whole_scales_are_as_they_were(tmp_path):
    full = np.random.default_rng(0).integers(0, 65536, (16, 16)).astype(np.uint16)
    write(tmp_path, "x/a/0.png", encoded(full))
    write(tmp_path, "x/b/0.png", encoded((full >> 8).astype(np.uint8)))
    images = prepare(read(tmp_path / "x"))
    assert images.ledger["a/0.png"].detail == "16-bit gray scaled to 8 bits"
    assert np.array_equal(images.images[0, ..., 0], np.rint(full / 257).astype(np.uint8))
    assert np.array_equal(images.images[1, ..., 0], full >> 8)
    assert images.notes == ()


def test_few_levels_are_said(tmp_path):
    images = prepare(read(levels(tmp_path / "x", MAKERS["16-bit PNG"][1], low=(300, 304), noise=1, suffix="png")))
    assert any("that leaves only" in note for note in images.notes)


@pytest.mark.parametrize(
    ("filling", "low", "dtype"),
    [(-9999, 0.3, "f4"), (-3.4e38, 0.3, "f4"), (65535, 300, "u2"), (0, 3000, "u2"), (-32768, 300, "i2")],
)
def test_a_filling_value_does_not_stretch_the_window(filling, low, dtype):
    rng = np.random.default_rng(0)
    measured = rng.uniform(low, 1.1 * low, (6, 40, 40, 1)).astype(dtype)
    hidden = rng.random(measured.shape) < 0.4
    window = choose_window(list(np.where(hidden, filling, measured).astype(dtype)))
    assert low * 0.98 < window.low[0] < window.high[0] < low * 1.12
    made = window.applied(np.where(hidden, filling, measured).astype(dtype))
    assert not {*np.unique(made[hidden])} & {*np.unique(made[~hidden])}, "what was not measured stays apart"


def test_two_values_alone_are_no_filling():
    masks = [(np.random.default_rng(i).random((16, 16, 1)) < 0.5).astype("u2") * 1000 for i in range(4)]
    assert choose_window(masks) == PixelWindow("uint16", (0.0,), (1000.0,))


@pytest.mark.parametrize(
    ("window", "given"),
    [
        ((19_000.0, 52_000.0), np.linspace(0.3, 0.5, 256, dtype="f4")),
        ((0.3, 0.8), np.linspace(20_000, 40_000, 256, dtype="f4")),
        ((0.0, 255.0), np.linspace(0.3, 0.5, 256, dtype="f4")),
    ],
)
def test_values_in_other_units_are_refused(window, given):
    low, high = window
    expected = PixelWindow("float32", (low,), (high,))
    with pytest.raises(DecodingError, match="other units"):
        decode(tiff(given.reshape(16, 16, 1), form=3), window=expected)


@pytest.mark.parametrize("given", [np.linspace(0, 223, 256), np.linspace(3, 90, 256), np.linspace(0, 0.9, 256)])
@pytest.mark.parametrize("window", [(269.0, 369.0), (257.0, 3710.0), (30_000.0, 31_000.0)])
def test_8_bit_values_and_fractions_are_refused_where_greater_numbers_are_expected(window, given, tmp_path):
    image = given.reshape(16, 16).astype(np.float32 if given.max() < 1 else np.uint16)
    with pytest.raises(DecodingError, match="other units"):
        decode(tiff(image[..., None], form=3 if given.max() < 1 else 1), PixelWindow("uint16", window[:1], window[1:]))


@pytest.mark.parametrize("scale", [16, 64])
def test_12_bits_that_were_moved_up_are_refused(scale):
    given = (np.linspace(280, 340, 256) * scale).astype(np.uint16).reshape(16, 16, 1)
    with pytest.raises(DecodingError, match="other units"):
        decode(tiff(given), PixelWindow("uint16", (262.0,), (401.0,)))


def test_an_overexposed_image_of_the_same_units_is_taken():
    given = np.linspace(800, 1600, 256).astype(np.uint16).reshape(16, 16, 1)
    assert decode(tiff(given), PixelWindow("uint16", (262.0,), (401.0,))).pixels.min() == 255


@pytest.mark.parametrize("given", [np.linspace(240, 250, 256), np.linspace(0, 90, 256) + 200, np.zeros(256)])
def test_a_dark_frame_of_16_bits_is_taken(given):
    decoded = decode(tiff(given.reshape(16, 16, 1).astype(np.uint16)), PixelWindow("uint16", (269.0,), (369.0,)))
    assert decoded.pixels.max() < 200


def test_a_darker_image_of_the_same_units_is_taken():
    window = PixelWindow("float32", (300.0,), (400.0,))
    dark = np.linspace(20, 60, 256, dtype="f4").reshape(16, 16, 1)
    assert not decode(tiff(dark, form=3), window=window).pixels.any()


def test_the_window_is_of_training_images_alone(tmp_path):
    make = MAKERS["16-bit PNG"][1]
    levels(tmp_path / "x/train", make, suffix="png")
    levels(tmp_path / "x/test", make, suffix="png", low=(2000, 4000))
    window = prepare(read(tmp_path / "x")).window
    assert window is not None
    assert window.high[0] < 400


def test_a_model_keeps_its_window(tmp_path):
    source = levels(tmp_path / "x", MAKERS["16-bit TIFF"][1], count=20)
    model = striate.train(source, net="linear", epochs=8)
    model.save(tmp_path / "m.striate")
    again = type(model).load(tmp_path / "m.striate")
    assert again.preprocessing.window is not None
    assert again.preprocessing.window == model.preprocessing.window
    new = levels(tmp_path / "hot", MAKERS["16-bit TIFF"][1], count=2, low=(340, 340))
    rows = again.predict_proba(read(new))
    assert (rows.argmax(1) == 1).all()  # by itself each would look like any other
    paths = sorted((tmp_path / "hot").glob("*/*.tif"))
    assert np.allclose(again.predict_proba(paths), rows, atol=1e-5)
    arrays = np.stack([np.asarray(Image.open(path)) for path in paths])
    assert np.allclose(again.predict_proba(arrays), rows, atol=1e-5)
    assert np.allclose(again.predict_proba(read((arrays, None))), rows, atol=1e-5)
    with pytest.raises(DecodingError, match="8-bit pixels, where uint16 values"):
        again.predict_proba(np.zeros((2, 16, 16), np.uint8))
    with pytest.raises(DecodingError, match="other units"):
        again.predict_proba((arrays / 65535).astype(np.float32))


@pytest.mark.parametrize(("kind", "steps"), [("16-bit TIFF", 1), ("float", 9)])
def test_a_stopped_run_on_a_window_goes_on_to_the_same_bits(kind, steps, tmp_path):
    source = levels(tmp_path / "x", MAKERS[kind][1], count=20)
    options = {"epochs": 3, "precision": "float32", "batch_size": 8}
    run_one(source, "linear", out=tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        run_one(source, "linear", out=tmp_path / "run", observer=StopAt(steps), **options)
    shutil.rmtree(tmp_path / "cache")  # the window is chosen anew from the same images
    resumed = run_one(source, "linear", out=tmp_path / "run", resume=True, **options).classifier
    whole, again = ((tmp_path / run / "model.striate").read_bytes() for run in ("whole", "run"))
    assert whole == again
    assert resumed.preprocessing.window is not None


def test_a_model_of_8_bits_takes_whole_16_bits_and_refuses_others(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    x[::2, :4] //= 8
    model = striate.train((x, np.arange(40) % 2), net="linear", epochs=6)
    write(tmp_path, "full.png", encoded(x[0].astype(np.uint16) * 257))
    write(tmp_path, "dim.png", encoded(x[0].astype(np.uint16) + 300))
    assert np.allclose(model.predict_proba([tmp_path / "full.png"]), model.predict_proba(x[:1]), atol=1e-5)
    with pytest.raises(DecodingError, match=r"dim.png: 16-bit gray with values .* where 8-bit images are expected"):
        model.predict_proba([tmp_path / "dim.png"])
    with pytest.raises(DataError, match="where 8-bit images are expected"):
        model.predict_proba(model.prepare(read((x.astype(np.int32) * 1000, None))))


def test_mixed_depths_are_told(tmp_path):
    levels(tmp_path / "x", MAKERS["16-bit PNG"][1], suffix="png")
    write(tmp_path, "x/k0/eight.png", encoded(np.zeros((16, 16), np.uint8)))
    images = prepare(read(tmp_path / "x"))
    assert any("1 image of 8 bits is left out" in note for note in images.notes)
    assert "8-bit pixels, where uint16 values" in images.ledger["k0/eight.png"].detail


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_arrays_get_one_window_too(kind, tmp_path):
    x = (
        np.stack([np.random.default_rng(i).normal(300 + 40 * (i % 2), 4, (9, 9)) for i in range(40)])
        .round()
        .astype(kind)
    )
    np.savez(tmp_path / "a.npz", images=x, labels=np.arange(40) % 2)
    catalog = read(tmp_path / "a.npz")
    assert catalog.images.dtype == kind
    images = prepare(catalog)
    assert images.window is not None
    assert images.pixels.dtype == np.uint8
    model = striate.train(tmp_path / "a.npz", net="linear", epochs=8)
    assert (model.predict_proba(x).argmax(1) == np.arange(40) % 2).mean() > 0.9
    assert prepare(catalog, (6, 6)).window == images.window
    mixed = prepare(read([(x[0], 0), (x[1, :5], 1)]))  # of two sizes
    assert mixed.images[0].mean() + 50 < mixed.images[1].mean()


def test_narrow_floats_are_not_flattened():
    x = 0.30 + 0.04 * np.random.default_rng(0).random((30, 8, 8))
    images = prepare(read((x, np.arange(30) % 2)))
    assert np.ptp(images.images) > 200


# --- bands


NIR = np.random.default_rng(3).integers(0, 6, (12, 14, 1)).astype(np.uint8)
RGB = np.random.default_rng(4).integers(0, 256, (12, 14, 3)).astype(np.uint8)


@pytest.mark.parametrize("extra", [None, [0]])
@pytest.mark.parametrize("deep", [False, True])
def test_a_fourth_band_is_alpha_only_where_the_file_says_so(extra, deep):
    array = np.concatenate([RGB, NIR], 2)
    array = array.astype(np.uint16) * 257 if deep else array
    decoded = decode(tiff(array, extra))
    assert np.array_equal(decoded.pixels, np.concatenate([RGB, NIR], 2))
    assert probe(tiff(array, extra)).channels == 4
    clear = decode(tiff(array, [2]))
    assert clear.pixels.shape == (12, 14, 3)
    assert "transparency laid over white" in clear.repairs


def test_two_bands_are_both_kept():
    two = np.concatenate([RGB[..., :1], NIR], 2)
    assert np.array_equal(decode(tiff(two, [0], photometric=1)).pixels, two)


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_both_bytes_of_16_bit_png_count(bands):
    array = np.random.default_rng(bands).integers(0, 65536, (5, 7, bands)).astype(np.uint16)
    array[..., -1] = 65535 if bands != 3 else array[..., -1]
    colour = array[..., :-1] if bands != 3 else array
    decoded = decode(png16(array), PixelWindow("uint16", (0.0,), (65535.0,)))
    assert np.array_equal(decoded.pixels, np.rint(colour / 257).astype(np.uint8))


@pytest.mark.parametrize(("bands", "kind"), [(5, np.uint8), (13, np.uint16), (8, np.float32), (3, np.float32)])
def test_any_number_of_bands_is_read_and_learned(bands, kind, tmp_path, capfd):
    pytest.importorskip("tifffile")
    for k in (0, 1):
        for i in range(14):
            values = np.random.default_rng(100 * k + i).integers(0, 200, (8, 8, bands)) * (1 if kind == np.uint8 else 5)
            values[..., -1] = values[..., -1] // 4 + 150 * k  # the last band tells them apart
            form = 3 if kind == np.float32 else 1
            write(tmp_path, f"x/k{k}/{i}.tif", tiff(values.astype(kind), [0] * (bands - 3) or None, form))
    catalog = read(tmp_path / "x")
    assert prepare(catalog).image_shape == (8, 8, bands)
    model = striate.train(catalog, net="linear", epochs=12)
    assert model.preprocessing.channels == bands
    assert (model.predict_proba(catalog).argmax(1) == catalog.labels).mean() > 0.9
    assert capfd.readouterr().err == ""
    with pytest.raises(StriateError, match=f"3 bands, where {bands} are wanted|8-bit pixels"):
        model.predict_proba(np.zeros((1, 8, 8, 3 if bands != 3 else 4), np.uint8))


def written_by_tifffile(array, **options) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("options", [{}, {"photometric": "minisblack"}, {"compression": "zlib"}])
def test_an_array_that_tifffile_wrote_a_page_a_row_is_one_image_of_bands(kind, options):
    array = (np.arange(24 * 30 * 5) % 251).astype(kind).reshape(24, 30, 5)
    data = written_by_tifffile(array, **options)
    header = probe(data)
    assert (header.height, header.width, header.channels, header.wide) == (24, 30, 5, kind is not np.uint8)
    assert np.array_equal(decode(data, PixelWindow("x", (0.0,), (255.0,))).pixels, array.astype(np.uint8))


@pytest.mark.parametrize("options", [{"ome": True}, {"imagej": True}])
def test_channels_of_a_microscope_s_file_are_bands(options):
    array = (np.arange(3 * 20 * 16) % 251).astype(np.uint16).reshape(3, 20, 16)
    data = written_by_tifffile(array, metadata={"axes": "CYX"}, **options)
    assert probe(data).channels == 3
    assert np.array_equal(decode(data).pixels, np.moveaxis(array, 0, -1).astype(np.uint8))


@pytest.mark.parametrize(
    "options", [{"ome": True, "metadata": {"axes": "ZYX"}}, {"imagej": True, "metadata": {"axes": "TYX"}}, {}]
)
def test_a_stack_of_slices_stays_one_of_pages(options):
    array = (np.arange(7 * 20 * 16) % 251).astype(np.uint8).reshape(7, 20, 16)
    data = written_by_tifffile(array, photometric="minisblack", **options)
    decoded = decode(data)
    assert np.array_equal(decoded.pixels[..., 0], array[0])
    assert decoded.repairs == ("first frame of 7",)


@pytest.mark.parametrize(("kind", "bands"), [(np.uint8, 3), (np.uint16, 4), (np.float32, 4)])
def test_what_tifffile_calls_alpha_of_itself_is_a_band_beyond_8_bits(kind, bands):
    array = np.full((8, 9, 4), 100, kind)
    assert probe(written_by_tifffile(array, photometric="rgb")).channels == bands


@pytest.mark.parametrize("low", [-500, 100])
@pytest.mark.parametrize(("kind", "bits"), [(np.int16, 16), (np.int32, 32)])
def test_gray_values_are_called_by_what_the_file_holds(kind, bits, low):
    array = (low + np.arange(64)).astype(kind).reshape(8, 8, 1)
    (repair,) = decode(tiff(array, form=2), PixelWindow(str(np.dtype(kind)), (low,), (low + 64.0,))).repairs
    assert repair.startswith(f"{bits}-bit gray scaled to 8 bits")


def test_mixed_bands_are_told(tmp_path):
    pytest.importorskip("tifffile")
    for i in range(4):
        write(tmp_path, f"x/k{i % 2}/{i}.tif", tiff(np.full((6, 6, 7), i, np.uint8), [0] * 4))
    write(tmp_path, "x/k0/rgb.png", encoded(np.zeros((6, 6, 3), np.uint8)))
    images = prepare(read(tmp_path / "x"))
    assert images.image_shape == (6, 6, 7)
    assert images.ledger["k0/rgb.png"].detail == "3 bands, where most images have 7"
    assert any("left out: 1 of 3" in note for note in images.notes)


def test_without_tifffile_the_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(
        DecodingError, match=r'6×5 pixels and 9 bands that needs tifffile: pip install "striate\[tiff\]"'
    ):
        decode(tiff(np.zeros((6, 5, 9), np.uint8), [0] * 6))
    with pytest.raises(DecodingError, match="damaged: begins like TIFF"):
        decode(b"II*\0" + bytes(40))


def test_four_bands_in_arrays_are_alpha_only_if_mostly_opaque():
    nir = np.concatenate([RGB, NIR], 2)[None].repeat(3, 0)
    assert read((nir, [0, 1, 0])).images.shape == (3, 12, 14, 4)
    assert prepare(read((nir, [0, 1, 0]))).image_shape == (12, 14, 4)
    seven = np.zeros((3, 12, 14, 7), np.uint8)
    assert read((seven, None)).images.shape == read((seven.transpose(0, 3, 1, 2), None)).images.shape


# --- strips


@pytest.mark.parametrize("tall", [False, True])
def test_strips_are_shown_whole(tall, tmp_path):
    for k in (0, 1):
        for i in range(12):
            strip = np.full((20, 150 + 7 * i), 128, np.uint8)
            strip[:, :16] = 255 * k
            write(tmp_path, f"x/k{k}/{i}.png", encoded(strip.T if tall else strip))
    images = prepare(read(tmp_path / "x"), fit=None)
    h, w, _ = images.image_shape
    assert (h > 5 * w) if tall else (w > 5 * h)
    assert images.fit == "pad"
    assert np.array_equal((images.images > 240).any((1, 2, 3)), images.labels == 1)
    cut = prepare(read(tmp_path / "x"), fit="crop")
    assert any("of each image; --fit pad shows all" in note for note in cut.notes)
    assert not (cut.images > 240).any()
    model = striate.train(tmp_path / "x", net="linear", epochs=10)
    assert model.preprocessing.fit == "pad"


def test_strips_that_lie_both_ways_keep_as_many_pixels(tmp_path):
    for i in range(12):
        strip = np.random.default_rng(i).integers(90, 160, (20, 200)).astype(np.uint8)
        write(tmp_path, f"{'ab'[i % 2]}/{i}.png", encoded(strip if i % 4 < 2 else np.ascontiguousarray(strip.T)))
    made = prepare(read(tmp_path), fit=None)
    assert made.image_shape == (63, 63, 1)
    assert made.fit == "pad"


def test_a_part_of_the_images_that_a_cut_halves_is_told(tmp_path):
    for i in range(12):
        write(tmp_path, f"{'ab'[i % 2]}/{i}.png", encoded(np.zeros((40, 40 if i % 3 else 160), np.uint8)))
    said = "crop shows less than half of 33 % of the images; --fit pad"
    assert any(note.startswith(said) for note in prepare(read(tmp_path)).notes)
    assert not any("less than half" in note for note in prepare(read(tmp_path), fit="pad").notes)


def test_pictures_about_square_are_cut_as_before(tmp_path):
    for i, shape in enumerate([(40, 60), (60, 40), (45, 80)] * 3):
        write(tmp_path, f"x/k{i % 2}/{i}.png", encoded(np.full(shape, i, np.uint8)))
    ours, before = prepare(read(tmp_path / "x"), fit=None), prepare(read(tmp_path / "x"))
    assert ours.fit == "crop"
    assert ours.notes == before.notes
    assert np.array_equal(ours.images, before.images)


# --- pages


@pytest.mark.parametrize(("kind", "suffix"), [("TIFF", "tif"), ("GIF", "gif"), ("WEBP", "webp"), ("PNG", "png")])
def test_pages_are_counted_or_taken_each(kind, suffix, tmp_path):
    for k in (0, 1):
        for i in range(3):
            pages = [
                Image.fromarray(np.random.default_rng(50 * k + 9 * i + n).integers(0, 255, (9, 9), np.uint8))
                for n in range(3)
            ]
            write(tmp_path, f"x/k{k}/{i}.{suffix}", encoded(pages[0], kind, save_all=True, append_images=pages[1:]))
    write(tmp_path, "x/k0/one.png", encoded(np.zeros((9, 9), np.uint8)))
    first = prepare(read(tmp_path / "x"))
    assert len(first) == 7
    assert "first frame of 3" in first.ledger[f"k0/0.{suffix}"].detail
    catalog = read(tmp_path / "x", pages="all")
    images = prepare(catalog)
    assert len(images) == 19
    assert len(np.unique(images.hashes)) == 19
    assert f"k1/2.{suffix}#3" in images.names
    assert "frame" not in images.ledger[f"k1/2.{suffix}#3"].detail
    from striate.data.dataset import find_groups

    groups = find_groups(images, catalog, "none")
    assert sorted(groups.sizes.tolist()) == [3] * 6


def test_pages_that_are_no_choice_are_refused(tmp_path):
    with pytest.raises(StriateError, match="pages must be first or all; got 'some'"):
        read(tmp_path, pages="some")


def test_heic_is_read_by_a_plugin_that_is_installed(monkeypatch):
    class Opener(ImageFile.ImageFile):  # as pillow-heif registers one
        format = "HEIF"

        def _open(self):
            self._size, self._mode = (4, 3), "RGB"
            self.tile = [("raw", (0, 0, 4, 3), 32, ("RGB", 0, 1))]

    def register():
        Image.register_open("HEIF", Opener, lambda start: start[4:12] == b"ftypheic")

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    data = b"\0\0\0\x20ftypheic".ljust(32, b"\0") + bytes(range(36))
    assert decode(data).pixels.ravel().tolist() == list(range(36))


def test_a_file_of_heic_names_the_package():
    with pytest.raises(DecodingError, match="HEIC"):
        decode(b"\0\0\0\x18ftypheix\0\0\0\0mif1" + bytes(40))
