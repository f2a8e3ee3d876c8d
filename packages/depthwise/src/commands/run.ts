import {
  compile,
  FormatError,
  findNode,
  formatShape,
  interpret,
  isNode,
  load,
  OptionError,
  readSafetensors,
  type Shape,
  ShapeError,
  sameShape,
  type Tensor,
  tensor,
  toFloat32,
  writeSafetensors,
} from "@depthwise/core";
import { suggestion } from "@depthwise/core/networks";
import type { CommonOptions, Invocation, WeightsOptions } from "../command_line/invocation.ts";
import { parseModel, refuseRest } from "../command_line/model_argument.ts";
import { startProgress } from "../command_line/progress.ts";
import { milliseconds } from "../command_line/quantities.ts";
import { readBytes } from "../command_line/read_bytes.ts";
import { note, print, printJson } from "../command_line/terminal.ts";
import { checkCanWrite, writeFileWhole } from "../command_line/write_file_whole.ts";
import { type OpenedModel, openModel } from "../open_model.ts";

interface RunOptions extends CommonOptions, WeightsOptions {
  readonly input?: string;
  readonly output?: string;
  readonly keep?: readonly string[];
  readonly threads?: number;
  readonly wide?: boolean;
  readonly interpreter?: boolean;
}

/** What a run gave, and how long it took without loading and compiling. */
interface RunResult {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly milliseconds: number;
}

/** `depthwise run MODEL --input X --output Y`. */
export async function run(invocation: Invocation<RunOptions>): Promise<undefined> {
  const { options } = invocation;
  const { model, rest } = parseModel(invocation);
  refuseRest(rest, invocation.verb);
  const { input: from, output: to } = options;
  if (from === undefined || to === undefined)
    throw new OptionError(`run: --${from === undefined ? "input" : "output"} FILE is missing.`);
  if (to === "-" && options.json) throw new OptionError("run: --output - and --json both want stdout.");
  if (options.interpreter && (options.threads ?? 1) > 1) throw new OptionError("run: the interpreter has one thread.");
  if (to !== "-") await checkCanWrite(to);
  const opened = await openModel(model, options);
  checkKept(opened, options.keep ?? []);
  const input = await readInput(from, opened);
  const result = options.interpreter
    ? interpreted(opened, input, options.keep ?? [])
    : await compiled(opened, input, options);
  const file = writeSafetensors(result.tensors);
  if (to === "-") process.stdout.write(file);
  else await writeFileWhole(to, file);
  report(result, to, options.json ?? false);
}

/** @throws {OptionError} with the nearest name, for a value that the network does not have */
function checkKept({ network }: OpenedModel, keep: readonly string[]): void {
  const values = network.graph.nodes.filter((node) => !isNode(node, "parameter")).map(({ name }) => name);
  const unknown = keep.find((name) => !values.includes(name));
  if (unknown === undefined) return;
  throw new OptionError(`${network.name} has no value named "${unknown}" to keep.`, {
    hint: suggestion(unknown, values) ?? `depthwise describe ${network.name} shows the names.`,
  });
}

/** The tensor `input` of the file, as the network's input wants it. */
async function readInput(file: string, { network }: OpenedModel): Promise<Float32Array> {
  const { tensors } = readSafetensors(await readBytes(file), { file });
  const found = tensors.get("input");
  if (found === undefined) {
    const names = [...tensors.keys()].slice(0, 5).join(", ");
    throw new FormatError(`${file}: it holds no tensor "input". It has ${names === "" ? "none" : names}.`, { file });
  }
  const expected = shapeOf(network, "input");
  if (!sameShape(found.shape, expected)) {
    throw new ShapeError(
      `${file}: tensor "input" is ${formatShape(found.shape)}, but ${network.name} takes ${formatShape(expected)}, [N, H, W, C].`,
      {
        file,
      },
    );
  }
  return toFloat32(found);
}

function shapeOf({ graph }: OpenedModel["network"], name: string): Shape {
  return findNode(graph, name)?.shape ?? [];
}

function interpreted({ network, weights }: OpenedModel, input: Float32Array, keep: readonly string[]): RunResult {
  const progress = startProgress("interpreting");
  const start = performance.now();
  const { outputs, kept } = interpret(
    network.graph,
    weights,
    { input },
    {
      keep,
      onNode: (node, index, nodes) => progress.update(index, nodes, node.name),
    },
  );
  progress.end();
  return { tensors: new Map(Object.entries({ ...kept, ...outputs })), milliseconds: performance.now() - start };
}

async function compiled(
  { network, weights }: OpenedModel,
  input: Float32Array,
  options: RunOptions,
): Promise<RunResult> {
  const { keep = [], threads = 1, wide = false } = options;
  const model = await load(compile(network, { weights, keep, threads, wide }));
  try {
    const { outputs } = model.manifest;
    const start = performance.now();
    const values = model.run({ input });
    const elapsed = performance.now() - start;
    const tensors = outputs.map(({ name, shape }) => [name, tensor(shape, values[name] as Float32Array)] as const);
    return { tensors: new Map(tensors), milliseconds: elapsed };
  } finally {
    model.dispose();
  }
}

function report({ tensors, milliseconds: elapsed }: RunResult, to: string, json: boolean): void {
  const shapes = Object.fromEntries([...tensors].map(([name, { shape }]) => [name, [...shape]]));
  if (json) printJson({ outputs: shapes, milliseconds: elapsed });
  else {
    const lines = [...tensors].map(([name, { shape }]) => `${name}  ${formatShape(shape)}`);
    (to === "-" ? note : print)(
      [...lines, `${milliseconds(elapsed)}; written to ${to === "-" ? "stdout" : to}`].join("\n"),
    );
  }
}
