// Runs the net beside the page, so that the page stays smooth: {open}, {run}, {get} in; {opened}, {ran}, {got} out.
"use strict";
function makeServer(post) {
  const values = {};
  let plan = null, numbers = null, newest = 0, complete = 0;
  const breath = () => new Promise((resolve) => setTimeout(resolve));

  async function run({ version, pixels, off, from, compare }) {
    const began = performance.now();
    let rested = began;
    complete = 0;
    if (pixels) values[-1] = Engine.normalise(plan, pixels, numbers);
    const finished = await Engine.run(plan, numbers, values, {
      from, off,
      progress: async (done, total) => {
        const now = performance.now();
        if (now - rested > 60) {
          post({ kind: "progress", version, done, total });
          await breath();
          rested = performance.now();
        }
        return version === newest;
      },
    });
    if (!finished) return post({ kind: "dropped", version });
    complete = version;
    post({
      kind: "ran", version, ms: performance.now() - began, logits: Array.from(values[plan.steps.length - 1]),
      comparison: compare ? Engine.compare(plan, numbers, values) : null,
    });
  }

  let queue = Promise.resolve();
  return (message) => {
    if (message.kind === "open") {
      ({ plan, numbers } = message);
    } else if (message.kind === "run") {
      newest = message.version;
      queue = queue.then(() => run(message)).catch((error) => post({ kind: "failed", message: String(error) }));
    } else if (message.kind === "get") {
      const ready = complete === message.version;
      post({ kind: "got", id: message.id, version: message.version, values: ready && values[message.step] ? values[message.step].slice() : null });
    }
  };
}
