// How one number comes about, drawn from its trace: patch × kernel = products, votes, windows, functions.
"use strict";
const Sums = (() => {
  const { h, fmt, signed, count } = Draw;
  const SHOWN = 8, VOTES = 10, GRID = 170;

  // A line of arithmetic; parts are numbers with what they are.
  function line(...parts) {
    return h("p.formula", {}, parts.map((part) => (typeof part === "string" ? part : h("span.term", {}, h("b", { "data-term": part[1], "data-value": part[0] }, fmt(part[0], part[2])), h("small", {}, part[1])))));
  }

  const plus = (bias) => [bias < 0 ? " − " : " + ", [Math.abs(bias), "bias"]];

  const same = (context, t) => (context.off ? h("p.warning", {}, "This channel is switched off, so 0 is passed on instead.") : context.kept ? difference(context, t) : null);

  function difference({ shown }, t) {
    const far = t.value != null && Math.abs(t.value - shown) > 1e-3 * Math.max(1, Math.abs(shown));
    return far ? h("p.warning", {}, `The map shows ${fmt(shown)}, torch's number for the first picture: the page cannot compute this layer for another one, as its weights are too many. The sum here is of what this unit gets now.`) : null;
  }

  // Rows that can be chosen: a name, a bar, a number.
  function rows(entries, most, key, choose, chosen) {
    const scale = Math.max(...entries.map((entry) => Math.abs(entry.value)), 1e-30);
    return h("div.rows", { role: "group" }, entries.slice(0, most).map((entry) => h("button.row", {
      type: "button", "data-key": `${key}-${entry.id}`, "aria-pressed": chosen === undefined ? null : String(entry.id === chosen), onclick: () => choose(entry),
      "aria-label": `${entry.name}: ${fmt(entry.value)}${entry.detail ? `, ${entry.detail}` : ""}`,
    }, h("span.name", {}, entry.name, entry.detail ? h("small", {}, entry.detail) : null), Draw.bar(entry.value / scale), h("span.n", { "data-value": entry.value }, fmt(entry.value)))));
  }

  const rest = (entries, most, what) => (entries.length > most ? h("p.faint", {}, `The other ${count(entries.length - most)} ${what} add ${fmt(entries.slice(most).reduce((sum, entry) => sum + entry.value, 0))} together.`) : null);

  function conv(t, context) {
    const { plan, step, state } = context, source = step.inputs[0];
    const entries = t.parts.map((part) => ({ id: part.channel, value: part.sum, name: Told.channel(plan, source, part.channel), part })).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const chosen = entries.find((entry) => entry.id === state.source) || entries[0], { part } = chosen, width = step.columns[0];
    const most = state.all ? entries.length : Math.max(SHOWN, entries.findIndex((entry) => entry === chosen) + 1);
    const cells = part.cells.map((cell) => ({ value: cell.value, dim: !cell.inside, text: cell.inside ? undefined : "0", title: cell.inside ? `row ${cell.row}, column ${cell.column}: ${cell.value}` : "padding, outside the picture" }));
    return [
      line([t.value, "this number"], " = ", [t.sum, `sum of ${count(t.parts.length * part.cells.length)} products`], ...plus(t.bias)),
      same(context, t), then(context),
      entries.length > 1 && h("h4", {}, "What each input channel adds"),
      entries.length > 1 && rows(entries, most, "channel", (entry) => context.set({ source: entry.id }), chosen.id),
      rest(entries, most, "channels"),
      entries.length > SHOWN && h("button.small", { type: "button", "data-key": "all", onclick: () => context.set({ all: !state.all }) }, state.all ? "Show the strongest only" : `Show all ${count(entries.length)}`),
      h("h4", {}, `Patch × kernel, ${chosen.name}`),
      h("div.grids", {},
        Draw.grid("patch", cells, width, context.scales[0]), h("span.sign", { "aria-hidden": "true" }, "×"),
        Draw.grid("kernel", part.kernel.map((value) => ({ value })), width, Draw.largest(part.kernel)), h("span.sign", { "aria-hidden": "true" }, "="),
        Draw.grid("products", part.products.map((value) => ({ value })), width, Draw.largest(part.products))),
      line("The products of this channel add up to ", [part.sum, "sum of this channel"]),
      part.cells.some((cell) => !cell.inside) && h("p.faint", {}, "Pale cells lie outside, in the padding, and count as 0."),
      h("button.small", { type: "button", "data-key": "follow", onclick: () => context.go(source, [part.channel, ...middle(step, context.at)]) }, `Follow ${chosen.name} to where it comes from`),
    ];
  }

  // The middle of the window, inside the picture.
  function middle(step, at) {
    const [, height, width] = step.in_shapes[0], inside = (x, n) => Math.min(n - 1, Math.max(0, x));
    const [kh, sh, ph, dh] = step.rows, [kw, sw, pw, dw] = step.columns;
    return [inside(at[1] * sh - ph + ((kh - 1) >> 1) * dh, height), inside(at[2] * sw - pw + ((kw - 1) >> 1) * dw, width)];
  }

  function fc(t, context) {
    const { plan, step } = context, source = step.inputs[0], shape = step.in_shapes[0];
    const named = t.votes.map((vote) => ({ ...vote, id: vote.place, at: Trace.unravel(shape, vote.place) }));
    const entry = (vote) => ({ id: vote.id, at: vote.at, value: vote.product, name: Told.place(plan, source, vote.at), detail: `${fmt(vote.value)} × ${fmt(vote.weight)}` });
    const sides = [["Votes for it", named.filter((vote) => vote.product > 0).sort((a, b) => b.product - a.product)], ["Votes against it", named.filter((vote) => vote.product < 0).sort((a, b) => a.product - b.product)]];
    const follow = (vote) => context.go(source, vote.at);
    return [
      line([t.value, "this number"], " = ", [t.sum, `sum of ${count(t.votes.length)} votes`], ...plus(t.bias)),
      same(context, t), then(context),
      h("div.sides", {}, sides.map(([title, votes]) => h("div", {}, h("h4", {}, `${title}: ${count(votes.length)}`), votes.length ? rows(votes.map(entry), VOTES, title, follow) : h("p.faint", {}, "None."), rest(votes.map(entry), VOTES, "votes")))),
      shape.length === 3 && shape[1] * shape[2] > 1 && template(t, shape),
      h("p.faint", {}, "A vote is input × weight. Choose one to go to its input."),
    ];
  }

  // Votes of a unit that looks at maps or pixels, as a picture: where they come from.
  function template(t, [c, height, width]) {
    const sum = (of) => Float32Array.from({ length: height * width }, (_, i) => { let all = 0; for (let k = 0; k < c; k++) all += of(t.votes[k * height * width + i]); return all; });
    const shown = [["Where its votes come from", sum((vote) => vote.product)], ["Its weights", sum((vote) => vote.weight)]];
    return h("div.grids", {}, shown.map(([title, values]) => {
      const canvas = h("canvas.pixels.template", { role: "img", "aria-label": `${title}: orange for it, blue against it` });
      Draw.map(canvas, values, height, width, Draw.largest(values));
      return h("figure", {}, h("figcaption", {}, c > 1 ? `${title}, over the channels` : title), canvas);
    }));
  }

  // A window of a pool; large ones are drawn, not written.
  function cells(t, context, title, mark) {
    const { step } = context, width = step.columns ? step.columns[0] : step.in_shapes[0][2];
    if (t.cells.length <= GRID) {
      return Draw.grid(title, t.cells.map((cell) => ({ value: cell.value, dim: !cell.inside, text: cell.inside ? undefined : "", mark: cell === mark })), width, context.scales[0]);
    }
    const canvas = h("canvas.pixels.template", { role: "img", "aria-label": title });
    Draw.map(canvas, t.cells.map((cell) => cell.value), t.cells.length / width, width, context.scales[0]);
    return h("figure", {}, h("figcaption", {}, title), canvas);
  }

  function max(t, context) {
    return [
      line([t.value, "this number"], ` = the largest of ${count(t.cells.filter((cell) => cell.inside).length)}, at row ${t.best.row}, column ${t.best.column}`), same(context, t), then(context),
      h("div.grids", {}, cells(t, context, "window", t.best)),
      h("button.small", { type: "button", "data-key": "follow", onclick: () => context.go(context.step.inputs[0], [context.at[0], t.best.row, t.best.column]) }, "Go to the largest"),
    ];
  }

  const mean = (t, context) => [line([t.value, "this number"], " = ", [t.sum, "sum"], ` / ${count(t.count)}`), same(context, t), then(context), h("div.grids", {}, cells(t, context, "window"))];

  const norm = (t, context) => [
    line([t.value, "this number"], " = (", [t.input, "x"], " − ", [t.mean, "mean"], ") / √(", [t.variance, "variance"], ` + ${t.eps}) × `, [t.gain, "gain"], ...plus(t.bias)),
    same(context, t), then(context), back(context),
  ];

  const lrn = (t, context) => [
    line([t.value, "this number"], " = ", [t.input, "x"], ` / (${context.step.k} + ${context.step.alpha} × `, [t.squares, `sum of ${t.near.length} squares`], `)^${context.step.beta}`), same(context, t), then(context), back(context),
    h("p.faint", {}, `The neighbours are channels ${t.first} to ${t.first + t.near.length - 1} at the same place.`),
  ];

  const softmax = (t, context) => [line([t.value, "this number"], " = ", [t.power, "exp(x − largest)"], " / ", [t.sum, "sum of all exp"]), same(context, t), then(context), back(context)];

  const NAMES = { relu: "max(x, 0)", relu6: "min(max(x, 0), 6)", leakyrelu: "x or slope · x", tanh: "tanh x", sigmoid: "1 / (1 + e⁻ˣ)", gelu: "x · Φ(x)", silu: "x · sigmoid(x)", step: "x > 0", identity: "x" };

  function applied(t, context) {
    const { step } = context, name = step.kind === "scale" ? `x × ${step.factor}` : NAMES[step.kind];
    return [line([t.value, "this number"], ` = ${name} of `, [t.input, "x"]), same(context, t), then(context), curve(step, t), back(context)];
  }

  // The function as a curve, with the number on it.
  function curve(step, t) {
    const reach = Math.max(3, 1.15 * Math.abs(t.input)), f = Engine.functions[step.kind](step), points = [];
    for (let i = 0; i <= 96; i++) points.push([-reach + (i / 48) * reach, f(-reach + (i / 48) * reach)]);
    const high = Math.max(...points.map(([, y]) => y), 0.1), low = Math.min(...points.map(([, y]) => y), -0.1 * high);
    const x = (value) => (150 + 140 * value / reach).toFixed(1), y = (value) => (110 - 100 * (value - low) / (high - low)).toFixed(1);
    const svg = (tag, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      return made;
    };
    const picture = svg("svg", { viewBox: "0 0 300 120", class: "curve", role: "img", "aria-label": `The function ${step.kind}; at ${fmt(t.input)} it gives ${fmt(t.value)}` });
    picture.append(svg("line", { x1: 10, x2: 290, y1: y(0), y2: y(0), class: "grid" }), svg("line", { x1: 150, x2: 150, y1: 10, y2: 110, class: "grid" }),
      svg("polyline", { points: points.map(([a, b]) => `${x(a)},${y(b)}`).join(" "), class: "line first" }), svg("circle", { cx: x(t.input), cy: y(t.value), r: 4.5, class: "dot" }));
    return picture;
  }

  const terms = (t, context) => {
    const names = { add: ["body", "shortcut"], multiply: context.step.kind === "layerscale" ? ["x", "factor"] : ["x", "gate"] }[t.type];
    return [line([t.value, "this number"], " = ", [t.terms[0], names[0]], t.type === "add" ? " + " : " × ", [t.terms[1], names[1]]), same(context, t), then(context),
      h("p", {}, context.step.inputs.map((source, n) => h("button.small", { type: "button", "data-key": `term-${n}`, onclick: () => context.go(source, context.at.map((x, i) => Math.min(x, context.step.in_shapes[n][i] - 1))) }, `Go to ${names[n]}: ${source < 0 ? "" : `${source + 1} · `}${Told.title(context.plan, source)}`)))];
  };

  const copy = (t, context) => [line([t.value, "this number"], " is taken as it is"), same(context, t), then(context),
    h("button.small", { type: "button", "data-key": "follow", onclick: () => context.go(context.step.inputs[t.branch || 0], t.from) }, `Go to where it comes from: ${Told.place(context.plan, context.step.inputs[t.branch || 0], t.from)}`)];

  const select = (t, context) => [line([t.value, "this number"], " = (", [t.input, "feature"], " − ", [t.mean, "mean"], ") / ", [t.scale, "scale"]), same(context, t), then(context),
    h("button.small", { type: "button", "data-key": "follow", onclick: () => context.go(context.step.inputs[0], t.from) }, `Go to ${Told.place(context.plan, context.step.inputs[0], t.from)}`)];

  // The same number in the layers before, and what becomes of it in those behind.
  const back = (context) => h("button.small", { type: "button", "data-key": "follow", onclick: () => context.go(context.step.inputs[0], context.at) }, "Go to x, in the layer before");
  const then = ({ next, go, at }) => next.length > 0 && h("p.then", {}, "Then: ", next.map((one) => [" → ", h("button.link", { type: "button", "data-key": `then-${one.index}`, onclick: () => go(one.index, at) }, one.name), " ", h("b", { "data-value": one.value }, fmt(one.value))]).flat());

  const unknown = (t, context) => [
    line([context.shown, "this number"]), then(context),
    h("p.warning", {}, `This layer has ${count(context.step.weights)} weights, too many for a page. Those of ${context.step.units.length} ${context.step.shape.length === 3 ? "channels" : "units"} with much to say are here; choose one of them to see its sum:`),
    h("p", {}, context.step.units.map((unit) => h("button.small", { type: "button", "data-key": `unit-${unit}`, onclick: () => context.go(context.index, [unit, ...context.at.slice(1)]) }, Told.channel(context.plan, context.index, unit)))),
  ];
  const lost = (t, context) => [line([context.shown, "this number"]), then(context), h("p.faint", {}, "What it comes from is not in the page, as the layers before are too large.")];
  const TYPES = {
    lost,
    conv, fc, max, mean, bn: norm, lrn, softmax, function: applied, add: terms, multiply: terms, copy, select, unknown,
    zero: (t, context) => [line([0, "this number"], " was added, to have more channels"), then(context)],
    absent: (t, context) => [line([context.shown, "this number"], " is what a class without training images gets"), then(context)],
  };

  // The elements that say how a number comes about; context has plan, index, step, at, shown, scales, next, go and set.
  const explain = (trace, context) => TYPES[trace.type](trace, context);
  return { explain, line, rows };
})();
