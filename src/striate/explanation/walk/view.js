// The page: where the reader is, what is shown there, the keys.
"use strict";
const walk = (() => {
  const { h, fmt, percent, count } = Draw;
  const by = (id) => document.getElementById(id);
  const plan = JSON.parse(by("walk-data").textContent);
  const LAST = plan.steps.length;
  const start = { index: -1, at: null, source: null, all: false, sorted: null, shown: Maps.AT_ONCE, off: {}, looked: null };
  const state = { ...start };
  const self = { plan, state, numbers: null, first: null, pixels: null, logits: null, firstLogits: null, comparison: null, ms: null };
  let only = [], cache = new Map(), drawing = 0, resting = [];

  // Values of a step as they are now; −1 is the net's input.
  async function values(index) {
    if (index < 0) return Engine.normalise(plan, self.pixels, self.numbers);
    if (!cache.has(index)) {
      const found = await Runner.values(index);
      if (!found) return null;
      cache.set(index, found);
    }
    return cache.get(index);
  }

  const unchanged = () => self.pixels.every((value, i) => value === self.first[i]) && !Object.values(state.off).some((one) => one.length);
  const ready = (async () => {
    self.numbers = await Engine.decode(by("walk-numbers").textContent);
    const [at, size] = plan.pixels;
    self.first = Uint8ClampedArray.from(self.numbers.subarray(at, at + size));
    self.pixels = self.first.slice();
    only = Engine.ofFirstPicture(plan);
    const [, height, width] = plan.input_shape;
    state.looked = [height >> 1, width >> 1];
    Panel.open(self);
    strip();
    Runner.start(plan, self.numbers, { ran, progress, failed });
    await new Promise((resolve) => { resting.push(resolve); compute(0, true); });
  })();
  ready.catch((error) => failed(error.message));

  function compute(from, compare = false) {
    by("busy").hidden = false;
    Runner.run({ pixels: self.pixels.slice(), off: state.off, from, compare });
  }
  const progress = (done, total) => { by("busy").textContent = `computing ${done} of ${total} layers`; };
  function failed(message) {
    by("check").textContent = message;
    by("check").className = "warning";
    by("busy").hidden = true;
    for (const resolve of resting.splice(0)) resolve();
  }

  async function ran(message) {
    cache = new Map();
    self.logits = message.logits;
    self.ms = message.ms;
    self.probabilities = Engine.probabilities(plan, self.logits);
    if (!self.firstLogits) [self.firstLogits, self.firstProbabilities] = [self.logits, self.probabilities];
    if (message.comparison) compared(message.comparison);
    by("busy").hidden = true;
    by("busy").textContent = "computing";
    Panel.answers(self.probabilities, self.firstProbabilities);
    await render().catch((error) => failed(String(error)));
    for (const resolve of resting.splice(0)) resolve();
  }

  // What the page found when it compared its own numbers with those of torch.
  function compared({ worst, count: many, where }) {
    self.comparison = { worst, count: many };
    const good = worst <= 1e-4;
    by("check").className = good ? "fine" : "warning";
    by("check").textContent = good
      ? `Checked as the page opened: ${count(many)} numbers of ${count(plan.checks.length)} layers, computed here, are torch’s; the largest difference is ${worst.toExponential(1)} of its layer’s largest value.`
      : `This browser computes otherwise than torch: layer ${where + 1} differs by ${worst.toExponential(1)} of its largest value. Do not trust the numbers here.`;
  }

  function strip() {
    const names = [-1, ...plan.steps.keys(), LAST];
    const kind = (index) => (plan.steps[index]?.absent ? ".absent" : only[index] ? ".kept" : "");
    Draw.fill(by("strip"), names.map((index) => h("button" + kind(index), {
      type: "button", "data-step": index, onclick: () => go(index), title: index >= 0 && index < LAST ? plan.steps[index].path : null,
    }, h("b", {}, index < 0 ? "picture" : index === LAST ? "softmax" : `${index + 1} · ${plan.steps[index].kind === "identity" ? "dropout" : plan.steps[index].layer.split("(")[0]}`),
      h("small", {}, Told.product(index < 0 ? plan.input_shape : index === LAST ? [plan.classes.length] : plan.steps[index].shape)))));
  }

  // Go to a step, and there to a number: (channel, row, column), (unit), or for the picture (channel, row, column).
  async function go(index, at = null) {
    const to = Math.min(LAST, Math.max(-1, index)), shape = shapeOf(to);
    if (to === -1 && at) state.looked = [at[1], at[2]];
    const here = state.index < 0 ? [0, ...state.looked] : state.at;
    const place = at && at.length === shape.length ? at : fitted(shape, at || here, at ? null : state.index);
    Object.assign(state, { index: to, at: place, source: null, all: false, sorted: null, shown: Maps.AT_ONCE });
    if (!at && to >= 0 && to < LAST) await notable(to);
    return render();
  }

  // Where nobody asked for a certain one: the strongest unit of a row, and of a kept layer one whose weights are here.
  async function notable(index) {
    const step = plan.steps[index], flat = step.shape.length === 1 || step.shape[1] * step.shape[2] === 1, units = step.units || [];
    if (step.absent || (!flat && (!units.length || units.includes(state.at[0]))) || Told.isClasses(plan, index)) return;
    const own = await values(index), size = step.shape.length === 1 ? 1 : step.shape[1] * step.shape[2];
    if (!own || state.index !== index) return;
    const strength = (k) => Draw.largest(own.subarray(k * size, (k + 1) * size));
    const choice = units.length ? units : Array.from({ length: step.shape[0] }, (_, k) => k);
    state.at = [choice.reduce((a, b) => (strength(b) > strength(a) ? b : a)), ...state.at.slice(1)];
  }
  const shapeOf = (index) => (index < 0 ? plan.input_shape : index === LAST ? [plan.classes.length] : plan.steps[index].shape);

  // The same part of the picture in another layer; the same channel where there is one.
  function fitted(shape, at, from) {
    const channel = at ? Math.min(at[0], shape[0] - 1) : 0;
    if (shape.length === 1) return [shape[0] === plan.classes.length ? best() : 0];
    const old = from === null ? null : shapeOf(from);
    if (!at || at.length < 3 || !old || old.length < 3) return [channel, shape[1] >> 1, shape[2] >> 1];
    return [channel, ...[1, 2].map((i) => Math.min(shape[i] - 1, Math.floor(((at[i] + 0.5) / old[i]) * shape[i])))];
  }
  const best = () => (self.logits ? self.logits.indexOf(Math.max(...self.logits)) : 0);

  function set(change) {
    Object.assign(state, change);
    return render();
  }

  async function render() {
    const turn = ++drawing;
    if (!self.logits) return;
    const content = await stage();
    if (turn !== drawing || !content) return;
    Draw.fill(by("stage"), content.elements);
    Panel.picture(content.box);
    Panel.switched(state.off);
    for (const one of by("strip").children) {
      const here = Number(one.dataset.step) === state.index;
      one.setAttribute("aria-current", here ? "step" : "false");
      if (here && self.shownIndex !== state.index) one.parentNode.scrollTo({ left: one.offsetLeft - one.parentNode.clientWidth / 2 + one.clientWidth / 2, behavior: self.shownIndex === undefined ? "auto" : "smooth" });
    }
    self.shownIndex = state.index;
    by("where").textContent = `${state.index < 0 ? "" : `${Math.min(state.index + 1, LAST + 1)} of ${LAST + 1} · `}${Told.title(plan, state.index)}`;
    by("previous").disabled = state.index < 0;
    by("next").disabled = state.index >= LAST;
  }

  async function stage() {
    if (state.index < 0) return { elements: Stages.picture(self, { go, set }), box: [...state.looked, ...state.looked] };
    if (state.index === LAST) return { elements: Stages.softmax(self, { go }), box: null };
    const index = state.index, step = plan.steps[index];
    if (step.absent) return { elements: Stages.absent(plan, index, { go }), box: step.shape.length === 3 ? Trace.sees(plan, index, state.at) : null };
    const lost = step.inputs.some((source) => plan.steps[source]?.absent);
    const own = await values(index), inputs = lost ? [] : await Promise.all(step.inputs.map(values));
    if (!own || inputs.includes(null)) return null;
    const at = state.at, stale = only[index] && !unchanged();
    const context = {
      plan, index, step, state, at, shown: own[Trace.ravel(step.shape, at)], scale: Draw.largest(own), scales: inputs.map(Draw.largest), go, set,
      next: await following(index, at), off: (state.off[index] || []).includes(at[0]), kept: only[index], stale, numbers: self.numbers,
    };
    const trace = lost ? { type: "lost" } : Trace.of(step, inputs, at, self.numbers);
    context.follow = () => by("stage").querySelector('[data-key="follow"]')?.click();
    return { elements: Stages.layer(context, own, trace, { toggle, only }), box: step.shape.length === 3 ? Trace.sees(plan, index, at) : null };
  }

  // What becomes of a number in the layers behind that change each by itself.
  async function following(index, at) {
    const found = [];
    let before = index;
    for (let i = index + 1; i < LAST && found.length < 4; i++) {
      const step = plan.steps[i];
      if (step.absent) break;
      const alone = step.inputs.length === 1 && step.inputs[0] === before;
      if (!alone || !(step.kind in Engine.functions || ["bn", "layerscale"].includes(step.kind))) break;
      const own = await values(i);
      if (!own) break;
      found.push({ index: i, name: step.layer.split("(")[0], value: own[Trace.ravel(step.shape, at)] });
      before = i;
    }
    return found;
  }

  function setPixels(pixels) {
    self.pixels = pixels;
    const [c, height, width] = plan.input_shape;
    Draw.pixels(by("drawn"), pixels, height, width, c);
    compute(0);
  }

  function toggle(index, channel) {
    const own = state.off[index] || [];
    state.off = { ...state.off, [index]: own.includes(channel) ? own.filter((k) => k !== channel) : [...own, channel].sort((a, b) => a - b) };
    compute(index);
  }

  function allOn() {
    state.off = {};
    compute(0);
  }

  function reset() {
    state.off = {};
    Panel.said("");
    setPixels(self.first.slice());
  }

  // Resolves once nothing is being computed; for programs that drive the page.
  function idle() {
    return Runner.isBusy() ? new Promise((resolve) => resting.push(resolve)).then(idle) : Promise.resolve();
  }

  const look = (row, column) => {
    const [, height, width] = plan.input_shape;
    state.looked = [Math.min(height - 1, Math.max(0, row)), Math.min(width - 1, Math.max(0, column))];
    if (state.index !== -1) return go(-1, [0, ...state.looked]);
    return render();
  };

  const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
    const step = ARROWS[event.key], kind = target.dataset?.arrows;
    if (step && kind) {
      event.preventDefault();
      if (kind === "picture") return look(state.looked[0] + step[0], state.looked[1] + step[1]);
      const [, height, width] = shapeOf(state.index);
      return set({ at: [state.at[0], Math.min(height - 1, Math.max(0, state.at[1] + step[0])), Math.min(width - 1, Math.max(0, state.at[2] + step[1]))] });
    }
    const by_keys = { ArrowLeft: -1, ArrowRight: 1, p: -1, n: 1 }[event.key];
    if (by_keys) {
      event.preventDefault();
      return go(state.index + by_keys);
    }
    const other = { "[": -1, "]": 1 }[event.key];
    if (other && state.index >= 0 && state.index < LAST) set({ at: [Math.min(shapeOf(state.index)[0] - 1, Math.max(0, state.at[0] + other)), ...state.at.slice(1)], source: null });
  });
  by("previous").addEventListener("click", () => go(state.index - 1));
  by("next").addEventListener("click", () => go(state.index + 1));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => render());

  return Object.assign(self, { ready, values, go, set, look, setPixels, toggle, allOn, reset, idle, get looked() { return state.looked; }, isKept: (index) => only[index] });
})();
