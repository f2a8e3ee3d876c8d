import { describe, type Network } from "@depthwise/core";
import { bytes, milliseconds, percent, significant } from "../command_line/quantities.ts";
import { type Column, table } from "../command_line/table.ts";
import { paletteOf } from "../command_line/terminal.ts";
import type { LayerTime, Measurement } from "./measure_models.ts";

/** A measurement and what it is of. */
export interface Measured {
  readonly measurement: Measurement;
  readonly network: Network;
  /** The network as it was asked for. */
  readonly label: string;
}

/** A table of measurements, a line a model. */
export function measurementsText(measured: readonly Measured[]): string {
  const columns: readonly Column<Measured>[] = [
    { title: "model", value: ({ label }) => label },
    { title: "threads", align: "right", value: ({ measurement: { threads } }) => String(threads) },
    { title: "median", align: "right", value: ({ measurement }) => milliseconds(measurement.milliseconds.median) },
    { title: "min", align: "right", value: ({ measurement }) => milliseconds(measurement.milliseconds.min) },
    { title: "p90", align: "right", value: ({ measurement }) => milliseconds(measurement.milliseconds.p90) },
    { title: "GMAC/s", align: "right", value: ({ measurement }) => significant(measurement.gigamacsPerSecond) },
    { title: "of ceiling", align: "right", value: ({ measurement }) => percent(measurement.shareOfPeak) },
    { title: "module", align: "right", value: ({ measurement }) => bytes(measurement.moduleBytes) },
    { title: "weights", align: "right", value: ({ measurement }) => bytes(measurement.weightBytes) },
    { title: "arena", align: "right", value: ({ measurement }) => bytes(measurement.arenaBytes) },
    { title: "compile", align: "right", value: ({ measurement }) => milliseconds(measurement.compileMilliseconds) },
    { title: "first run", align: "right", value: ({ measurement }) => milliseconds(measurement.firstRunMilliseconds) },
  ];
  return table(columns, measured, paletteOf(process.stdout).dim);
}

/** What to say of layers that are faster than their multiply-accumulates could be. */
export const aboveTheCeiling: string =
  "  above 100 %: 3x3, 1x3 and 3x1 convolutions by minimal filtering, which multiplies less often than MACs count (arXiv:1509.09308)";

/** A layer with its kind, as people think of it. */
interface KindedLayer extends LayerTime {
  readonly kind: string;
}

/** Every layer's time, and which of them dominate. */
export function layersText(measured: Measured): string {
  return `${layerTable(kindedLayers(measured), measured)}\n\n${dominantLayersText(measured)}`;
}

/** The slowest layers' times alone, slowest first. */
export function slowestLayersText(measured: Measured, most: number): string {
  return layerTable(slowestOf(kindedLayers(measured), most), measured);
}

function layerTable(layers: readonly KindedLayer[], { measurement }: Measured): string {
  const peak = measurement.peakGigamacsPerSecond * measurement.threads;
  const most = Math.max(...layers.map(({ share }) => share));
  const columns: readonly Column<KindedLayer>[] = [
    { title: "layer", value: ({ name }) => name },
    { title: "kind", value: ({ kind }) => kind },
    { title: "time", align: "right", value: (layer) => milliseconds(layer.milliseconds) },
    { title: "share", align: "right", value: ({ share }) => percent(share) },
    { title: "GMAC/s", align: "right", value: (layer) => unlessZero(layer.gigamacsPerSecond, significant) },
    { title: "of ceiling", align: "right", value: (layer) => unlessZero(layer.gigamacsPerSecond / peak, percent) },
    { title: "", value: ({ share }) => "#".repeat(Math.round((barWidth * share) / most)) },
  ];
  return table(columns, layers, paletteOf(process.stdout).dim);
}

function slowestOf(layers: readonly KindedLayer[], most: number): readonly KindedLayer[] {
  return layers.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, most);
}

const barWidth = 24;

function unlessZero(value: number, format: (value: number) => string): string {
  return value === 0 ? "" : format(value);
}

/** Layers told by name among those that dominate. */
const mostNamed = 5;

/** Where the time goes: by kind of layer, and the slowest layers. */
export function dominantLayersText(measured: Measured): string {
  const layers = kindedLayers(measured);
  const shares = new Map<string, number>();
  for (const { kind, share } of layers) shares.set(kind, (shares.get(kind) ?? 0) + share);
  const kinds = [...shares].sort(([, a], [, b]) => b - a).map(([kind, share]) => `${kind} ${percent(share)}`);
  const slowest = slowestOf(layers, mostNamed);
  const names = slowest.map(
    ({ name, share, ...layer }) => `${name} ${milliseconds(layer.milliseconds)} (${percent(share)})`,
  );
  const together = slowest.reduce((sum, { share }) => sum + share, 0);
  const { peakGigamacsPerSecond, threads } = measured.measurement;
  const isAbove = layers.some(({ gigamacsPerSecond }) => gigamacsPerSecond > peakGigamacsPerSecond * threads);
  return [
    paletteOf(process.stdout).bold(measured.label),
    `  time by kind: ${kinds.join(", ")}`,
    `  ${slowest.length} of ${layers.length} layers take ${percent(together)}: ${names.join(", ")}`,
    ...(isAbove ? [aboveTheCeiling] : []),
  ].join("\n");
}

function kindedLayers({ measurement, network }: Measured): readonly KindedLayer[] {
  const kinds = new Map(describe(network).layers.map((layer) => [layer.name, kindOf(layer)]));
  return (measurement.layers ?? []).map((layer) => ({
    ...layer,
    // What a layer took in is told after its own name: "stem+norm+relu6".
    kind: kindOfStep(layer, kinds),
  }));
}

/** `depthwise 3x3`, `pointwise`, `convolution 7x7`, `max pool`. */
/** Several layers that run band by band are a kind of their own. */
function kindOfStep({ name, op }: LayerTime, kinds: ReadonlyMap<string, string>): string {
  if (op === "bands") return "blocks in bands";
  return kinds.get(name.split("+")[0] as string) ?? op.replaceAll("_", " ");
}

function kindOf({ op, kernel, groups, input }: ReturnType<typeof describe>["layers"][number]): string {
  if (op !== "convolution" || kernel === null) return op.replaceAll("_", " ");
  const size = kernel.join("x");
  if (groups !== null && groups > 1) return groups === input.at(-1) ? `depthwise ${size}` : `grouped ${size}`;
  return size === "1x1" ? "pointwise" : `convolution ${size}`;
}
