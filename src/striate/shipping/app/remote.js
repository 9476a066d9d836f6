/* The models behind the service that served this page: pictures go to POST v1/predict as they are. */

const MOST_TRIES = 20, MOST_TOP = 10_000;
const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

/* What the service says, as JSON: asked with the token that was typed, and again where the service is busy. */
const asked = async (path, options = {}) => {
  const token = at("token").value.trim();
  const headers = { Accept: "application/json", ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  for (let tries = 1; ; tries++) {
    const response = await fetch(path, { ...options, headers });
    const said = await response.json().catch(() => ({}));
    if (response.ok) return said;
    if (response.status !== 429 || tries === MOST_TRIES) {
      const error = new Error(said.error?.message ?? `the service answers ${response.status}`);
      error.wantsToken = response.status === 401;
      throw error;
    }
    await pause(Number(response.headers.get("retry-after")) || 1);
  }
};

const titleOf = (classes) => {
  const shown = classes.slice(0, 3).map((name) => (name.length > 30 ? `${name.slice(0, 29)}…` : name));
  if (classes.length > 3) return `${shown.join(", ")} or ${classes.length - 3} more?`;
  return `${shown.length > 1 ? `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}` : shown[0]}?`;
};

const factsOf = ({ name, version, classes, net, input, test_accuracy: right, tells_unknown: tells, weights, licence }) => [
  ["name", `${name}, version ${version}`],
  ["classes", classes.slice(0, 200).join(", ") + (classes.length > 200 ? " …" : "")],
  ["model", net.slice(0, 300)],
  ["looks at", `${input.size.join("×")} pixels, ${input.channels === 1 ? "gray" : "colour"}`],
  ["test accuracy", right === null ? "–" : percent(right)],
  ["none of these", tells ? "it tells what is unlike all that it has learned" : "this model cannot tell"],
  ["weights", weights.length ? weights.join("; ") : "trained from scratch"],
  ["licence", licence],
];

const told = (model) => {
  document.title = at("title").textContent = titleOf(model.classes);
  at("facts").replaceChildren(...factsOf(model).flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
};

const asPng = (pixels, width, height) => {
  const canvas = make("canvas"), four = new ImageData(width, height);
  [canvas.width, canvas.height] = [width, height];
  four.data.fill(255);
  for (let i = 0, j = 0; i < pixels.length; i += 3, j += 4) four.data.set(pixels.subarray(i, i + 3), j);
  canvas.getContext("2d").putImageData(four, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
};

const connect = async (about) => {
  const choice = at("model");
  let models = [], word = "";
  const chosen = () => models.find((one) => one.name === choice.value);
  const find = async () => {
    try {
      ({ models } = await asked("v1/models"));
    } catch (error) {
      if (!error.wantsToken) throw error;
      at("tokens").hidden = false;
      return at("token").value ? "That is not the token of this service." : "This service wants its token: type it below.";
    }
    const before = choice.value;
    choice.replaceChildren(...models.map((one) => Object.assign(make("option", "", one.name), { value: one.name })));
    if (models.some((one) => one.name === before)) choice.value = before;
    at("models").hidden = models.length < 2;
    told(chosen());
    return "ready";
  };
  at("token").addEventListener("change", async () => {
    at("state").textContent = await find().catch((error) => error.message);
  });
  choice.addEventListener("change", () => told(chosen()));

  const predict = async (by, top, options) => {
    const query = new URLSearchParams({ top: Math.min(MOST_TOP, top), ...(by ? { model: by.name } : {}) });
    return (await asked(`v1/predict?${query}`, { method: "POST", ...options })).predictions;
  };
  const answer = async (canvas, file) => {
    const by = chosen(), body = file ?? await new Promise((done) => canvas.toBlob(done, "image/png"));
    const [one] = await predict(by, SHOWN, { body, headers: { "Content-Type": body.type || "application/octet-stream" } });
    return { top: one.top, known: one.known ?? null, by: by && { ...by, size: by.input.size } };
  };
  const run = async (pixels, [n, height, width], by) => {
    const rows = [], size = pixels.length / n;
    for (let start = 0; start < n; start += by.limits.images) {
      const form = new FormData();
      for (let i = start; i < Math.min(n, start + by.limits.images); i++)
        form.append("file", await asPng(pixels.subarray(i * size, (i + 1) * size), width, height), `${i}.png`);
      rows.push(...await predict(by, by.classes.length, { body: form }));
    }
    return rows.map((one) => {
      const shares = new Map(one.top);
      return { probabilities: by.classes.map((name) => shares.get(name) ?? 0), known: one.known };
    });
  };
  word = await find();
  return { answer, run, check: null, word };
};
