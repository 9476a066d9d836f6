// All maps of a layer as buttons, or all of its units as bars.
"use strict";
const Maps = (() => {
  const { h, fmt, count } = Draw;
  const AT_ONCE = 48;

  // How many maps or units are shown; more on demand, and always the chosen one.
  function list(context, values) {
    const { step, state } = context, [channels, height = 1, width = 1] = step.shape, size = height * width;
    const order = Array.from({ length: channels }, (_, k) => k);
    const strength = (k) => { let most = 0; for (let i = k * size; i < (k + 1) * size; i++) most = Math.max(most, Math.abs(values[i])); return most; };
    if (isSorted(context)) {
      const strengths = order.map(Told.isClasses(context.plan, context.index) ? (k) => values[k] : strength);
      order.sort((a, b) => strengths[b] - strengths[a]);
    }
    const shown = order.slice(0, state.shown);
    if (!shown.includes(state.at[0])) shown.push(state.at[0]);
    return shown;
  }

  // Long rows of units begin with the strongest, unless the reader wants them in order.
  const isSorted = ({ step, state }) => state.sorted ?? (step.shape[0] > AT_ONCE && (step.shape.length === 1 || step.shape[1] * step.shape[2] === 1));

  function maps(context, values) {
    const { plan, index, step, state } = context, [, height, width] = step.shape, size = height * width;
    const off = state.off[index] || [], units = step.units || null;
    return h("div.maps", {}, list(context, values).map((k) => {
      const own = values.subarray(k * size, (k + 1) * size), canvas = h("canvas.pixels");
      Draw.map(canvas, own, height, width, context.scale);
      let low = Infinity, high = -Infinity;
      for (const value of own) [low, high] = [Math.min(low, value), Math.max(high, value)];
      return h("button.map" + (off.includes(k) ? ".off" : ""), {
        type: "button", "data-key": `map-${k}`, "aria-pressed": String(k === state.at[0]), onclick: () => context.set({ at: [k, state.at[1], state.at[2]], source: null }),
        "aria-label": `${Told.channel(plan, index, k)} of ${step.shape[0]}, from ${fmt(low, 2)} to ${fmt(high, 2)}${off.includes(k) ? ", switched off" : ""}`,
      }, canvas, h("span", {}, String(k), units?.includes(k) ? h("i", { title: "its kernel is in this page" }, " ●") : null));
    }));
  }

  function units(context, values) {
    const { plan, index, step, state } = context, scale = context.scale || 1, off = state.off[index] || [];
    return h("div.units", {}, list(context, values).map((k) => h("button.row" + (off.includes(k) ? ".off" : ""), {
      type: "button", "data-key": `map-${k}`, "aria-pressed": String(k === state.at[0]), onclick: () => context.set({ at: step.shape.length === 3 ? [k, 0, 0] : [k], source: null }),
      "aria-label": `${Told.channel(plan, index, k)}: ${fmt(values[k])}`,
    }, h("span.name", {}, Told.channel(plan, index, k), step.units?.includes(k) ? h("i", { title: "its weights are in this page" }, " ●") : null), Draw.bar(values[k] / scale), h("span.n", { "data-value": values[k] }, fmt(values[k])))));
  }

  // The maps or units of a layer with what belongs to them.
  function all(context, values) {
    const { step, state } = context, channels = step.shape[0], flat = step.shape.length === 1 || step.shape[1] * step.shape[2] === 1;
    const what = flat ? "units" : "maps", most = Math.min(state.shown, channels);
    return [
      h("div.tools", {},
        h("h3", {}, most < channels ? `${count(most)} of ${count(channels)} ${what}` : `${count(channels)} ${channels === 1 ? what.slice(0, -1) : what}`),
        channels > 2 && h("button.small", { type: "button", "data-key": "sorted", "aria-pressed": String(isSorted(context)), onclick: () => context.set({ sorted: !isSorted(context) }) }, "Strongest first")),
      (flat ? units : maps)(context, values),
      most < channels && h("button.small", { type: "button", "data-key": "more", onclick: () => context.set({ shown: state.shown + AT_ONCE }) }, `Show ${Math.min(AT_ONCE, channels - most)} more`),
      h("p.legend", {}, h("i.swatch.minus"), fmt(-context.scale, 3), h("i.swatch.zero"), "0", h("i.swatch.plus"), fmt(context.scale, 3)),
    ];
  }

  // The chosen map, large, with the chosen number marked; arrows and clicks choose another.
  function large(context, values) {
    const { plan, index, step, state, at } = context, [, height, width] = step.shape, size = height * width;
    const canvas = h("canvas.pixels", { "aria-hidden": "true" });
    Draw.map(canvas, values.subarray(at[0] * size, (at[0] + 1) * size), height, width, context.scale);
    const box = h("div.mapbox", {
      tabindex: 0, role: "application", "data-key": "large", "data-arrows": "element", style: `aspect-ratio:${width}/${height}`,
      "aria-label": `${Told.place(plan, index, at)}: ${fmt(context.shown)}. Arrow keys choose another number, Enter goes to where it comes from.`,
      onpointerdown: (event) => pick(event), onpointermove: (event) => { if (event.buttons) pick(event); },
      onkeydown: (event) => { if (event.key === "Enter") { event.preventDefault(); context.follow(); } },
    }, canvas, h("div.spot", { style: Draw.box([at[1], at[2], at[1], at[2]], height, width) }));
    const pick = (event) => {
      const side = box.getBoundingClientRect();
      const inside = (share, n) => Math.min(n - 1, Math.max(0, Math.floor(share * n)));
      const to = [at[0], inside((event.clientY - side.top) / side.height, height), inside((event.clientX - side.left) / side.width, width)];
      if (to.join() !== state.at.join()) context.set({ at: to });
    };
    return box;
  }

  // Number fields for a place: the same as a click, for those who would rather type.
  function fields(context) {
    const { step, at } = context, names = step.shape.length === 1 ? ["unit"] : ["map", "row", "column"];
    return h("div.fields", {}, names.map((name, i) => h("label", {}, name + " ", h("input", {
      type: "number", min: 0, max: step.shape[i] - 1, value: at[i], "data-key": `field-${name}`, inputmode: "numeric",
      onchange: (event) => {
        const to = [...at], wanted = Math.round(Number(event.target.value));
        to[i] = Math.min(step.shape[i] - 1, Math.max(0, Number.isFinite(wanted) ? wanted : 0));
        context.set({ at: to });
      },
    }))));
  }

  return { all, large, fields, AT_ONCE };
})();
