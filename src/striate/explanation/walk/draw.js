// Small tools of the page: elements, numbers as text, values as colours.
"use strict";
const Draw = (() => {
  // An element with attributes and children; text is always text, whatever it says.
  function h(tag, attributes = {}, ...children) {
    const [name, ...classes] = tag.split("."), made = document.createElement(name);
    if (classes.length) made.className = classes.join(" ");
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value != null) made.setAttribute(key, value);
    }
    made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
    return made;
  }

  // A number as text: four digits behind the point, more of a small one.
  function fmt(value, digits = 4) {
    if (value == null) return "–";
    if (!Number.isFinite(value)) return String(value);
    const size = Math.abs(value);
    const text = size !== 0 && (size >= 1e6 || size < 0.5 * 10 ** -digits) ? value.toExponential(2) : value.toFixed(digits);
    return text.replace(/^-(?=[0.]+$)/, "").replace(/-/g, "−");
  }

  const signed = (value, digits) => (value < 0 ? "− " + fmt(-value, digits) : "+ " + fmt(value, digits));
  const count = (number) => number.toLocaleString("en-US");
  const percent = (share) => (share > 0 && share < 0.0001 ? "< 0.01 %" : (100 * share).toFixed(2) + " %");

  let theme = null;
  function colours() {
    if (!theme) {
      const style = getComputedStyle(document.documentElement);
      const read = (name) => {
        const hex = style.getPropertyValue(name).trim().slice(1);
        return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
      };
      theme = { zero: read("--zero"), plus: read("--plus"), minus: read("--minus") };
    }
    return theme;
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { theme = null; });

  // The colour of a value: orange above 0, blue below, that of the paper at 0.
  function colour(value, scale) {
    const { zero, plus, minus } = colours(), far = value < 0 ? minus : plus;
    const share = Math.min(1, Math.abs(value) / (scale || 1)) ** 0.7;
    return zero.map((from, i) => Math.round(from + share * (far[i] - from)));
  }

  // The colours of −scale … scale as they lie in an image's memory: a map has many numbers.
  const SHADES = 512;
  function shades() {
    const known = colours();
    if (!known.table) {
      const bytes = new Uint8ClampedArray(4 * (2 * SHADES + 1)).fill(255);
      for (let i = -SHADES; i <= SHADES; i++) bytes.set(colour(i, SHADES), 4 * (i + SHADES));
      known.table = new Uint32Array(bytes.buffer);
    }
    return known.table;
  }

  // Text that can be read on it.
  const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#11151c" : "#ffffff");

  const largest = (values) => {
    let most = 0;
    for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) > most) most = Math.abs(values[i]);
    return most;
  };

  function map(canvas, values, height, width, scale) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d"), image = context.createImageData(width, height), table = shades();
    const cells = new Uint32Array(image.data.buffer), factor = SHADES / (scale || 1);
    for (let i = 0; i < height * width; i++) {
      cells[i] = table[SHADES + Math.max(-SHADES, Math.min(SHADES, Math.round(values[i] * factor)))];
    }
    context.putImageData(image, 0, 0);
  }

  // Pixels 0…255, channels last; of many bands the first three are shown, of two the first.
  function pixels(canvas, values, height, width, channels) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let i = 0; i < height * width; i++) {
      for (let k = 0; k < 3; k++) image.data[4 * i + k] = values[i * channels + (channels < 3 ? 0 : k)];
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  // A table of numbers, coloured; cells: [{value, text?, dim?, mark?}], row by row.
  function grid(title, cells, width, scale, digits = 4) {
    const rows = [];
    for (let i = 0; i < cells.length; i += width) {
      rows.push(h("tr", {}, cells.slice(i, i + width).map((cell) => {
        const rgb = colour(cell.value, scale);
        return h("td" + (cell.dim ? ".dim" : "") + (cell.mark ? ".mark" : ""), {
          style: cell.dim ? null : `background:rgb(${rgb});color:${inkOn(rgb)}`,
          "data-value": cell.value, title: cell.title || String(cell.value),
        }, cell.text ?? fmt(cell.value, digits));
      })));
    }
    const size = width > 7 ? ".small" : "";
    return h("figure.grid-box", {}, h("figcaption", {}, title), h("div.scroll", { tabindex: 0, role: "group", "aria-label": title }, h("table.numbers" + size, {}, h("tbody", {}, rows))));
  }

  // Where something lies on a canvas of height × width cells, as a style.
  const box = ([top, left, bottom, right], height, width) =>
    `top:${(100 * top) / height}%;left:${(100 * left) / width}%;height:${(100 * (bottom - top + 1)) / height}%;width:${(100 * (right - left + 1)) / width}%`;

  // A bar of a signed share: to the right above 0, to the left below.
  const bar = (share) => h("span.bar" + (share < 0 ? ".less" : ""), { "aria-hidden": "true" }, h("i", { style: `width:${Math.min(100, 100 * Math.abs(share))}%` }));

  // New content for a container; what had the focus gets it back, by its data-key.
  function fill(container, ...children) {
    const key = container.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    container.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
    const again = key && [...container.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (again) again.focus({ preventScroll: true });
  }

  return { h, fmt, signed, count, percent, colour, inkOn, largest, map, pixels, grid, box, bar, fill };
})();
