// What the page says in words: what each kind of layer does, and how channels and units are called.
"use strict";
const Told = (() => {
  const product = (shape) => shape.join(" × ");
  const WORDS = {
    conv: (s) => `Each of the ${s.shape[0]} filters looks through a window of ${s.rows[0]} × ${s.columns[0]} at ${s.groups === s.in_shapes[0][0] ? "one channel" : `${s.in_shapes[0][0] / s.groups} channels`}, multiplies what it sees with its kernel, adds the products up, and adds its bias. The same kernel moves over the whole picture.`,
    fc: (s) => `Each of the ${s.shape[0]} units has a weight for every one of its ${Draw.count(product_of(s.in_shapes[0]))} inputs: input × weight is a vote, and the unit is the sum of all votes and its bias.`,
    maxpool: (s) => `The largest number in each window of ${s.rows[0]} × ${s.columns[0]}: what was found is kept, where exactly is let go.`,
    avgpool: (s) => `The mean of each window of ${s.rows[0]} × ${s.columns[0]}; padding is not counted.`,
    globalmax: () => "The largest number of each whole map: was it found anywhere?",
    globalavg: () => "The mean of each whole map: how much of it is there?",
    bn: () => "Each channel is shifted and scaled by what was usual in training: (x − mean) / √(variance + ε), then a learned gain and bias.",
    ln: () => "At each position the channels are brought to mean 0 and variance 1, then a learned gain and bias.",
    lrn: () => "Each number is divided by what its neighbouring channels are at the same place: strong ones subdue weak ones.",
    relu: () => "Negative numbers become 0, others stay: only what was found is passed on.",
    relu6: () => "Negative numbers become 0, those above 6 become 6.",
    leakyrelu: (s) => `Negative numbers are multiplied by ${s.slope}, others stay.`,
    tanh: () => "Squeezes every number between −1 and 1.",
    sigmoid: () => "Squeezes every number between 0 and 1: how far a gate is open.",
    gelu: () => "x times the share of a normal distribution below x: like ReLU, with a soft corner.",
    silu: () => "x · sigmoid(x): like ReLU, with a soft corner.",
    step: () => "1 where the number is above 0, else 0.",
    scale: (s) => `Every number times ${s.factor}.`,
    layerscale: () => "Each channel times a learned number.",
    identity: () => "Works in training only, where it drops numbers at random. Here everything passes as it is.",
    add: () => "Two ways through the net meet: their numbers are added, place by place.",
    multiply: () => "A gate: each number times how far its gate is open.",
    join: () => "The channels of several ways, one behind the other.",
    flatten: () => "All numbers in one row, channel by channel.",
    subsample: (s) => `Every ${s.stride}th pixel, and channels of zeros behind.`,
    softmax: () => "exp(x) over the sum of all exp(x): numbers become shares.",
    select: () => "The features that the classifier looks at, each brought to one scale by the training images.",
    spread: () => "Classes that had no training images get next to nothing.",
  };
  const product_of = (shape) => shape.reduce((a, b) => a * b, 1);
  const COLOURS = ["red", "green", "blue"];

  function about(step) {
    return WORDS[step.kind](step);
  }

  // How a channel of a step, or of the picture (−1), is called.
  function channel(plan, index, k) {
    const shape = index < 0 ? plan.input_shape : plan.steps[index].shape;
    if (index < 0) return shape[0] === 3 ? COLOURS[k] : shape[0] === 1 ? "gray" : `band ${k}`;
    if (isClasses(plan, index)) return plan.classes[k];
    return `${shape.length === 3 ? "map" : "unit"} ${k}`;
  }

  // Whether only single numbers are changed between a step and the end of the net.
  function ends(plan, index) {
    return plan.steps.slice(index + 1).every((step) => ["scale", "identity", "spread"].includes(step.kind));
  }

  // Whether a step's units are the classes.
  function isClasses(plan, index) {
    const { shape } = plan.steps[index];
    return shape.length === 1 && shape[0] === plan.classes.length && ends(plan, index);
  }

  // Where a number is, in words.
  function place(plan, index, at) {
    const name = channel(plan, index, at[0]), shape = index < 0 ? plan.input_shape : plan.steps[index].shape;
    return shape.length === 1 || shape[1] * shape[2] === 1 ? name : `${name}, row ${at[1]}, column ${at[2]}`;
  }

  const title = (plan, index) => (index < 0 ? "the picture" : index >= plan.steps.length ? "softmax" : plan.steps[index].layer.replace(/, init="[^"]*"/, ""));

  return { about, channel, isClasses, place, title, product };
})();
