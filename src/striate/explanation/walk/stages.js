// What is shown at each stop: the picture as numbers, a layer, the softmax.
"use strict";
const Stages = (() => {
  const { h, fmt, percent, count } = Draw;
  const AROUND = 4, MOST_WRITTEN = 64, MOST_CLASSES = 12;

  // The picture as numbers by channel, and how it becomes the net's input.
  function picture(self, { go }) {
    const { plan, state, pixels } = self, [c, height, width] = plan.input_shape, [row, column] = state.looked;
    const input = Engine.normalise(plan, pixels, self.numbers), top = Math.min(Math.max(0, row - AROUND), Math.max(0, height - 2 * AROUND - 1));
    const left = Math.min(Math.max(0, column - AROUND), Math.max(0, width - 2 * AROUND - 1));
    const down = Math.min(2 * AROUND + 1, height), across = Math.min(2 * AROUND + 1, width);
    const average = Engine.tensor(plan.preprocessing, self.numbers, "mean"), std = Engine.tensor(plan.preprocessing, self.numbers, "std");
    const mean = (k) => (average.length === c ? average[k] : average[(k * height + row) * width + column]);
    const shown = Array.from({ length: Math.min(c, 6) }, (_, k) => k);
    const table = (k) => h("figure.grid-box", {}, h("figcaption", {}, `${Told.channel(plan, -1, k)}, rows ${top} to ${top + down - 1}, columns ${left} to ${left + across - 1}`),
      h("table.numbers.pixelsheet", {}, h("tbody", {}, Array.from({ length: down }, (_, i) => h("tr", {}, Array.from({ length: across }, (_, j) => {
        const value = pixels[((top + i) * width + left + j) * c + k], rgb = c === 3 ? [0, 1, 2].map((n) => (n === k ? value : 0)) : [value, value, value];
        return h("td" + (top + i === row && left + j === column ? ".mark" : ""), { style: `background:rgb(${rgb});color:${Draw.inkOn(rgb)}`, "data-value": value, onclick: () => self.look(top + i, left + j) }, String(value));
      }))))));
    return [
      h("h2", {}, "The picture is numbers"),
      h("p", {}, `The net sees ${height} × ${width} pixels in ${c === 1 ? "one channel" : `${c} channels`}: ${count(c * height * width)} numbers from 0 to 255. Choose a pixel with Look, or with the arrow keys in the picture.`),
      h("div.grids", {}, shown.map(table)),
      h("h3", {}, `What becomes of row ${row}, column ${column}`),
      shown.map((k) => Sums.line(`${Told.channel(plan, -1, k)}: (`, [pixels[(row * width + column) * c + k], "pixel", 0], " − ", [mean(k), average.length === c ? "mean of the channel" : "mean image"], ") / ", [std[k], "std"], " = ", [input[(k * height + row) * width + column], "what the net gets"])),
      h("h3", {}, "How a picture comes to this"), prepared(plan),
      width <= MOST_WRITTEN && h("details", {}, h("summary", {}, "All numbers of the picture"), shown.map((k) => h("figure", {}, h("figcaption", {}, Told.channel(plan, -1, k)), h("pre.all", { tabindex: 0 }, written(pixels, plan.input_shape, k))))),
      h("p", {}, h("button.small", { type: "button", "data-key": "follow", onclick: () => go(0) }, `On to layer 1, ${Told.title(plan, 0)}`)),
    ];
  }

  const written = (pixels, [c, height, width], k) => Array.from({ length: height }, (_, i) => Array.from({ length: width }, (_, j) => String(pixels[(i * width + j) * c + k]).padStart(3)).join(" ")).join("\n");

  function prepared(plan) {
    const [c, height, width] = plan.input_shape, { fit, resize } = plan.preprocessing;
    const how = {
      crop: resize ? `its shorter side is brought to ${resize} pixels, and ${height} × ${width} are cut from the middle` : `the middle is cut out in the proportions ${height} : ${width} and brought to ${height} × ${width} pixels`,
      pad: `it is brought into ${height} × ${width} pixels as a whole, with black bars beside it`, stretch: `it is stretched to ${height} × ${width} pixels`,
    }[fit];
    return h("ol", {}, h("li", {}, `Read, turned upright, transparency laid over white; ${how} (each new pixel is a weighted mean of the old ones under it).`),
      h("li", {}, c === 1 ? "Made gray: 0.299 red + 0.587 green + 0.114 blue." : "Its channels are kept apart."), h("li", {}, "From every pixel the mean of the training images is subtracted, and the rest is divided by their spread."));
  }

  // A layer: what it does, all of its maps, one of them large, and how the chosen number comes about.
  function layer(context, own, trace, { toggle, only }) {
    const { plan, index, step, at } = context, flat = step.shape.length === 1 || step.shape[1] * step.shape[2] === 1;
    const off = context.off, name = Told.channel(plan, index, at[0]), reads = step.inputs.filter((source) => source !== index - 1);
    return [
      h("h2", {}, Told.title(plan, index)),
      h("p", {}, Told.about(step)),
      h("p.faint.facts", {}, [`gives ${Told.product(step.shape)}`, step.formula, step.weights ? `${count(step.weights)} weights` : null, step.note, `path ${step.path}`].filter(Boolean).join(" · ")),
      reads.length > 0 && h("p.faint", {}, "It reads ", step.inputs.map((source, n) => [n ? " and " : "", h("button.link", { type: "button", "data-key": `reads-${n}`, onclick: () => context.go(source) }, source < 0 ? "the picture" : `${source + 1} · ${Told.title(plan, source)}`)]).flat(), "."),
      kept(context),
      h("div.layer", {},
        h("section", { "aria-label": "All maps" }, Maps.all(context, own)),
        h("section.element", { "aria-label": "One number" },
          h("h3", {}, Told.place(plan, index, at)),
          !flat && Maps.large(context, own), Maps.fields(context),
          h("div.sum", { id: "sum" }, Sums.explain(trace, context)),
          h("p", {}, h("button.small", { type: "button", "data-key": "switch", "aria-pressed": String(off), disabled: only[index], onclick: () => toggle(index, at[0]) }, off ? `Switch ${name} on` : `Switch ${name} off`), only[index] ? h("small.faint", {}, " The layers behind are not computed by this page.") : null))),
    ];
  }

  // A layer of which the page has nothing but its shape.
  function absent(plan, index, { go }) {
    const step = plan.steps[index], next = plan.steps.findIndex((one, i) => i > index && !one.absent);
    return [
      h("h2", {}, Told.title(plan, index)), h("p", {}, Told.about(step)),
      h("p.faint.facts", {}, [`gives ${Told.product(step.shape)}`, step.formula, step.weights ? `${count(step.weights)} weights` : null, step.note, `path ${step.path}`].filter(Boolean).join(" · ")),
      h("p.warning", { "data-kept": "absent" }, "The numbers of this layer are not in the page: the net is too large, and the page shows its first and its last layers."),
      h("p", {}, h("button.small", { type: "button", "data-key": "follow", onclick: () => go(next) }, `On to the next that is here: ${next + 1} · ${Told.title(plan, next)}`)),
    ];
  }

  function kept({ step, kept: of_first, stale }) {
    if (!of_first) return null;
    const own = Engine.isKept(step) && !step.units.length ? "This layer follows layers that are too large for a page, so the page keeps torch’s numbers for the first picture." : Engine.isKept(step) ? `This layer has ${count(step.weights)} weights, too many to be carried in a page, so the page keeps torch’s numbers for the first picture.` : "This layer follows one whose weights are too many for a page, so its numbers are those of the first picture.";
    return h("p" + (stale ? ".warning" : ".faint"), { "data-kept": stale ? "stale" : "kept" }, own + (stale ? " You have changed the picture: these numbers do not follow it." : ""));
  }

  // The last step: logits become shares.
  function softmax(self, { go }) {
    const { plan, logits, probabilities } = self, t = plan.temperature, last = plan.steps.length - 1;
    const order = logits.map((_, k) => k).sort((a, b) => logits[b] - logits[a]), top = Math.max(...logits.map((z) => z / t));
    const powers = logits.map((z) => Math.exp(z / t - top)), sum = powers.reduce((a, b) => a + b, 0), shown = order.slice(0, MOST_CLASSES), others = order.slice(MOST_CLASSES);
    const row = (k) => h("tr", {}, h("th", { scope: "row" }, h("button.link", { type: "button", "data-key": `class-${k}`, onclick: () => go(last, [k]) }, plan.classes[k])),
      h("td.n", { "data-value": probabilities[k], "data-class": k }, percent(probabilities[k])), h("td.wide", {}, Draw.bar(probabilities[k])),
      [logits[k], logits[k] / t, powers[k]].map((value) => h("td.n", { "data-value": value }, fmt(value))));
    return [
      h("h2", {}, "Softmax: sums become probabilities"),
      h("p", {}, "The last layer gives each class a sum, its logit. exp makes it positive, and each is divided by the sum of all: together they are 1. ", t === 1 ? "" : `Before that the logits are divided by ${fmt(t)}, the temperature that the validation images called for, so that of all answers given with 80 %, say, about 80 % are right.`),
      Sums.line("probability = ", [powers[order[0]], "exp(z / T − largest)"], " / ", [sum, "sum of all exp"], " = ", [probabilities[order[0]], plan.classes[order[0]]]),
      h("div.scroll", {}, h("table", {}, h("thead", {}, h("tr", {}, ["class", "probability", "", "logit z", "z / T", "exp(z / T − largest)"].map((name, i) => h("th" + (i ? ".n" : ""), { scope: "col" }, name)))), h("tbody", {}, shown.map(row)))),
      others.length > 0 && h("p.faint", {}, `The other ${count(others.length)} classes have ${percent(others.reduce((all, k) => all + probabilities[k], 0))} together.`),
      self.isKept(last) && h("p.faint", { "data-kept": "kept" }, "The logits are torch’s numbers for the first picture: the layers before have too many weights to be carried in a page, so they do not follow a changed picture."),
    ];
  }

  return { picture, layer, absent, softmax };
})();
