// The picture's panel: what is drawn on, its tools, and what the net says of it now and said of the first picture.
"use strict";
const Panel = (() => {
  const { h, percent } = Draw;
  const by = (id) => document.getElementById(id);
  let plan = null, walk = null, tool = "pen", last = null, drag = null;

  const hex = (value) => "#" + (value.length < 3 ? [value[0], value[0], value[0]] : value.slice(0, 3)).map((x) => x.toString(16).padStart(2, "0")).join("");
  function ink() {
    const text = by("ink").value, rgb = [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)), c = plan.input_shape[0];
    return c === 3 ? rgb : Array(c).fill(Picture.luma(rgb, 0));
  }

  function open(shared) {
    [plan, walk] = [shared.plan, shared];
    const ground = Array.from(Picture.ground(shared.first, plan.input_shape));
    by("ink").value = hex(ground.map((x) => (x > 127 ? 0 : 255)));
    const [, height, width] = plan.input_shape, area = by("paper");
    area.style.aspectRatio = `${width}/${height}`;
    by("thickness").max = Math.max(2, Math.round(Math.min(height, width) / 4));
    by("thickness").value = Math.max(2, Math.round(Math.min(height, width) / 14));
    for (const one of document.querySelectorAll("[data-tool]")) one.addEventListener("click", () => choose(one.dataset.tool));
    for (const one of document.querySelectorAll("[data-move]")) one.addEventListener("click", () => shift(...one.dataset.move.split(",").map(Number)));
    by("clear").addEventListener("click", () => walk.setPixels(Uint8ClampedArray.from({ length: walk.pixels.length }, (_, i) => ground[i % ground.length])));
    by("reset").addEventListener("click", () => walk.reset());
    by("file").addEventListener("change", (event) => { take(event.target.files[0]); event.target.value = ""; });
    area.addEventListener("pointerdown", begin);
    area.addEventListener("pointermove", more);
    for (const name of ["pointerup", "pointercancel"]) area.addEventListener(name, () => { drag = last = null; });
    area.addEventListener("keydown", keyed);
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); });
    document.addEventListener("paste", (event) => take([...(event.clipboardData?.files || [])][0]));
    choose("pen");
  }

  function choose(name) {
    tool = name;
    for (const one of document.querySelectorAll("[data-tool]")) one.setAttribute("aria-pressed", String(one.dataset.tool === name));
    by("paper").style.cursor = name === "look" ? "crosshair" : name === "move" ? "grab" : "cell";
  }

  const shift = (down, right) => walk.setPixels(Picture.moved(walk.pixels, plan.input_shape, down, right));

  async function take(file) {
    if (!file) return;
    try {
      walk.setPixels(await Picture.read(file, plan));
      said(`This is ${file.name || "the pasted picture"} now.`);
    } catch (error) {
      said(error.message);
    }
  }
  const said = (text) => { by("told").textContent = text; };

  function spot(event) {
    const side = by("paper").getBoundingClientRect(), [, height, width] = plan.input_shape;
    return [((event.clientY - side.top) / side.height) * height, ((event.clientX - side.left) / side.width) * width];
  }

  function begin(event) {
    if (event.button) return;
    by("paper").setPointerCapture(event.pointerId);
    if (event.pointerType !== "mouse") event.preventDefault();
    last = spot(event);
    if (tool === "move") drag = { from: last, pixels: walk.pixels.slice() };
    stroke(last, last);
  }

  function more(event) {
    if (!last) return;
    const to = spot(event);
    stroke(last, to);
    last = to;
  }

  function stroke(from, to) {
    if (tool === "look") return walk.look(Math.floor(to[0]), Math.floor(to[1]));
    if (tool === "move") return walk.setPixels(Picture.moved(drag.pixels, plan.input_shape, Math.round(to[0] - drag.from[0]), Math.round(to[1] - drag.from[1])));
    const pixels = walk.pixels.slice(), radius = Number(by("thickness").value) / 2;
    const colour = tool === "eraser" ? Array.from(Picture.ground(walk.first, plan.input_shape)) : ink();
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(0.5, radius / 2)));
    for (let i = 1; i <= steps; i++) Picture.dot(pixels, plan.input_shape, from[0] + (to[0] - from[0]) * i / steps, from[1] + (to[1] - from[1]) * i / steps, radius, colour);
    walk.setPixels(pixels);
  }

  // Without a mouse: arrows move the chosen pixel, Enter or the space bar paints it.
  function keyed(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    const [row, column] = walk.looked, here = [row + 0.5, column + 0.5];
    if (tool === "pen" || tool === "eraser") stroke(here, here);
  }

  function picture(box) {
    const [channels, height, width] = plan.input_shape;
    Draw.pixels(by("drawn"), walk.pixels, height, width, channels);
    by("sees").setAttribute("style", box ? Draw.box(box, height, width) : "display:none");
  }

  // The most probable classes, now and, as a mark, of the first picture.
  function answers(now, first) {
    const order = now.map((_, k) => k).sort((a, b) => now[b] - now[a]), shown = order.slice(0, 5);
    const was = first.indexOf(Math.max(...first));
    if (!shown.includes(was)) shown.push(was);
    Draw.fill(by("answers"), shown.map((k) => h("button.row", { type: "button", "data-key": `answer-${k}`, onclick: () => walk.go(plan.steps.length - 1, [k]), "aria-label": `${plan.classes[k]}: ${percent(now[k])}, first picture ${percent(first[k])}` },
      h("span.name", {}, plan.classes[k]), h("span.bar", { "aria-hidden": "true" }, h("i", { style: `width:${100 * now[k]}%` }), h("em", { style: `left:${100 * first[k]}%` })), h("span.n", { "data-value": now[k] }, percent(now[k])))));
    by("short").textContent = `${plan.classes[order[0]]} · ${percent(now[order[0]])}`;
  }

  function switched(off) {
    const all = Object.entries(off).flatMap(([step, channels]) => channels.map((k) => [Number(step), k]));
    Draw.fill(by("off"), all.length > 0 && h("div", {}, h("p", {}, `Switched off: ${all.map(([step, k]) => `${step + 1} · ${Told.channel(plan, step, k)}`).join(", ")}`),
      h("button.small", { type: "button", onclick: () => walk.allOn() }, "Switch all on again")));
  }

  return { open, picture, answers, switched, said };
})();
