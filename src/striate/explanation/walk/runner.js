// Talks to the net, in a worker where the browser has one: runs, asks for values, and drops what is out of date.
"use strict";
const Runner = (() => {
  const asked = new Map();
  let send = null, version = 0, ids = 0, busy = false, waiting = null, on = {};

  function start(plan, numbers, handlers) {
    on = handlers;
    try {
      const source = ["engine", "worker"].map((id) => document.getElementById(id).textContent).join("\n");
      const url = URL.createObjectURL(new Blob([source, "\nconst serve = makeServer((m) => postMessage(m)); onmessage = (e) => serve(e.data);"], { type: "text/javascript" }));
      const worker = new Worker(url);
      worker.onmessage = (event) => receive(event.data);
      worker.onerror = (event) => receive({ kind: "failed", message: event.message || "The browser does not let this page compute beside itself." });
      send = (message) => worker.postMessage(message);
    } catch (error) { // no worker: the same beside the page's own work
      const serve = makeServer((message) => setTimeout(() => receive(message)));
      send = (message) => serve(message);
    }
    send({ kind: "open", plan, numbers });
  }

  function receive(message) {
    if (message.kind === "got") {
      const resolve = asked.get(message.id);
      asked.delete(message.id);
      resolve(message.version === version ? message.values : null);
    } else if (message.kind === "progress") {
      on.progress(message.done, message.total);
    } else if (message.kind === "failed") {
      busy = false;
      on.failed(message.message);
    } else {
      busy = false;
      const next = waiting;
      waiting = null;
      if (message.kind === "ran" && message.version === version) on.ran(message);
      if (next) go(next);
    }
  }

  function go(request) {
    busy = true;
    version++;
    send({ kind: "run", version, ...request });
  }

  // One run at a time; of those that are asked for meanwhile only the last is done, from the first layer that changed.
  function run(request) {
    if (!busy) return go(request);
    const before = waiting || {};
    waiting = { ...before, ...request, from: Math.min(before.from ?? Infinity, request.from) };
  }

  // The values of a step as they are now; null where they are being computed.
  function values(step) {
    return new Promise((resolve) => {
      asked.set(++ids, resolve);
      send({ kind: "get", id: ids, step, version });
    });
  }

  return { start, run, values, isBusy: () => busy };
})();
