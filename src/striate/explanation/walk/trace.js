// Where one number comes from: the patch, the kernel, the products, the sum, the bias; or what else it was made of.
"use strict";
const Trace = (() => {
  // Places in values of a shape: (channel, row, column) of a number's place, and back.
  function unravel(shape, place) {
    if (shape.length === 1) return [place];
    const [, h, w] = shape;
    return [Math.floor(place / (h * w)), Math.floor(place / w) % h, place % w];
  }
  const ravel = (shape, at) => (shape.length === 1 ? at[0] : (at[0] * shape[1] + at[1]) * shape[2] + at[2]);

  // The weights of one unit or filter and its bias; null where the page does not carry them.
  function unitWeights(step, unit, numbers) {
    const bias = Engine.tensor(step, numbers, "bias"), b = bias ? bias[unit] : 0;
    if (!Engine.isKept(step)) {
      const weight = Engine.tensor(step, numbers, "weight"), size = weight.length / step.shape[0];
      return { weight: weight.subarray(unit * size, (unit + 1) * size), bias: b };
    }
    const row = (step.units || []).indexOf(unit);
    if (row < 0) return null;
    const rows = Engine.tensor(step, numbers, "rows"), size = rows.length / step.units.length;
    return { weight: rows.subarray(row * size, (row + 1) * size), bias: b };
  }

  // The cells of a window over one channel: {row, column, value, inside}.
  function cut(step, x, channel, [row, column]) {
    const [, h, w] = step.in_shapes[0], [kh, sh, ph, dh] = step.rows, [kw, sw, pw, dw] = step.columns, cells = [];
    for (let i = 0; i < kh; i++) {
      for (let j = 0; j < kw; j++) {
        const r = row * sh - ph + i * dh, q = column * sw - pw + j * dw, inside = r >= 0 && r < h && q >= 0 && q < w;
        cells.push({ row: r, column: q, inside, value: inside ? x[(channel * h + r) * w + q] : 0 });
      }
    }
    return cells;
  }

  const total = (numbers) => numbers.reduce((a, b) => a + b, 0);

  function conv(step, [x], at, numbers) {
    const own = unitWeights(step, at[0], numbers);
    const channels = step.in_shapes[0][0] / step.groups, size = step.rows[0] * step.columns[0];
    const first = Math.floor(at[0] / (step.shape[0] / step.groups)) * channels, parts = [];
    for (let c = 0; c < channels; c++) {
      const cells = cut(step, x, first + c, [at[1], at[2]]);
      const kernel = own ? Array.from(own.weight.subarray(c * size, (c + 1) * size)) : null;
      const products = own ? cells.map((cell, i) => cell.value * kernel[i]) : null;
      parts.push({ channel: first + c, cells, kernel, products, sum: own ? total(products) : null });
    }
    if (!own) return { type: "unknown", parts };
    const sum = total(parts.map((part) => part.sum));
    return { type: "conv", parts, sum, bias: own.bias, value: sum + own.bias };
  }

  function fc(step, [x], at, numbers) {
    const own = unitWeights(step, at[0], numbers);
    if (!own) return { type: "unknown", parts: [] };
    const votes = Array.from(x, (value, i) => ({ place: i, value, weight: own.weight[i], product: value * own.weight[i] }));
    const sum = total(votes.map((vote) => vote.product));
    return { type: "fc", votes, sum, bias: own.bias, value: sum + own.bias };
  }

  function pool(step, [x], at) {
    const cells = cut(step, x, at[0], [at[1], at[2]]), seen = cells.filter((cell) => cell.inside);
    return picked(step.kind === "maxpool", cells, seen);
  }

  function overMap(step, [x], at) {
    const [, h, w] = step.in_shapes[0];
    const cells = Array.from({ length: h * w }, (_, i) => ({ row: Math.floor(i / w), column: i % w, inside: true, value: x[at[0] * h * w + i] }));
    return picked(step.kind === "globalmax", cells, cells);
  }

  function picked(largest, cells, seen) {
    const values = seen.map((cell) => cell.value);
    if (!largest) return { type: "mean", cells, count: seen.length, sum: total(values), value: total(values) / seen.length };
    const best = seen[values.indexOf(values.reduce((a, b) => Math.max(a, b)))];
    return { type: "max", cells, best, value: best.value };
  }

  function bn(step, [x], at, numbers) {
    const [gain, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((name) => Engine.tensor(step, numbers, name)[at[0]]);
    const input = x[ravel(step.shape, at)];
    return { type: "bn", input, gain, bias, mean, variance, eps: step.eps, value: (input - mean) / Math.sqrt(variance + step.eps) * gain + bias };
  }

  // The values of all channels at one position.
  function through(shape, x, at) {
    const size = x.length / shape[0], inside = shape.length === 1 ? 0 : at[1] * shape[2] + at[2];
    return Array.from({ length: shape[0] }, (_, k) => x[k * size + inside]);
  }

  function ln(step, [x], at, numbers) {
    const all = through(step.shape, x, at), mean = total(all) / all.length;
    const variance = total(all.map((value) => (value - mean) ** 2)) / all.length;
    const gain = Engine.tensor(step, numbers, "weight")[at[0]], bias = Engine.tensor(step, numbers, "bias")[at[0]], input = all[at[0]];
    return { type: "bn", input, gain, bias, mean, variance, eps: step.eps, value: (input - mean) / Math.sqrt(variance + step.eps) * gain + bias };
  }

  function lrn(step, [x], at) {
    const [first, last] = Engine.near(step, at[0]), all = through(step.shape, x, at), near = all.slice(first, last + 1);
    const squares = total(near.map((value) => value * value)), base = step.k + step.alpha * squares, input = all[at[0]];
    return { type: "lrn", input, near, first, squares, base, value: input / base ** step.beta };
  }

  function softmax(step, [x], at) {
    const all = through(step.shape, x, at), top = Math.max(...all), power = Math.exp(all[at[0]] - top);
    const sum = total(all.map((value) => Math.exp(value - top)));
    return { type: "softmax", input: all[at[0]], top, power, sum, value: power / sum };
  }

  function copied(step, inputs, at, numbers) {
    const shape = step.in_shapes[0], x = inputs[0];
    if (step.kind === "flatten") return { type: "copy", from: unravel(shape, at[0]), value: x[at[0]] };
    if (step.kind === "subsample") {
      if (at[0] >= shape[0]) return { type: "zero", value: 0 };
      const from = [at[0], at[1] * step.stride, at[2] * step.stride];
      return { type: "copy", from, value: x[ravel(shape, from)] };
    }
    const [column, mean, scale] = ["columns", "mean", "scale"].map((name) => Engine.tensor(step, numbers, name)[at[0]]);
    return { type: "select", from: unravel(shape, column), input: x[column], mean, scale, value: (x[column] - mean) / scale };
  }

  function join(step, inputs, at) {
    let channel = at[0], branch = 0;
    while (channel >= step.in_shapes[branch][0]) channel -= step.in_shapes[branch++][0];
    const from = [channel, ...at.slice(1)];
    return { type: "copy", branch, from, value: inputs[branch][ravel(step.in_shapes[branch], from)] };
  }

  function spread(step, [x], at, numbers) {
    const place = Engine.tensor(step, numbers, "present").indexOf(at[0]);
    return place < 0 ? { type: "absent", value: null } : { type: "copy", from: [place], value: x[place] };
  }

  function merged(step, [x, other], at) {
    const place = ravel(step.shape, at), gate = Math.floor(place / (x.length / other.length));
    const terms = [x[place], other[step.kind === "multiply" ? gate : place]];
    return { type: step.kind, terms, value: step.kind === "add" ? terms[0] + terms[1] : terms[0] * terms[1] };
  }

  const pointwise = (step, [x], at) => {
    const input = x[ravel(step.shape, at)];
    return { type: "function", input, value: Engine.functions[step.kind](step)(input) };
  };
  const layerscale = (step, [x], at, numbers) => {
    const terms = [x[ravel(step.shape, at)], Engine.tensor(step, numbers, "weight")[at[0]]];
    return { type: "multiply", terms, value: terms[0] * terms[1] };
  };

  const KINDS = {
    conv, fc, bn, ln, lrn, softmax, join, spread, layerscale, maxpool: pool, avgpool: pool, globalmax: overMap,
    globalavg: overMap, flatten: copied, subsample: copied, select: copied, add: merged, multiply: merged,
    ...Object.fromEntries(Object.keys(Engine.functions).map((kind) => [kind, pointwise])),
  };

  // What a number at (channel, row, column) or (unit) of a step is made of; inputs are the values that the step reads.
  const of = (step, inputs, at, numbers) => KINDS[step.kind](step, inputs, at, numbers);

  // Which pixels of the picture a number depends on, as [top, left, bottom, right], the last ones included.
  function sees(plan, index, at) {
    const [, height, width] = plan.input_shape, boxes = {}, whole = [0, 0, height - 1, width - 1];
    const unite = (a, b) => (a ? [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])] : b);
    boxes[index] = plan.steps[index].shape.length === 3 ? [at[1], at[2], at[1], at[2]] : [0, 0, 0, 0];
    for (let i = index; i >= 0; i--) {
      const step = plan.steps[i], box = boxes[i];
      if (!box) continue;
      step.inputs.forEach((source, n) => { boxes[source] = unite(boxes[source], before(step, box, step.in_shapes[n])); });
    }
    const box = boxes[-1] || whole;
    return [Math.max(0, box[0]), Math.max(0, box[1]), Math.min(height - 1, box[2]), Math.min(width - 1, box[3])];
  }

  function before(step, box, shape) {
    const all = shape.length === 3 ? [0, 0, shape[1] - 1, shape[2] - 1] : [0, 0, 0, 0];
    if (step.rows) {
      const [kh, sh, ph, dh] = step.rows, [kw, sw, pw, dw] = step.columns;
      const far = [box[0] * sh - ph, box[1] * sw - pw, box[2] * sh - ph + (kh - 1) * dh, box[3] * sw - pw + (kw - 1) * dw];
      return [Math.max(far[0], 0), Math.max(far[1], 0), Math.min(far[2], all[2]), Math.min(far[3], all[3])];
    }
    if (step.kind === "subsample") return box.map((side) => side * step.stride);
    return shape.length === 3 && step.shape.length === 3 && shape[1] === step.shape[1] && shape[2] === step.shape[2] && !step.kind.startsWith("global") ? box : all;
  }

  return { of, sees, ravel, unravel, unitWeights };
})();
