// The picture: brought to the net's size as Striate does it, drawn on, moved, and read as numbers.
"use strict";
const Picture = (() => {
  const BITS = 22; // Pillow's precision of 8-bit resampling

  // Pillow's bilinear resampling along one axis: for each output place the first input place and whole-number weights.
  function coefficients(from, first, last, to) {
    const scale = Math.fround(last - first) / to, filter = Math.max(scale, 1), support = filter, all = [];
    for (let i = 0; i < to; i++) {
      const centre = first + (i + 0.5) * scale;
      const low = Math.max(0, Math.trunc(centre - support + 0.5)), high = Math.min(from, Math.trunc(centre + support + 0.5));
      const weights = [];
      for (let x = low; x < high; x++) weights.push(Math.max(0, 1 - Math.abs((x - centre + 0.5) / filter)));
      const sum = weights.reduce((a, b) => a + b, 0);
      all.push([low, weights.map((weight) => Math.round((weight / sum) * 2 ** BITS))]);
    }
    return all;
  }

  const clip = (sum) => Math.min(255, Math.max(0, Math.floor((sum + 2 ** (BITS - 1)) / 2 ** BITS)));

  // Resamples `lines` lines of `from` places each; a place holds `inner` numbers.
  function along(data, weights, lines, from, inner) {
    const to = weights.length, made = new Uint8ClampedArray(lines * to * inner);
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i < to; i++) {
        const [low, factors] = weights[i];
        for (let k = 0; k < inner; k++) {
          let sum = 0;
          for (let n = 0; n < factors.length; n++) sum += data[(line * from + low + n) * inner + k] * factors[n];
          made[(line * to + i) * inner + k] = clip(sum);
        }
      }
    }
    return made;
  }

  // uint8 pixels, channels last, from a box (left, top, right, bottom) of a picture to height × width. Pillow shrinks
  // rows first; since its version 13 columns first where they shrink much more (`tallFirst`).
  function resize({ data, height, width, channels }, toHeight, toWidth, box, tallFirst) {
    const [left, top, right, bottom] = box.map(Math.fround); // as Pillow keeps it
    const across = toWidth !== width || left !== 0 || right !== toWidth, down = toHeight !== height || top !== 0 || bottom !== toHeight;
    const columns = across && coefficients(width, left, right, toWidth), rows = down && coefficients(height, top, bottom, toHeight);
    let made = data, lines = height, wide = width;
    const shrinkRows = () => { if (across) [made, wide] = [along(made, columns, lines, wide, channels), toWidth]; };
    const shrinkColumns = () => { if (down) [made, lines] = [along(made, rows, 1, lines, wide * channels), toHeight]; };
    const order = tallFirst && height - toHeight > 2 * Math.max(0, width - toWidth) ? [shrinkColumns, shrinkRows] : [shrinkRows, shrinkColumns];
    for (const pass of order) pass();
    return Uint8ClampedArray.from(made);
  }

  // The box of so many pixels in the middle.
  const centred = (h, w, cutH, cutW) => [Math.max(0, (w - cutW) / 2), Math.max(0, (h - cutH) / 2), Math.min(w, (w + cutW) / 2), Math.min(h, (h + cutH) / 2)];
  // Python's round: halves to the even number.
  const even = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

  // As `fit_pixels` in striate.data.decoding.pixels: crop, pad or stretch to height × width.
  function fit(image, [, height, width], { fit: how, resize: shorter, tall_first: tall }) {
    const { height: h, width: w, channels: c } = image;
    if (shorter) {
      const scale = Math.min(h, w) / shorter;
      return resize(image, height, width, centred(h, w, height * scale, width * scale), tall);
    }
    if (h === height && w === width) return Uint8ClampedArray.from(image.data);
    if (how === "stretch") return resize(image, height, width, [0, 0, w, h], tall);
    if (how === "crop") {
      const scale = Math.min(h / height, w / width);
      return resize(image, height, width, centred(h, w, height * scale, width * scale), tall);
    }
    const scale = Math.min(height / h, width / w), innerH = Math.max(1, even(h * scale)), innerW = Math.max(1, even(w * scale));
    const inner = resize(image, innerH, innerW, [0, 0, w, h], tall), made = new Uint8ClampedArray(height * width * c);
    const top = even((height - innerH) / 2), left = even((width - innerW) / 2);
    for (let y = 0; y < innerH; y++) made.set(inner.subarray(y * innerW * c, (y + 1) * innerW * c), ((top + y) * width + left) * c);
    return made;
  }

  const MOST_PIXELS = 40e6;

  // A file as the net's pixels: turned by its EXIF, transparency over white, gray by ITU-R 601 as in Pillow.
  async function read(blob, plan) {
    const channels = plan.input_shape[0];
    if (channels !== 1 && channels !== 3) throw new Error(`This net looks at ${channels} bands, which a browser cannot read from a file. Paint over the picture instead.`);
    if (plan.preprocessing.deep) throw new Error("This model was trained on images of more than 8 bits, which a browser cannot read. Paint over the picture instead.");
    let bitmap;
    try {
      bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none" });
    } catch (error) {
      throw new Error(`${blob.name || "This"} is no picture that the browser can read.`);
    }
    const { width, height } = bitmap;
    if (width * height > MOST_PIXELS) throw new Error(`The picture has ${Draw.count(width * height)} pixels; at most ${Draw.count(MOST_PIXELS)} can be read here.`);
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const rgba = context.getImageData(0, 0, width, height).data, rgb = new Uint8ClampedArray(3 * width * height);
    for (let i = 0; i < width * height; i++) {
      const alpha = rgba[4 * i + 3];
      for (let k = 0; k < 3; k++) rgb[3 * i + k] = Math.round((rgba[4 * i + k] * alpha + 255 * (255 - alpha)) / 255);
    }
    const fitted = fit({ data: rgb, height, width, channels: 3 }, plan.input_shape, plan.preprocessing);
    return channels === 3 ? fitted : Uint8ClampedArray.from({ length: fitted.length / 3 }, (_, i) => luma(fitted, 3 * i));
  }

  const luma = (rgb, i) => (rgb[i] * 19595 + rgb[i + 1] * 38470 + rgb[i + 2] * 7471 + 32768) >> 16;

  // The picture moved by whole pixels; its edge is drawn out behind it.
  function moved(pixels, [c, h, w], down, right) {
    const made = new Uint8ClampedArray(pixels.length), inside = (x, n) => Math.min(n - 1, Math.max(0, x));
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const from = (inside(y - down, h) * w + inside(x - right, w)) * c;
        for (let k = 0; k < c; k++) made[(y * w + x) * c + k] = pixels[from + k];
      }
    }
    return made;
  }

  // What most of the edge looks like: the ground to draw on.
  function ground(pixels, [c, h, w]) {
    const seen = new Map();
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        if (y && x && y < h - 1 && x < w - 1) continue;
        const value = pixels.slice((y * w + x) * c, (y * w + x + 1) * c), key = value.join();
        seen.set(key, [value, (seen.get(key)?.[1] || 0) + 1]);
      }
    }
    return [...seen.values()].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  }

  // A round dot; where it ends between pixels, those get a part of the colour. A pen as wide as a pixel fills just that.
  function dot(pixels, [c, h, w], y, x, radius, colour) {
    for (let r = Math.max(0, Math.floor(y - radius)); r <= Math.min(h - 1, Math.ceil(y + radius)); r++) {
      for (let q = Math.max(0, Math.floor(x - radius)); q <= Math.min(w - 1, Math.ceil(x + radius)); q++) {
        const inside = radius <= 0.5 ? Number(r === Math.floor(y) && q === Math.floor(x)) : radius + 0.5 - Math.hypot(r + 0.5 - y, q + 0.5 - x);
        const share = Math.min(1, Math.max(0, inside));
        for (let k = 0; k < c; k++) {
          const i = (r * w + q) * c + k;
          pixels[i] = Math.round(pixels[i] + share * (colour[k] - pixels[i]));
        }
      }
    }
  }

  return { fit, read, moved, ground, dot, luma, resize };
})();
