/* The model within the page: ONNX Runtime's WebAssembly, the graph, and the golden images that it checks itself by. */

const embedded = async (id) => {
  const text = document.getElementById(id).textContent.trim();
  const packed = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
};

const connect = async (about) => {
  env.wasm.numThreads = 1;
  env.wasm.proxy = false;
  env.logLevel = "error";
  env.wasm.wasmBinary = await embedded("wasm");
  const session = await InferenceSession.create(await embedded("model"), { executionProviders: ["wasm"] });
  let last = Promise.resolve();
  const alone = (work) => (last = last.then(work, work));  // the runtime does one thing at a time

  /* pixels: uint8 (n, h, w, c) → [{probabilities, known}] */
  const run = (pixels, shape) => alone(async () => {
    const made = await session.run({ images: new Tensor("uint8", pixels, shape) });
    const k = about.classes.length;
    return Array.from({ length: shape[0] }, (_, i) => ({
      probabilities: made.probabilities.data.slice(i * k, (i + 1) * k),
      known: made.known ? Boolean(made.known.data[i]) : null,
    }));
  });

  const check = async () => {
    const { shape, probabilities } = about.golden;
    const [n, h, w, c] = shape, k = about.classes.length, size = h * w * c;
    const images = await embedded("golden");
    let right = 0, largest = 0;
    for (let start = 0; start < n; start += 8) {
      const stop = Math.min(n, start + 8);
      const rows = await run(images.slice(start * size, stop * size), [stop - start, h, w, c]);
      rows.forEach((row, i) => {
        let most = 0;
        for (let j = 0; j < k; j++) {
          const away = Math.abs(row.probabilities[j] - probabilities[(start + i) * k + j]);
          most = Number.isFinite(away) ? Math.max(most, away) : Infinity;
        }
        largest = Math.max(largest, most);
        right += most <= about.tolerance ? 1 : 0;
      });
    }
    return { right, total: n, largest };
  };

  const answer = async (canvas) => {
    const { width, height } = canvas;
    const pixels = rgb(canvas);
    return (await run(pixels, [1, height, width, 3]))[0];
  };
  return { answer, run, check };
};
