// The arithmetic of every layer, for one image: typed arrays in, typed arrays out, channels first. No page, no DOM:
// the same text runs in the page, in its worker and in the tests. Sums are kept in double precision.
"use strict";
const Engine = (() => {
  // How many numbers of patches are laid out at once: what the processor's cache holds.
  const COLUMN_NUMBERS = 1 << 18;
  const product = (shape) => shape.reduce((a, b) => a * b, 1);

  // Numbers come as the byte planes of float32, deflated, in base64: planes of equal bytes deflate best.
  async function decode(text) {
    if (typeof DecompressionStream === "undefined") {
      throw new Error("This browser is too old to unpack the page's numbers. Use one of 2023 or later.");
    }
    const packed = Uint8Array.from(atob(text.trim()), (sign) => sign.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    const count = planes.length / 4, bytes = new Uint8Array(planes.length);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < 4; k++) bytes[4 * i + k] = planes[k * count + i];
    }
    return new Float32Array(bytes.buffer);
  }

  const tensor = (step, numbers, name) => {
    const place = step.tensors[name];
    return place ? numbers.subarray(place[0], place[0] + place[1]) : null;
  };

  // The error function: its series near 0, Numerical Recipes' fit of 1 − erf where that is small.
  function erf(x) {
    const z = Math.abs(x);
    if (z < 2.8) {
      let term = x, sum = x;
      for (let n = 1; n < 60 && Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
        term *= -x * x / n;
        sum += term / (2 * n + 1);
      }
      return 2 / Math.sqrt(Math.PI) * sum;
    }
    const t = 1 / (1 + 0.5 * z);
    const fit = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
      1.00002368, -1.26551223].reduce((sum, factor) => sum * t + factor, 0);
    return Math.sign(x) * (1 - t * Math.exp(-z * z + fit));
  }

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const FUNCTIONS = {
    relu: () => (x) => (x > 0 ? x : x !== x ? x : 0),
    relu6: () => (x) => Math.min(Math.max(x, 0), 6),
    leakyrelu: (step) => (x) => (x > 0 ? x : x * step.slope),
    tanh: () => Math.tanh,
    sigmoid: () => sigmoid,
    gelu: () => (x) => x * 0.5 * (1 + erf(x / Math.SQRT2)),
    silu: () => (x) => x * sigmoid(x),
    step: () => (x) => (x > 0 ? 1 : 0),
    scale: (step) => (x) => x * step.factor,
    identity: () => (x) => x,
  };

  function pointwise(step, [x]) {
    const f = FUNCTIONS[step.kind](step), y = new Float32Array(x.length);
    for (let i = 0; i < x.length; i++) y[i] = f(x[i]);
    return y;
  }

  // One row of products for each place of the window, so that both factors of a sum lie behind each other in memory.
  function patches(step, x, firstChannel, channels, start, stop, column) {
    const [, h, w] = step.in_shapes[0], ow = step.shape[2];
    const [kh, sh, ph, dh] = step.rows, [kw, sw, pw, dw] = step.columns;
    let at = 0;
    for (let p = start; p < stop; p++) {
      const top = Math.floor(p / ow) * sh - ph, left = (p % ow) * sw - pw;
      for (let c = 0; c < channels; c++) {
        const base = (firstChannel + c) * h * w;
        for (let i = 0; i < kh; i++) {
          const r = top + i * dh, row = base + r * w, inside = r >= 0 && r < h;
          for (let j = 0; j < kw; j++, at++) {
            const q = left + j * dw;
            column[at] = inside && q >= 0 && q < w ? x[row + q] : 0;
          }
        }
      }
    }
  }

  // y[k0 + k, p] = Σ weight[k0 + k, i] · column[p, i]: four filters and two places at a time stay in registers.
  function multiply(column, size, start, stop, weight, first, last, bias, y, places) {
    let k = first;
    for (; k + 3 < last; k += 4) {
      const a = k * size, b = a + size, c = b + size, d = c + size;
      const ba = bias ? bias[k] : 0, bb = bias ? bias[k + 1] : 0, bc = bias ? bias[k + 2] : 0, bd = bias ? bias[k + 3] : 0;
      let p = start;
      for (; p + 1 < stop; p += 2) {
        const u = (p - start) * size, v = u + size;
        let a0 = 0, b0 = 0, c0 = 0, d0 = 0, a1 = 0, b1 = 0, c1 = 0, d1 = 0;
        for (let i = 0; i < size; i++) {
          const x0 = column[u + i], x1 = column[v + i];
          const wa = weight[a + i], wb = weight[b + i], wc = weight[c + i], wd = weight[d + i];
          a0 += wa * x0; b0 += wb * x0; c0 += wc * x0; d0 += wd * x0;
          a1 += wa * x1; b1 += wb * x1; c1 += wc * x1; d1 += wd * x1;
        }
        const to = k * places + p;
        y[to] = a0 + ba; y[to + places] = b0 + bb; y[to + 2 * places] = c0 + bc; y[to + 3 * places] = d0 + bd;
        y[to + 1] = a1 + ba; y[to + places + 1] = b1 + bb; y[to + 2 * places + 1] = c1 + bc; y[to + 3 * places + 1] = d1 + bd;
      }
      if (p < stop) for (let n = 0; n < 4; n++) y[(k + n) * places + p] = dot(column, (p - start) * size, weight, (k + n) * size, size) + (bias ? bias[k + n] : 0);
    }
    for (; k < last; k++) {
      for (let p = start; p < stop; p++) {
        y[k * places + p] = dot(column, (p - start) * size, weight, k * size, size) + (bias ? bias[k] : 0);
      }
    }
  }

  function dot(a, i, b, j, size) {
    let sum = 0;
    for (let n = 0; n < size; n++) sum += a[i + n] * b[j + n];
    return sum;
  }

  function conv(step, [x], numbers) {
    const weight = tensor(step, numbers, "weight"), bias = tensor(step, numbers, "bias");
    const channels = step.in_shapes[0][0] / step.groups, filters = step.shape[0] / step.groups;
    const places = step.shape[1] * step.shape[2], size = channels * step.rows[0] * step.columns[0];
    const y = new Float32Array(step.shape[0] * places);
    const some = Math.min(places, Math.max(2, Math.floor(COLUMN_NUMBERS / size)));
    const column = new Float32Array(some * size);
    for (let g = 0; g < step.groups; g++) {
      for (let start = 0; start < places; start += some) {
        const stop = Math.min(start + some, places);
        patches(step, x, g * channels, channels, start, stop, column);
        multiply(column, size, start, stop, weight, g * filters, (g + 1) * filters, bias, y, places);
      }
    }
    return y;
  }

  function fc(step, [x], numbers) {
    const weight = tensor(step, numbers, "weight"), bias = tensor(step, numbers, "bias"), y = new Float32Array(step.shape[0]);
    for (let k = 0; k < y.length; k++) y[k] = dot(x, 0, weight, k * x.length, x.length) + (bias ? bias[k] : 0);
    return y;
  }

  // Calls visit(output place, [input places in the window]) for each place of one channel; padding is not among them.
  function eachWindow(step, visit) {
    const [, h, w] = step.in_shapes[0], [, oh, ow] = step.shape;
    const [kh, sh, ph, dh] = step.rows, [kw, sw, pw, dw] = step.columns, seen = [];
    for (let r = 0; r < oh; r++) {
      for (let q = 0; q < ow; q++) {
        seen.length = 0;
        for (let i = 0; i < kh; i++) {
          const y = r * sh - ph + i * dh;
          if (y < 0 || y >= h) continue;
          for (let j = 0; j < kw; j++) {
            const x = q * sw - pw + j * dw;
            if (x >= 0 && x < w) seen.push(y * w + x);
          }
        }
        visit(r * ow + q, seen);
      }
    }
  }

  function pool(step, x, reduce) {
    const [c, h, w] = step.in_shapes[0], out = step.shape[1] * step.shape[2], y = new Float32Array(c * out);
    eachWindow(step, (place, seen) => {
      for (let k = 0; k < c; k++) y[k * out + place] = reduce(x, k * h * w, seen);
    });
    return y;
  }

  function largest(x, base, seen) {
    let best = -Infinity;
    for (let i = 0; i < seen.length; i++) best = Math.max(best, x[base + seen[i]]);
    return best;
  }

  function mean(x, base, seen) {
    let sum = 0;
    for (let i = 0; i < seen.length; i++) sum += x[base + seen[i]];
    return sum / seen.length;
  }

  function overMaps(step, x, reduce) {
    const [c, h, w] = step.in_shapes[0], all = Array.from({ length: h * w }, (_, i) => i), y = new Float32Array(c);
    for (let k = 0; k < c; k++) y[k] = reduce(x, k * h * w, all);
    return y;
  }

  // f(channel) gives what happens to each value of a channel.
  function byChannel(step, x, f) {
    const c = step.shape[0], size = x.length / c, y = new Float32Array(x.length);
    for (let k = 0; k < c; k++) {
      const [factor, shift] = f(k);
      for (let i = k * size; i < (k + 1) * size; i++) y[i] = x[i] * factor + shift;
    }
    return y;
  }

  function bn(step, [x], numbers) {
    const [gain, bias, average, variance] = ["weight", "bias", "running_mean", "running_var"].map((n) => tensor(step, numbers, n));
    return byChannel(step, x, (k) => {
      const factor = gain[k] / Math.sqrt(variance[k] + step.eps);
      return [factor, bias[k] - average[k] * factor];
    });
  }

  function ln(step, [x], numbers) {
    const c = step.shape[0], size = x.length / c, y = new Float32Array(x.length);
    const gain = tensor(step, numbers, "weight"), bias = tensor(step, numbers, "bias");
    for (let i = 0; i < size; i++) {
      let sum = 0, squares = 0;
      for (let k = 0; k < c; k++) sum += x[k * size + i];
      for (let k = 0; k < c; k++) squares += (x[k * size + i] - sum / c) ** 2;
      const deviation = Math.sqrt(squares / c + step.eps);
      for (let k = 0; k < c; k++) y[k * size + i] = (x[k * size + i] - sum / c) / deviation * gain[k] + bias[k];
    }
    return y;
  }

  // The channels whose squares are summed for channel k, as [first, last].
  const near = (step, k) => [Math.max(0, k - (step.size >> 1)), Math.min(step.shape[0] - 1, k + ((step.size - 1) >> 1))];

  function lrn(step, [x]) {
    const size = step.shape[1] * step.shape[2], y = new Float32Array(x.length);
    for (let k = 0; k < step.shape[0]; k++) {
      const [first, last] = near(step, k);
      for (let i = 0; i < size; i++) {
        let squares = 0;
        for (let n = first; n <= last; n++) squares += x[n * size + i] ** 2;
        y[k * size + i] = x[k * size + i] / (step.k + step.alpha * squares) ** step.beta;
      }
    }
    return y;
  }

  function subsample(step, [x]) {
    const [c, h, w] = step.in_shapes[0], [, oh, ow] = step.shape, y = new Float32Array(product(step.shape));
    for (let k = 0; k < c; k++) {
      for (let r = 0; r < oh; r++) {
        for (let q = 0; q < ow; q++) y[(k * oh + r) * ow + q] = x[(k * h + r * step.stride) * w + q * step.stride];
      }
    }
    return y;
  }

  function softmax(step, [x]) {
    const c = step.shape[0], size = x.length / c, y = new Float32Array(x.length);
    for (let i = 0; i < size; i++) {
      let top = -Infinity, sum = 0;
      for (let k = 0; k < c; k++) top = Math.max(top, x[k * size + i]);
      for (let k = 0; k < c; k++) sum += Math.exp(x[k * size + i] - top);
      for (let k = 0; k < c; k++) y[k * size + i] = Math.exp(x[k * size + i] - top) / sum;
    }
    return y;
  }

  function gate(step, [x, g]) {
    const y = new Float32Array(x.length), size = x.length / g.length;
    for (let i = 0; i < x.length; i++) y[i] = x[i] * g[Math.floor(i / size)];
    return y;
  }

  function join(step, inputs) {
    const y = new Float32Array(product(step.shape));
    let at = 0;
    for (const x of inputs) {
      y.set(x, at);
      at += x.length;
    }
    return y;
  }

  function select(step, [x], numbers) {
    const [columns, average, scale] = ["columns", "mean", "scale"].map((n) => tensor(step, numbers, n));
    return Float32Array.from(columns, (column, i) => (x[column] - average[i]) / scale[i]);
  }

  function spread(step, [x], numbers) {
    const top = x.reduce((a, b) => Math.max(a, b)), sum = x.reduce((a, b) => a + Math.exp(b - top), 0);
    const y = new Float32Array(step.shape[0]).fill(step.least + top + Math.log(sum));
    tensor(step, numbers, "present").forEach((k, i) => { y[k] = x[i]; });
    return y;
  }

  const KINDS = {
    conv, fc, bn, ln, lrn, subsample, softmax, join, select, spread, multiply: gate,
    maxpool: (step, [x]) => pool(step, x, largest),
    avgpool: (step, [x]) => pool(step, x, mean),
    globalmax: (step, [x]) => overMaps(step, x, largest),
    globalavg: (step, [x]) => overMaps(step, x, mean),
    flatten: (step, [x]) => x.slice(),
    add: (step, [x, other]) => x.map((value, i) => value + other[i]),
    layerscale: (step, [x], numbers) => byChannel(step, x, (k) => [tensor(step, numbers, "weight")[k], 0]),
    ...Object.fromEntries(Object.keys(FUNCTIONS).map((kind) => [kind, pointwise])),
  };

  // From pixels 0…255, channels last, to the net's input: (pixel − mean) / std.
  function normalise(plan, pixels, numbers) {
    const [c, h, w] = plan.input_shape, size = h * w, x = new Float32Array(c * size);
    const average = tensor(plan.preprocessing, numbers, "mean"), std = tensor(plan.preprocessing, numbers, "std");
    for (let k = 0; k < c; k++) {
      for (let i = 0; i < size; i++) {
        const less = average.length === c ? average[k] : average[k * size + i];
        x[k * size + i] = Math.fround(pixels[i * c + k] - less) / std[k];
      }
    }
    return x;
  }

  // A step whose numbers the page keeps from torch, as its weights are too many to be carried.
  const isKept = (step) => Boolean(step.tensors.kept);

  // Which steps hold for the picture that the page was written for only: kept ones and all that follow from them.
  function ofFirstPicture(plan) {
    const only = [];
    plan.steps.forEach((step, i) => { only[i] = isKept(step) || Boolean(step.absent) || step.inputs.some((j) => j >= 0 && only[j]); });
    return only;
  }

  // Fills values[i] for all steps from `from` on; values[-1] is the input. off: {step: [channels]} are set to 0.
  async function run(plan, numbers, values, { from = 0, off = {}, progress = () => {} } = {}) {
    for (let i = from; i < plan.steps.length; i++) {
      const step = plan.steps[i];
      if (step.absent) continue;
      const y = isKept(step) ? tensor(step, numbers, "kept").slice() : KINDS[step.kind](step, step.inputs.map((j) => values[j]), numbers);
      const size = y.length / step.shape[0];
      for (const channel of off[i] || []) y.fill(0, channel * size, (channel + 1) * size);
      values[i] = y;
      if (await progress(i + 1, plan.steps.length) === false) return false;
    }
    return true;
  }

  // The final softmax: exp(z / T) over its sum.
  function probabilities(plan, logits) {
    const z = Array.from(logits, (value) => value / plan.temperature), top = Math.max(...z);
    const powers = z.map((value) => Math.exp(value - top)), sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((value) => value / sum);
  }

  // How far values are from those that torch gave when the page was written: the largest difference, as a share of the
  // largest value of each layer, and how many numbers were compared.
  function compare(plan, numbers, values) {
    let worst = 0, count = 0, where = null;
    plan.checks.forEach((check) => {
      const [at, size] = check.values, expected = numbers.subarray(at, at + size);
      check.places.forEach((place, n) => {
        const difference = Math.abs(values[check.step][place] - expected[n]) / check.scale;
        count++;
        if (!(difference <= worst)) [worst, where] = [difference, check.step];
      });
    });
    return { worst, count, where };
  }

  return { decode, tensor, erf, functions: FUNCTIONS, kinds: KINDS, near, normalise, isKept, ofFirstPicture, run, probabilities, compare, product, sigmoid };
})();
