// Reads {scripts, cases} from stdin, runs the page's own arithmetic in node, and writes what it gives.
const fs = require("fs");
const { scripts, cases } = JSON.parse(fs.readFileSync(0, "utf-8"));
const { Engine, Trace } = new Function(scripts.map((path) => fs.readFileSync(path, "utf-8")).join("\n") + ";return { Engine, Trace };")();

async function one({ said, numbers: text, places }) {
  const numbers = await Engine.decode(text), values = {}, [at, count] = said.pixels;
  values[-1] = Engine.normalise(said, numbers.subarray(at, at + count), numbers);
  await Engine.run(said, numbers, values);
  const traced = (places || []).map(([index, place]) => {
    const step = said.steps[index];
    return Trace.of(step, step.inputs.map((j) => values[j]), place, numbers).value;
  });
  return {
    values: said.steps.map((_, i) => Array.from(values[i])), traced, comparison: Engine.compare(said, numbers, values),
    probabilities: Engine.probabilities(said, values[said.steps.length - 1]),
  };
}

(async () => process.stdout.write(JSON.stringify(await Promise.all(cases.map(one)))))();
