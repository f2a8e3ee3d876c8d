import {
  build,
  compile,
  type Description,
  describe,
  describeConnections,
  familyOf,
  formatShape,
  type ListedVariant,
  listVariants,
  type Network,
} from "depthwise";

/** The ten families: title, paper, number of variants, and what the cheapest and the dearest of them cost. */
export function families(): string {
  const variants = listVariants();
  const names = [...new Set(variants.map(({ family }) => family))];
  const rows = names.map((name) => {
    const own = variants.filter(({ family }) => family === name);
    const macs = own.map((variant) => describe(build(variant.name)).macs);
    const { title, paper } = familyOf(name);
    const [, id = ""] = /arXiv:(\d{4}\.\d{5})/.exec(paper) ?? [];
    return [
      `[${title}](/families/${name})`,
      `[arXiv:${id}](https://arxiv.org/abs/${id})`,
      String(own.length),
      `${millions(Math.min(...macs))} to ${millions(Math.max(...macs))}`,
    ];
  });
  return markdownTable(["family", "paper", "variants", "million MACs"], rows);
}

/** A family's variants: what they cost, exactly, and what was published; why they differ stands below. */
export function variantTable(family: string): string {
  const reasons: string[] = [];
  const rows = listVariants(familyOf(family).name).map((variant) => {
    const { input, parameters, macs } = describe(build(variant.name));
    const { published } = variant;
    return [
      `\`${variant.name}\`${marks(variant, reasons)}`,
      formatShape(input),
      thousands(parameters),
      published.parameters === undefined ? "" : millions(published.parameters),
      thousands(macs),
      published.macs === undefined ? "" : millions(published.macs),
      published.top1 === undefined ? "" : published.top1.toFixed(1),
    ];
  });
  const titles = ["variant", "input", "parameters", "published, M", "MACs", "published, M", "top-1, %"];
  const notes = reasons.map((reason, index) => `${index + 1}. ${reason}`);
  return [markdownTable(titles, rows), "", ...notes].join("\n");
}

/** Numbers of the notes that a variant needs; a note that was not there is added. */
function marks({ published, reconstructed }: ListedVariant, reasons: string[]): string {
  const own = [
    ...(published.difference === undefined ? [] : [published.difference]),
    ...(reconstructed === undefined ? [] : [`Reconstructed: ${reconstructed}`]),
  ];
  const numbers = own.map((reason) => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return reasons.indexOf(reason) + 1;
  });
  return numbers.length === 0 ? "" : ` <sup>${numbers.join(", ")}</sup>`;
}

/** Paths of every block. */
export function connectionsTable(network: Network): string {
  const rows = describeConnections(network.graph).map((block) => [
    `\`${block.block}\``,
    `${block.inputs} → ${block.outputs}`,
    block.minPaths === block.maxPaths ? String(block.minPaths) : `${block.minPaths} to ${block.maxPaths}`,
    block.complementary ? "yes" : "no",
    block.superchannels === undefined ? "" : String(block.superchannels),
    `${(100 * block.unconnectedShare).toFixed(0)} %`,
  ]);
  const titles = ["block", "channels", "paths", "complementary", "super-channels", "pairs without a path"];
  return markdownTable(titles, rows);
}

/** ShuffleNet V2's guidelines as numbers of real networks. */
export function guidelineTable(networks: readonly Network[]): string {
  const rows = networks.map((network) => {
    const description = describe(network);
    return [
      `\`${network.name}\``,
      `${overBound(description).toFixed(2)}×`,
      largestGroups(description),
      description.fragmentation.toFixed(2),
      `${(100 * description.elementwiseMemoryShare).toFixed(0)} %`,
      description.arithmeticIntensity.toFixed(2),
    ];
  });
  const titles = ["network", "1: of the bound", "2: groups", "3: fragments a block", "4: elementwise", "MACs a byte"];
  return markdownTable(titles, rows);
}

/** Bytes that the 1x1 convolutions access, over the least that would do. */
function overBound({ layers }: Description): number {
  const pointwise = layers.filter(({ lowerBoundBytes }) => lowerBoundBytes !== undefined);
  const sum = (of: (layer: (typeof layers)[number]) => number) => pointwise.reduce((all, layer) => all + of(layer), 0);
  return sum(({ memoryAccessBytes }) => memoryAccessBytes) / sum(({ lowerBoundBytes = 0 }) => lowerBoundBytes);
}

/** The most groups of a convolution that is not depthwise. */
function largestGroups({ layers }: Description): string {
  const groups = layers.flatMap(({ groups, input }) => (groups === null || groups === input.at(-1) ? [] : [groups]));
  return String(Math.max(1, ...groups));
}

/** Nodes left after each pass. */
export function passesTable(network: Network): string {
  const rows: string[][] = [];
  let before = network.graph.nodes.length;
  compile(network, {
    onPass: ({ pass, changed, program }) => {
      const after = program.graph.nodes.length;
      rows.push([pass, changed ? `${before} → ${after}` : "unchanged"]);
      before = after;
    },
  });
  return markdownTable(["pass", "nodes"], rows);
}

function millions(count: number): string {
  return String(Number((count / 1e6).toPrecision(4)));
}

function thousands(count: number): string {
  return count.toLocaleString("en-US");
}

function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const isNumber = (column: number) => rows.every((row) => /^[\d.,%×\s]*$/.test(row[column] ?? ""));
  return [line(titles), line(titles.map((_, column) => (isNumber(column) ? "---:" : "---"))), ...rows.map(line)].join(
    "\n",
  );
}
