/** `npm run demo`: from nothing to a trained, compiled, measured and shipped network, and two published ones. Under 90 seconds. */

import {
  build,
  compile,
  describe,
  initializeWeights,
  interpret,
  load,
  type Network,
  type Weights,
} from "@depthwise/core";
import { families, listVariants } from "@depthwise/core/networks";
import { handleSignals } from "./command_line/interruption.ts";
import { type Progress, startProgress } from "./command_line/progress.ts";
import { bytes, count, milliseconds, significant } from "./command_line/quantities.ts";
import { type Column, table } from "./command_line/table.ts";
import { paletteOf, print } from "./command_line/terminal.ts";
import { classifiedText } from "./demo/classify_shapes.ts";
import { type Trained, trainShapes } from "./demo/train_shapes.ts";
import { writtenText } from "./demo/write_module.ts";
import { zooText } from "./demo/zoo_table.ts";
import { type Measurement, measureModels } from "./measuring/measure_models.ts";
import { dominantLayersText, measurementsText, slowestLayersText } from "./measuring/measurement_text.ts";

const shown = ["mobilenet_v2_1.0_224", "squeezenet_1.1"];
/** What float32 sums in another order may differ by; the tests hold every network to it. */
const agreement = 1e-4;
/** Layers shown of each network. */
const layersShown = 6;

/** A network, compiled and interpreted on the same picture. */
interface Checked {
  readonly network: Network;
  readonly weights: Weights;
  readonly moduleBytes: number;
  readonly interpreterMilliseconds: number;
  /** Largest difference between the two outputs, over the largest absolute value of the interpreter's. */
  readonly difference: number;
}

const { bold, dim } = paletteOf(process.stdout);

function networksText(): string {
  const progress = startProgress("building the headline networks");
  const all = Object.values(families);
  const rows = all.map(({ name, title, paper }, i) => {
    progress.update(i, all.length, title);
    const variants = listVariants(name);
    const costs = variants.map((variant) => variant.published.macs).filter((macs) => macs !== undefined);
    const range = costs.length === 0 ? "" : `${count(Math.min(...costs))} to ${count(Math.max(...costs))}`;
    return {
      name,
      title,
      variants: String(variants.length),
      macs: range,
      paper: paper.match(/arXiv:[\d.]+/)?.[0] ?? "",
    };
  });
  progress.end();
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { title: "family", value: ({ name }) => name },
    { title: "", value: ({ title }) => title },
    { title: "variants", align: "right", value: ({ variants }) => variants },
    { title: "published MACs", align: "right", value: ({ macs }) => macs },
    { title: "paper", value: ({ paper }) => paper },
  ];
  return table(columns, rows, dim);
}

/** Runs a network by the plain interpreter and as a compiled module, on the same numbers. */
async function check(name: string): Promise<Checked> {
  const network = build(name);
  const weights = initializeWeights(network.graph, 0);
  const [height = 0, width = 0, channels = 0] = describe(network).input;
  // A smooth picture: waves across it, other ones in each channel.
  const input = Float32Array.from({ length: height * width * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    return Math.sin((pixel % width) / 9 + (i % channels)) + Math.cos(Math.floor(pixel / width) / 7);
  });
  const compiled = compile(network, { weights });
  const model = await load(compiled);
  const { output } = model.run({ input });
  model.dispose();
  const progress: Progress = startProgress(`interpreting ${name}`);
  const start = performance.now();
  const expected = interpret(
    network.graph,
    weights,
    { input },
    {
      onNode: (node, index, nodes) => progress.update(index + 1, nodes, node.name),
    },
  ).outputs.output;
  const interpreterMilliseconds = performance.now() - start;
  progress.end();
  return {
    network,
    weights,
    moduleBytes: compiled.bytes.length - compiled.manifest.weightBytes,
    interpreterMilliseconds,
    difference: relativeDifference(expected?.data as Float32Array, output as Float32Array),
  };
}

function relativeDifference(expected: Float32Array, actual: Float32Array): number {
  let largest = 0;
  let difference = 0;
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value));
    difference = Math.max(difference, Math.abs(value - (actual[i] as number)));
  }
  return difference / largest;
}

function checkedText(checked: readonly Checked[]): string {
  const columns: readonly Column<Checked>[] = [
    { title: "network", value: ({ network }) => network.name },
    { title: "parameters", align: "right", value: ({ network }) => count(describe(network).parameters) },
    { title: "MACs", align: "right", value: ({ network }) => count(describe(network).macs) },
    { title: "module", align: "right", value: ({ moduleBytes }) => bytes(moduleBytes) },
    { title: "interpreter", align: "right", value: (each) => milliseconds(each.interpreterMilliseconds) },
    { title: "largest relative difference", align: "right", value: ({ difference }) => difference.toExponential(1) },
  ];
  return table(columns, checked, dim);
}

async function measure(subjects: readonly Trained[]): Promise<readonly Measurement[]> {
  const progress = startProgress("measuring");
  const measurements = await measureModels(subjects, {
    runs: 30,
    layers: true,
    onProgress: (done, total, what) => progress.update(done, total, what),
  });
  progress.end();
  return measurements;
}

handleSignals();

print(`${bold("1. The networks: ten families as their papers define them")}\n`);
print(networksText());

print(`\n${bold("2. A small one learns ten shapes, drawn on the fly, in about half a minute")}`);
print(
  dim(
    "MobileNet at a quarter of its width, five layers left out: forward, backward and optimiser are one compiled module.\n",
  ),
);
const trained = await trainShapes();

print(`\n${bold("3. Compiled, it classifies pictures that were never drawn before")}\n`);
print(await classifiedText(trained, dim));

print(`\n${bold("4. Two published networks compiled, and checked against the plain interpreter")}`);
print(
  dim("Weights are drawn from seed 0. The interpreter is the specification: plain loops, sums in double precision.\n"),
);
const checked: Checked[] = [];
for (const name of shown) checked.push(await check(name));
print(checkedText(checked));
if (checked.every(({ difference }) => difference <= agreement)) print(`Both agree within ${agreement}.`);
else {
  print(`They do not agree within ${agreement}: this is a bug in Depthwise, please report it.`);
  process.exitCode = 1;
}

print(`\n${bold("5. All three measured on this machine, in turns with the ceiling of its 128-bit multiply-adds")}\n`);
const subjects = [trained, ...checked];
const measurements = await measure(subjects);
const measured = measurements.map((measurement, i) => ({
  measurement,
  network: (subjects[i] as Trained).network,
  label: i === 0 ? "shapes" : measurement.name,
}));
print(measurementsText(measured));
for (const [i, { name, interpreterMilliseconds }] of checked
  .map((each) => ({ ...each, name: each.network.name }))
  .entries()) {
  const median = (measurements[i + 1] as Measurement).milliseconds.median;
  print(`${name}: ${significant(interpreterMilliseconds / median)} times as fast as the interpreter`);
}

print(`\n${bold(`6. Where the time goes: the ${layersShown} slowest layers`)}`);
for (const each of measured.slice(1)) print(`\n${dominantLayersText(each)}\n\n${slowestLayersText(each, layersShown)}`);

print(`\n${bold("7. The zoo: one network of each family, trained on CIFAR-10")}\n`);
print(await zooText(dim));
print(dim("Accuracy on the 10,000 test pictures, from the training records; `npm run accuracy` measures it again."));

print(`\n${bold("8. The network of step 2 as files that need nothing else, in Node, pages and workers")}\n`);
print(await writtenText(trained, dim));

print(`
${bold("Next")}
  npm run depthwise -- train YOUR_FOLDER --model mobilenet_v2_0.5_128 -o yours.safetensors
  npm run depthwise -- describe mobilenet_v2_1.0_224            ${dim("# what it costs, layer by layer")}
  npm run depthwise -- bench mobilenet_v2_1.0_224 --layers      ${dim("# every layer's time")}
  npm run depthwise -- classify mobilenet_v2_cifar photo.jpg    ${dim("# with the zoo's weights: ten classes")}
  npm run depthwise -- classify mobilenet_v2_1.0_224 --weights FILE photo.jpg
  npm run depthwise -- --help`);
