/* What the page does with images, wherever the model is: `connect(about)` gives {answer, run, check, word}.
   What answered, `by`, has its classes and its size; within the page that is what the page is about. */

const about = JSON.parse(document.getElementById("about").textContent);
const at = (id) => document.getElementById(id);
const make = (tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;  // names of classes and files are text, never markup
  return element;
};
const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.001 ? 3 : 1)} %`;
const MOST_PIXELS = 16e6, MOST_FILES = 60, GRID = 9, SHOWN = 5;

const drawn = (source, width, height) => {
  const canvas = make("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  pen.fillStyle = "#fff";  // transparency is laid over white, as in training
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, 0, 0, width, height);
  return canvas;
};

const rgb = (canvas) => {
  const { width, height } = canvas;
  const four = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const three = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; i < four.length; i += 4) {
    three[j++] = four[i];
    three[j++] = four[i + 1];
    three[j++] = four[i + 2];
  }
  return three;
};

const read = async (file) => {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const share = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  const size = [width, height].map((side) => Math.max(1, Math.round(side * share)));
  const canvas = drawn(bitmap, ...size);
  bitmap.close();
  const word = share < 1 ? `Reduced from ${width}×${height} to ${size.join("×")} pixels first; ` +
    "its probabilities can differ a little from those of the whole picture." : "";
  return { canvas, word };
};

const topOf = (said) => said.top ?? [...said.probabilities]
  .map((share, i) => [about.classes[i], share]).sort((a, b) => b[1] - a[1]).slice(0, SHOWN);

const bars = (top) => {
  const list = make("ol", "bars");
  for (const [name, share] of top) {
    const row = make("li"), bar = make("span", "bar"), full = make("span", "full");
    full.style.width = `${Math.max(0.5, 100 * share)}%`;
    bar.append(full);
    row.append(make("span", "name", name), make("span", "n", percent(share)), bar);
    list.append(row);
  }
  return list;
};

const verdict = (said, top) => {
  if (said.known === false) {
    const words = make("p", "verdict none", "None of these");
    words.append(make("span", "faint", ` – it is unlike all that the model has learned; else ${top[0][0]}`));
    return words;
  }
  return make("p", "verdict", top[0][0]);
};

/* Where the answer comes from: how far its probability falls where a patch is covered. */
const heat = async (model, canvas, place, by, told) => {
  const scale = Math.min(1, 2 * Math.min(...by.size) / Math.min(canvas.width, canvas.height));
  const small = drawn(canvas, ...[canvas.width, canvas.height].map((side) => Math.max(1, Math.round(side * scale))));
  const { width, height } = small, pixels = rgb(small), size = pixels.length;
  const mean = [0, 1, 2].map((c) => {
    let sum = 0;
    for (let i = c; i < size; i += 3) sum += pixels[i];
    return Math.round(sum / (size / 3));
  });
  const grid = Math.min(GRID, width, height);
  const whole = (await model.run(pixels, [1, height, width, 3], by))[0].probabilities[place];
  const falls = new Float32Array(grid * grid);
  for (let start = 0; start < grid * grid; start += grid) {
    const batch = new Uint8Array(grid * size);
    for (let i = 0; i < grid; i++) {
      batch.set(pixels, i * size);
      const [row, column] = [Math.floor((start + i) / grid), (start + i) % grid];
      const [top, bottom] = [row - 0.5, row + 1.5].map((y) => Math.round(Math.min(grid, Math.max(0, y)) * height / grid));
      const [left, right] = [column - 0.5, column + 1.5].map((x) => Math.round(Math.min(grid, Math.max(0, x)) * width / grid));
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++) batch.set(mean, i * size + 3 * (y * width + x));
    }
    const rows = await model.run(batch, [grid, height, width, 3], by);
    rows.forEach((row, i) => { falls[start + i] = whole - row.probabilities[place]; });
    told(`${Math.round(100 * (start + grid) / (grid * grid))} %`);
  }
  const map = make("canvas");
  map.width = map.height = grid;
  const pen = map.getContext("2d"), image = pen.createImageData(grid, grid);
  const most = Math.max(1e-6, ...falls.map(Math.abs));
  falls.forEach((fall, i) => {
    image.data.set(fall > 0 ? [214, 40, 40] : [30, 90, 220], 4 * i);
    image.data[4 * i + 3] = Math.round(190 * Math.abs(fall) / most);
  });
  pen.putImageData(image, 0, 0);
  return { map, most };
};

const heatButton = (model, canvas, said, top, view, card) => {
  const button = make("button", "quiet", "Where does it look?"), words = make("p", "faint small");
  words.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const by = said.by ?? about, place = by.classes.indexOf(top[0][0]);
      const { map, most } = await heat(model, canvas, place, by, (share) => { button.textContent = `looking, ${share}`; });
      map.className = "heat";
      view.append(map);
      button.remove();
      words.textContent = `Red: covering that patch takes up to ${percent(most)} from “${top[0][0]}”; blue: it adds. ` +
        "It says where this answer comes from, not that it is right.";
    } catch (error) {
      button.textContent = "Where does it look?";
      button.disabled = false;
      words.textContent = `That failed: ${error.message}`;
    }
  });
  card.append(button, words);
};

const show = async (model, name, canvas, word, file) => {
  const card = make("article", "card result"), view = make("div", "view");
  const copy = drawn(canvas, ...fitting(canvas, 480));
  copy.setAttribute("role", "img");
  copy.setAttribute("aria-label", name);
  view.append(copy);
  const said = make("div", "said");
  said.append(make("p", "faint small", name), make("p", "faint", "looking …"));
  card.append(view, said);
  at("results").prepend(card);
  try {
    const began = performance.now(), answer = await model.answer(canvas, file), top = topOf(answer);
    const took = Math.round(performance.now() - began);
    said.replaceChildren(make("p", "faint small", name), verdict(answer, top), bars(top));
    said.append(make("p", "faint small", `${canvas.width}×${canvas.height} pixels, ${took} ms`));
    if (word) said.append(make("p", "faint small", word));
    heatButton(model, canvas, answer, top, view, said);
  } catch (error) {
    said.replaceChildren(make("p", "faint small", name), make("p", "bad", `It cannot be answered: ${error.message}`));
  }
};

const fitting = (canvas, most) => {
  const scale = Math.min(1, most / Math.max(canvas.width, canvas.height));
  return [canvas.width, canvas.height].map((side) => Math.max(1, Math.round(side * scale)));
};

const complain = (text) => { at("trouble").textContent = text; };

const take = async (model, files) => {
  complain(files.length > MOST_FILES ? `Only the first ${MOST_FILES} of ${files.length} files were taken.` : "");
  for (const file of [...files].slice(0, MOST_FILES)) {
    try {
      const { canvas, word } = await read(file);
      await show(model, file.name || "pasted picture", canvas, word, file);
    } catch {
      complain(`${file.name || "What was pasted"} is no picture that this browser can read.`);
    }
  }
};

const camera = (model) => {
  const button = at("camera"), video = at("video"), shoot = at("shoot");
  if (!navigator.mediaDevices?.getUserMedia) {
    button.disabled = true;
    button.title = "This browser gives pages no camera here";
    return;
  }
  let stream = null;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    at("viewfinder").hidden = true;
    button.textContent = "Camera";
  };
  button.addEventListener("click", async () => {
    if (stream) return stop();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      video.srcObject = stream;
      await video.play();
      at("viewfinder").hidden = false;
      button.textContent = "Stop camera";
      complain("");
    } catch (error) {
      stop();
      complain(`There is no camera for this page (${error.name}). Take a picture with another app and choose it here.`);
    }
  });
  shoot.addEventListener("click", () => {
    if (stream) show(model, "camera", drawn(video, video.videoWidth, video.videoHeight), "");
  });
};

const listen = (model) => {
  const zone = at("zone"), choose = at("choose");
  choose.disabled = false;
  choose.addEventListener("change", () => { take(model, choose.files).then(() => { choose.value = ""; }); });
  for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
  document.addEventListener("dragover", () => zone.classList.add("over"));
  for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, () => zone.classList.remove("over"));
  const given = (files, how) => files?.length ? take(model, files)
    : complain(`There was no picture in what was ${how}: save it, and choose the file.`);
  document.addEventListener("drop", (event) => given(event.dataTransfer?.files, "dropped"));
  document.addEventListener("paste", (event) => {
    if (!event.target.matches?.("input, textarea")) given(event.clipboardData?.files, "pasted");
  });
  camera(model);
};

const start = async () => {
  const state = at("state");
  try {
    const model = await connect(about);
    if (model.check) {
      state.textContent = "checking itself …";
      const { right, total, largest } = await model.check();
      state.textContent = `${right} of ${total} golden images answered as in Python, largest difference ${largest < 1e-6 ? "below 0.000001" : largest.toFixed(6)}`;
      state.className = right === total ? "fine" : "bad";
      if (right < total) state.textContent += ". Do not trust the answers of this browser";
    } else {
      state.textContent = model.word;
    }
    listen(model);
    document.documentElement.dataset.ready = "yes";
  } catch (error) {
    state.textContent = `The model does not answer here: ${error.message}`;
    state.className = "bad";
    document.documentElement.dataset.ready = "no";
  }
};
start();
