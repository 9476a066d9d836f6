"""The layer table and the picture: AlexNet's eleven layers, and every form of them."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import torch
from rich.console import Console

from striate.errors import ShapeError
from striate.nets import ZOO, Table, make_module, parse, resolve
from striate.nets.surgery import with_taps

ALEXNET = [
    (96, 55, 55),
    (96, 27, 27),
    (256, 27, 27),
    (256, 13, 13),
    (384, 13, 13),
    (384, 13, 13),
    (256, 13, 13),
    (256, 6, 6),
    (4096,),
    (4096,),
    (1000,),
]


@pytest.fixture(scope="module")
def alexnet() -> Table:
    return resolve("alexnet").table((3, 227, 227))


def test_alexnet_has_its_eleven_layers(alexnet: Table) -> None:
    assert [row.shape for row in alexnet.shown()] == ALEXNET
    assert next(row.layer for row in alexnet.shown()) == "conv(96, 11, stride=4) relu lrn"
    assert not any(row.note for row in alexnet.rows)


def test_alexnet_on_224_pixels_does_not_fit_and_strict_refuses() -> None:
    first = resolve("alexnet").table((3, 224, 224)).rows[0]
    assert first.formula == "(224 − 11)/4 + 1 = 54.25 → 54"
    assert "1 pixel at the right and bottom is never seen; 223 or 227 pixels would fit" in first.note
    with pytest.raises(ShapeError, match=r"layer 0: conv\(96, 11, stride=4\) on 3×224×224: .* = 54.25"):
        resolve("alexnet").table((3, 224, 224), strict=True)
    resolve("alexnet").table((3, 227, 227), strict=True)


def test_receptive_fields_are_those_that_gradients_show() -> None:
    net = parse("conv(2, 3, stride=2) maxpool(2) residual(conv(2, 3, pad=1) ; conv(2, 1)) conv(1, 2, dilation=2)")
    shape = (1, 41, 41)
    row = net.table(shape).rows[-1]
    module = make_module(net, shape).double()
    images = torch.rand(1, *shape, dtype=torch.float64, requires_grad=True)
    out = module(images)
    seen = torch.zeros(41, 41)
    for _ in range(40):  # pooling hides pixels from one gradient; many images show them all
        images = torch.rand(1, *shape, dtype=torch.float64, requires_grad=True)
        out = module(images)
        out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
        assert images.grad is not None
        seen += images.grad[0, 0].abs() > 0
    rows = seen.any(1).nonzero().ravel()
    assert row.receptive_field == (int(rows[-1] - rows[0]) + 1,) * 2


def test_memory_is_four_bytes_a_value_and_image() -> None:
    table = parse("conv(2, 1) relu fc(3)").table((1, 5, 5), batch=10)
    assert [row.memory_bytes for row in table.rows] == [2000, 2000, 120]
    assert table.memory_bytes == 1000 + 4120


def test_json_has_the_promised_keys(alexnet: Table) -> None:
    found = json.loads(json.dumps(alexnet.to_dict()))
    assert {"layers", "parameters", "multiply_adds"} <= found.keys()
    assert all({"layer", "shape", "parameters", "multiply_adds", "note"} <= row.keys() for row in found["layers"])
    assert found["parameters"] == sum(row["parameters"] for row in found["layers"]) == 60_965_224


def test_plain_text_markdown_html_and_terminal_say_the_same() -> None:
    table = resolve("alexnet").table((3, 224, 224))
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    console.file.close()
    for text in (str(table), table.to_markdown(), table._repr_html_(), console.export_text()):
        for part in ("conv(96, 11, stride=4) relu lrn", "96×54×54", "54.25 → 54", "34,944", "11×11", "is never seen"):
            assert part in text
    assert table.to_markdown().splitlines()[1] == "|---|---|---|---|--:|--:|---|--:|"


def test_a_narrow_terminal_gets_a_table_too() -> None:
    console = Console(width=60, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(resolve("lenet").table((1, 28, 28)))
    console.file.close()
    text = console.export_text()
    for part in ("61,706", "conv(6, 5,", "6×28×28", "(28 − 5", "wider terminal also shows: multiply-adds, part, sees,"):
        assert part in text


@pytest.mark.parametrize(("width", "hidden"), [(80, "part, sees, memory"), (120, "")])
def test_every_line_fits_the_terminal_and_notes_have_their_own(width: int, hidden: str) -> None:
    lines = [line for line, _ in resolve("alexnet").table((3, 224, 224))._printed(width)]
    assert max(map(len, lines)) <= width
    assert any("↳ 1 pixel at the right and bottom is never seen; 223 or 227 pixels would fit" in line for line in lines)
    assert lines[-1].startswith(f"a wider terminal also shows: {hidden}" if hidden else "        total")
    assert "101,616,768" in "".join(lines)


def test_html_is_escaped() -> None:
    table = parse('fc(3, init="gaussian(1)")').table((2,))
    assert "&quot;gaussian(1)&quot;" in table._repr_html_()


def test_tables_need_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from striate.nets import resolve; n = resolve('resnet50');"
        "print(n.table((3, 224, 224)).parameters, n.svg((3, 224, 224))[:4]);"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["25557032", "<svg", "False", "False"]


@pytest.mark.parametrize("name", [*ZOO, "googlenet(aux=true)"])
def test_every_net_has_a_picture(name: str) -> None:
    shape = ZOO[name.split("(")[0]].input_shape
    root = ElementTree.fromstring(resolve(name).svg(shape))
    assert root.tag.endswith("svg")
    words = [node.text for node in root.iter() if node.tag.endswith("text")]
    assert words[0] == "input"
    assert "fc" in words or "mean" in words


def test_the_picture_draws_blocks_branches_and_repeats() -> None:
    net = parse(
        "[conv(8, 3, pad=1) relu maxpool(2)]*2 [residual(conv(8, 3, pad=1))]*5 "
        "concat(conv(4, 1) | ) gate(globalavg) aux(fc(2)) se(2) head: [fc(10)]"
    )
    svg = net.svg((3, 16, 16))
    for part in (">conv 3×3<", ">max 2×2<", ">8×8×8<", ">×5<", ">⊕<", ">×<", "auxiliary head, weight 0.3", ">head<"):
        assert part in svg
    assert svg.count(">max 2×2<") == 2


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "mobilenet_v2", "lenet"])
def test_a_long_picture_goes_on_in_another_row(name: str) -> None:
    shape = ZOO[name].input_shape
    one, rows = (ElementTree.fromstring(resolve(name).svg(shape, width)) for width in (None, 1000))

    def words(root: ElementTree.Element) -> list[str | None]:
        return [node.text for node in root.iter() if node.tag.endswith("text")]

    assert words(rows) == words(one)
    assert float(rows.get("width") or 0) <= 1000
    fits = float(one.get("width") or 0) <= 1000
    assert fits == (rows.get("height") == one.get("height"))
    assert resolve(name).svg(shape, 1e9) == resolve(name).svg(shape)


def test_the_sides_of_blocks_grow_with_the_image_and_the_channels() -> None:
    from striate.nets.picture import Size

    size = Size(side=64, channels=256)
    high, thick = size.block((64, 64, 64))
    assert size.block((256, 16, 16)) == pytest.approx((high / 2, thick * 2))


def test_layers_behind_taps_are_called_as_in_the_plain_net():
    plain = parse("conv(4, 3) relu conv(5, 3) relu block: [conv(6, 3) relu] globalavg fc(4)")
    tapped = with_taps(plain, (3, 16, 16)).table((3, 16, 16))
    named = {row.path: row.layer for row in tapped.rows}
    assert len(named) == len(tapped.rows)
    assert not any("branch" in path for path in named)
    for row in plain.table((3, 16, 16)).rows[:-1]:
        assert named[row.path] == row.layer
