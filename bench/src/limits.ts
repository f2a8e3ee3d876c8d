import { build, compile, type Description, describe, type Graph, graphBuilder, load } from "@depthwise/core";
import { type Ceiling, createCeiling } from "../../packages/core/src/compiler/measure_ceiling.ts";
import { timingWeights } from "../../packages/core/src/lab/timing_weights.ts";
import { alignColumns } from "./report.ts";

/** What bounds a network on one thread of this machine: shares, measured in turns in this process. */
export interface Limits {
  /** Of the ceiling that short stretches reach, what is left over a longer time: the system and its host take the rest. */
  readonly sustained: number;
  /** Of the sustained ceiling: the whole network. */
  readonly network: number;
  /** Of the sustained ceiling: the network, if every layer ran as it does by itself, over and over. */
  readonly alone: number;
  /** Different convolutions and linear layers, those with most work first. */
  readonly layers: readonly LayerLimit[];
}

type Layer = Description["layers"][number];

/** A layer by itself. */
export interface LayerLimit {
  /** The first of those that are equal. */
  readonly layer: string;
  /** Of the network's multiply-accumulates: all layers that equal this one. */
  readonly work: number;
  /** Of the sustained ceiling. */
  readonly alone: number;
}

const WARM_UP_MS = 400;
const TURN_MS = 8;
const NETWORK_TURNS = 50;
const LAYER_TURNS = 20;
/** Of most work: what a table shows. */
const SHOWN_LAYERS = 8;

/** Measures a network and each of its layers by itself, in turns with the ceiling over the same time. */
export async function measureLimits(model: string, onProgress: (text: string) => void): Promise<Limits> {
  const ceiling = await createCeiling();
  const subject = build(model);
  const { layers: all, macs } = describe(subject);
  const layers = all.filter((layer) => layer.macs > 0);
  onProgress(`${model}: limits`);
  const network = await shareOf(subject.graph, macs, ceiling, NETWORK_TURNS);
  const kinds = [...new Set(layers.map(shapeOf))].map((shape) => layers.filter((layer) => shapeOf(layer) === shape));
  const limits: LayerLimit[] = [];
  for (const [i, kind] of kinds.entries()) {
    const [first] = kind as [Layer, ...Layer[]];
    onProgress(`${model}: limits, layer ${i + 1} of ${kinds.length}`);
    const alone = await shareOf(layerAlone(first), first.macs, ceiling, LAYER_TURNS);
    limits.push({ layer: first.name, work: (kind.length * first.macs) / macs, alone: alone.share });
  }
  return { sustained: network.sustained, network: network.share, ...summarise(limits) };
}

/** The share of the whole, if every layer took the time that it takes by itself. */
export function summarise(layers: readonly LayerLimit[]): Pick<Limits, "alone" | "layers"> {
  const time = layers.reduce((sum, { work, alone }) => sum + work / alone, 0);
  return { alone: 1 / time, layers: layers.toSorted((a, b) => b.work - a.work) };
}

/** What decides how long a layer takes. */
function shapeOf({ op, kernel, stride, groups, input, output }: Layer): string {
  return JSON.stringify([op, kernel, stride, groups, input, output]);
}

function layerAlone({ op, kernel, stride, groups, input, output }: Layer): Graph {
  const builder = graphBuilder("alone");
  const x = builder.input("input", input);
  const channels = output.at(-1) as number;
  if (op === "linear") return builder.build({ output: builder.linear("layer", x, { channels, bias: true }) });
  const options = { channels, kernel: kernel ?? 1, stride: stride ?? 1, groups: groups ?? 1, bias: true };
  return builder.build({ output: builder.activation("activation", builder.convolution("layer", x, options), "relu") });
}

/** Multiply-accumulates a second over those of the ceiling, turn by turn; the copy of a picture aside. */
async function shareOf(
  graph: Graph,
  macs: number,
  ceiling: Ceiling,
  turns: number,
): Promise<{ readonly share: number; readonly sustained: number }> {
  using network = await load(compile(graph, { weights: timingWeights(graph), profile: true }));
  const runFor = (milliseconds: number): number => {
    const start = performance.now();
    let [spent, runs] = [0, 0];
    do {
      network.execute();
      for (const step of network.profile()) if (step.op !== "input") spent += step.milliseconds;
      runs++;
    } while (performance.now() - start < milliseconds);
    return (runs * macs) / spent / 1e6;
  };
  runFor(WARM_UP_MS);
  let [rate, sustained, best] = [0, 0, 0];
  for (let turn = 0; turn < turns; turn++) {
    rate += runFor(TURN_MS) / turns;
    sustained += ceiling.sustain(TURN_MS) / turns;
    best = Math.max(best, ceiling.measure());
  }
  return { share: rate / sustained, sustained: sustained / best };
}

/** A table for people. */
export function reportLimits({ sustained, network, alone, layers }: Limits): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const rows = layers
    .slice(0, SHOWN_LAYERS)
    .map((layer) => [layer.layer, "", percent(layer.work), percent(layer.alone)]);
  return [
    `  over a longer time this core gives ${percent(sustained)} of its ceiling; of these the network reaches ${percent(network)}, and ${percent(alone)} if every layer ran as by itself`,
    ...alignColumns([["layers with most work", "", "of the work", "by itself"], ...rows]).map((line) => `  ${line}`),
  ].join("\n");
}
