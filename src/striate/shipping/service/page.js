"use strict";
// Everything that comes from outside (names of files, classes, messages) is set as text, never as HTML.
const at = (id) => document.getElementById(id);
const MOST_SHOWN = 60;
const urls = [];

function make(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
}

function percent(share) {
  return `${(100 * share).toFixed(share > 0.9995 && share < 1 ? 2 : 1)} %`;
}

function headers() {
  const token = at("token").value.trim();
  return token ? { authorization: `Bearer ${token}` } : {};
}

async function said(response) {
  try {
    return await response.json();
  } catch {
    return { error: { message: `the service answered ${response.status}` } };
  }
}

async function findModels() {
  const response = await fetch("/v1/models", { headers: headers() }).catch(() => null);
  if (!response) {
    at("about").textContent = "The service cannot be reached.";
    return;
  }
  at("tokens").hidden = at("tokens").hidden && response.status !== 401;
  if (response.status === 401) {
    at("about").textContent = "This service wants its token.";
    return;
  }
  const { models, error } = await said(response);
  if (!models) {
    at("about").textContent = error.message;
    return;
  }
  const chosen = at("model").value;
  at("model").replaceChildren(...models.map((one) => Object.assign(make("option", "", one.name), { value: one.name })));
  if (models.some((one) => one.name === chosen)) at("model").value = chosen;
  at("models").hidden = models.length < 2;
  about(models);
  at("model").onchange = () => about(models);
}

function about(models) {
  const model = models.find((one) => one.name === at("model").value) || models[0];
  const classes = model.classes.slice(0, 12).join(", ") + (model.classes.length > 12 ? ` and ${model.classes.length - 12} more` : "");
  const right = model.test_accuracy == null ? "" : ` On test images it was right ${percent(model.test_accuracy)} of the time.`;
  at("about").textContent = `${model.name} tells ${model.classes.length} classes: ${classes}.${right}`;
}

function bar(name, share) {
  const row = make("div", "row");
  const words = make("div", "said");
  words.append(make("span", "", name), make("span", "n", percent(share)));
  const meter = make("meter");
  meter.value = share;
  meter.setAttribute("aria-label", name);
  row.append(words, meter);
  return row;
}

function show(card, prediction) {
  const unknown = prediction.known === false;
  card.append(make("h3", unknown ? "warning" : "", unknown ? "None of these" : prediction.class));
  if (unknown) card.append(make("p", "faint", "It is unlike all that the model has learned. If it had to say:"));
  for (const [name, share] of prediction.top) card.append(bar(name, share));
}

async function ask(file) {
  const card = make("li", "answer");
  const picture = make("img");
  const url = URL.createObjectURL(file);
  urls.push(url);
  picture.src = url;
  picture.alt = "";
  picture.onerror = () => picture.remove();
  card.append(picture, make("div", "name", file.name));
  at("answers").prepend(card);
  while (at("answers").children.length > MOST_SHOWN) {
    at("answers").lastChild.remove();
    URL.revokeObjectURL(urls.shift());
  }
  const form = new FormData();
  form.append("file", file, file.name || "pasted");
  const model = at("model").value;
  const query = new URLSearchParams({ top: "5", ...(model ? { model } : {}) });
  for (let tries = 0; tries < 20; tries++) {
    const response = await fetch(`/v1/predict?${query}`, { method: "POST", body: form, headers: headers() }).catch(() => null);
    if (response && response.status === 429) {
      const seconds = Number(response.headers.get("retry-after")) || 1;
      await new Promise((done) => setTimeout(done, 1000 * seconds));
      continue;
    }
    const answer = response ? await said(response) : { error: { message: "The service cannot be reached." } };
    if (answer.error) card.append(make("p", "bad", answer.error.message));
    else show(card, answer.predictions[0]);
    if (response && response.status === 401) at("tokens").hidden = false;
    return;
  }
  card.append(make("p", "bad", "The service is too busy."));
}

async function askAll(files) {
  const waiting = [...files].filter((file) => file.size);
  at("status").textContent = waiting.length ? "" : "There was no picture in that.";
  const work = async () => {
    while (waiting.length) await ask(waiting.shift());
  };
  await Promise.all([work(), work(), work(), work()]);
}

at("files").addEventListener("change", async () => {
  const files = [...at("files").files];
  at("files").value = "";
  await askAll(files);
});
at("token").addEventListener("change", findModels);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) at("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  askAll(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData && event.clipboardData.files.length) askAll(event.clipboardData.files);
});
findModels();
