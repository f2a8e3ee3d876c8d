import { drawPanels } from "../plot/draw_panels.ts";
import { drawPlot } from "../plot/draw_plot.ts";
import type { Finding, PagePart, PageSection } from "../plot/page.ts";
import { figure, type LabOptions, type LabReport, type LabResult } from "./lab.ts";
import {
  type ManifoldActivation,
  type ManifoldEstimates,
  type ManifoldFigures,
  manifoldActivations,
  manifoldDimensions,
  manifoldEstimates,
  spiral,
  travel,
} from "./manifold.ts";
import type { Estimate } from "./statistics.ts";
import { listed, percent } from "./words.ts";

/** Options of the manifold's lab. */
export interface ManifoldOptions extends LabOptions {
  /** Matrices T that are drawn for each n. Default 100. */
  readonly seeds?: number | undefined;
  /** The n that are tried. Default: the paper's 2, 3, 5, 15, 30. */
  readonly dimensions?: readonly number[] | undefined;
}

/** Many spirals through one n and one activation. */
export interface ManifoldRow {
  readonly activation: ManifoldActivation;
  readonly dimensions: number;
  readonly estimates: ManifoldEstimates;
  /** One a seed. */
  readonly samples: readonly ManifoldFigures[];
}

export type ManifoldResult = LabResult<"manifold", readonly ManifoldRow[]>;

/** Figure 1 of MobileNetV2, and the numbers that belong to it. Nothing is timed: every device gives the same. */
export async function runManifold(options: ManifoldOptions): Promise<ManifoldResult> {
  const { seeds = 100, dimensions = manifoldDimensions, onProgress = () => {}, signal } = options;
  const start = performance.now();
  const rows: ManifoldRow[] = [];
  const total = manifoldActivations.length * dimensions.length;
  for (const activation of manifoldActivations) {
    for (const n of dimensions) {
      signal?.throwIfAborted();
      onProgress(rows.length / total, `${activation}, n = ${n}`);
      rows.push({ activation, dimensions: n, ...manifoldEstimates(n, activation, seeds) });
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
  }
  return {
    lab: "manifold",
    format: 1,
    device: options.device,
    settings: { seeds, dimensions },
    seconds: (performance.now() - start) / 1000,
    findings: findingsOf(rows),
    figures: rows.flatMap((row) =>
      Object.entries(row.estimates).map(([name, estimate]: [string, Estimate]) =>
        figure(`${row.activation}/n=${row.dimensions}/${name}`, "share", estimate),
      ),
    ),
    data: rows,
    samples: [],
  };
}

/** The paper's "n = 2, 3" and "n = 15 to 30". */
const few = 3;
const many = 15;

function findingsOf(rows: readonly ManifoldRow[]): readonly Finding[] {
  const relu = rows.filter(({ activation }) => activation === "relu");
  const low = relu.filter(({ dimensions }) => dimensions <= few);
  const high = relu.filter(({ dimensions }) => dimensions >= many);
  const say = (chosen: readonly ManifoldRow[]) =>
    listed(chosen.map(({ dimensions, estimates }) => `${percent(estimates.collapsed.value)} for n = ${dimensions}`));
  const findings: Finding[] = [];
  if (low.length > 0) {
    // A tenth of all points is what one sees at once in the paper's picture.
    const holds = low.every(({ estimates }) => estimates.collapsed.low > 0.1);
    findings.push({
      verdict: holds ? "yes" : "no",
      word: holds ? "reproduced" : "not reproduced",
      text: `Few dimensions lose information to ReLU: it makes points of the spiral collapse into others, ${say(low)}.`,
    });
  }
  if (high.length > 0) {
    const holds = high.every(({ estimates }) => estimates.collapsed.high < 0.02);
    findings.push({
      verdict: holds ? "yes" : "no",
      word: holds ? "reproduced" : "not reproduced",
      text: `Many dimensions keep it: ${say(high)} collapse, and ${listed(high.map(({ estimates }) => percent(estimates.neighbours.value)))} of the nearest neighbours stay.`,
    });
  }
  const bottleneck = rows.filter(({ activation }) => activation === "none");
  if (bottleneck.length > 0) {
    const worst = Math.max(...bottleneck.map(({ estimates }) => estimates.error.value));
    findings.push({
      verdict: worst < 1e-9 ? "yes" : "no",
      word: worst < 1e-9 ? "exact" : "not exact",
      text: "Without an activation, as in the linear bottleneck, the spiral comes back as it was in every n.",
    });
  }
  return findings;
}

const activationWords: { readonly [A in ManifoldActivation]: string } = {
  relu: "ReLU",
  none: "none (linear bottleneck)",
  relu6: "ReLU6",
  hard_swish: "hard-swish",
};

/** ReLU6's pictures and lines would be ReLU's; the linear bottleneck's pictures all the spiral itself. */
const drawn: readonly ManifoldActivation[] = ["relu", "none", "hard_swish"];

const plotted: readonly { readonly name: keyof ManifoldFigures; readonly title: string; readonly label: string }[] = [
  { name: "collapsed", title: "Collapsed points", label: "share of the points" },
  { name: "neighbours", title: "Neighbours that stay neighbours", label: "share of the eight nearest" },
  { name: "fittedError", title: "Error that no affine map repairs", label: "relative to the spiral" },
];

/** The report of a result. */
export function manifoldReport({ data, findings, settings }: ManifoldResult): LabReport {
  return {
    title: "What an activation does to a manifold",
    lead:
      `Figure 1 of MobileNetV2 (arXiv:1801.04381): a spiral in the plane goes into n dimensions by a random matrix T, through an activation, and back by T's pseudo-inverse. ` +
      `Numbers are means over ${settings.seeds} matrices, with where the mean over as many others would come out.`,
    sections: [
      {
        heading: "The pictures",
        parts: ["relu" as const, "hard_swish" as const].flatMap((activation) => pictureOf(activation, data)),
      },
      {
        heading: "The numbers",
        parts: [{ kind: "findings", findings }, ...plotted.map((each) => plotOf(each, data)), tableOf(data)],
      },
      definitions,
    ],
  };
}

function rowsOf(activation: ManifoldActivation, data: readonly ManifoldRow[]): readonly ManifoldRow[] {
  return data.filter((row) => row.activation === activation);
}

/** The matrix of the pictures: the first one that is drawn. */
const pictureSeed = 0;
/** Colours along the spiral, from its centre outwards. */
const stretches = 6;

function pictureOf(activation: ManifoldActivation, data: readonly ManifoldRow[]): readonly PagePart[] {
  const rows = rowsOf(activation, data);
  if (rows.length === 0) return [];
  const panels = [
    { title: "the spiral", points: spiral() },
    ...rows.map(({ dimensions }) => ({
      title: `n = ${dimensions}`,
      points: travel(dimensions, activation, pictureSeed).points,
    })),
  ];
  return [
    {
      kind: "figure",
      caption: `${activationWords[activation]}, matrix of seed ${pictureSeed}; colours follow the spiral outwards.`,
      draw: (width) => drawPanels({ title: activationWords[activation], width, panels, colours: stretches }),
    },
  ];
}

function plotOf({ name, title, label }: (typeof plotted)[number], data: readonly ManifoldRow[]): PagePart {
  return {
    kind: "figure",
    draw: (width) =>
      drawPlot({
        title,
        width,
        height: 260,
        x: {
          label: "n, dimensions of the embedding",
          kind: "log",
          format: String,
          ticks: [...new Set(data.map(({ dimensions }) => dimensions))],
        },
        y: { label, fromZero: true },
        series: drawn.map((activation) => ({
          name: activationWords[activation],
          kind: "line" as const,
          points: rowsOf(activation, data).map(({ dimensions, estimates }) => ({
            x: dimensions,
            y: estimates[name].value,
            low: estimates[name].low,
            high: estimates[name].high,
          })),
        })),
      }),
  };
}

function tableOf(data: readonly ManifoldRow[]): PagePart {
  const share = ({ value, low, high }: Estimate) => `${percent(value)} ± ${percent((high - low) / 2)}`;
  const plain = ({ value, low, high }: Estimate) => `${value.toFixed(3)} ± ${((high - low) / 2).toFixed(3)}`;
  return {
    kind: "table",
    columns: [
      { title: "activation" },
      { title: "n", align: "right" },
      { title: "collapsed", align: "right" },
      { title: "neighbours", align: "right" },
      { title: "error", align: "right" },
      { title: "after affine fit", align: "right" },
      { title: "activated", align: "right" },
    ],
    rows: data.map(({ activation, dimensions, estimates }) => [
      activationWords[activation],
      String(dimensions),
      share(estimates.collapsed),
      share(estimates.neighbours),
      plain(estimates.error),
      plain(estimates.fittedError),
      share(estimates.activated),
    ]),
  };
}

const definitions: PageSection = {
  heading: "What is counted",
  parts: [
    {
      kind: "text",
      text: "Collapsed: points that have another point from which the activation left less than a hundredth of their distance in the n dimensions, so that no decoder can tell them apart. Neighbours kept: of a point's eight nearest, those that are among its eight nearest in the plane afterwards.",
    },
    {
      kind: "text",
      text: "Error: root mean square of what came back minus what went in, over the root mean square of what went in. ReLU halves what it lets through on average, so the error does not go below a half; the error after the best affine map leaves that out. For n = 2 the mean is ruled by the few matrices that are nearly singular.",
    },
    {
      kind: "text",
      text: "Activated: coordinates on which the activation has a slope. The spiral's outer end is at distance 1 and T is normally distributed, so hardly any coordinate reaches 6: ReLU6 is ReLU here; and hardly any lies below −3, where hard-swish is flat.",
    },
  ],
};
