import { type Graph, isNode, type Node, nodeOf, usersOf, type ValueId } from "../graph/graph.ts";
import type { OperationOf } from "../graph/operations.ts";
import { type Change, channelsIn, kernelOf } from "./change.ts";
import { rewriteGraph } from "./rewrite_graph.ts";

type Convolution = Node<OperationOf<"convolution">>;

/** A bottleneck that two convolutions side by side widen, one 1x1 and one of several pixels: SqueezeNet's fire. */
interface Fire {
  readonly squeeze: Convolution;
  /** What follows it, up to the value that both branches read. */
  readonly between: readonly Node[];
  readonly large: Convolution;
  /** What follows in the branch of the larger kernel, and then in place of the concatenation. */
  readonly after: readonly Node[];
  readonly concatenation: Node;
  /** Both branches: nothing of them stays where it is. */
  readonly branches: readonly Node[];
  /** Channels of the squeeze with which one convolution is as many multiply-accumulates as the two. */
  readonly inside: number;
}

/**
 * One branch less in each fire (guideline 3): all channels by the larger kernel, from a narrower squeeze, at equal multiply-accumulates.
 * `undefined` where there is no fire.
 */
export function fewerBranches(graph: Graph): Change | undefined {
  const fires = firesOf(graph);
  if (fires.length === 0) return undefined;
  const byNode = new Map(
    fires.flatMap((fire) =>
      [fire.squeeze, ...fire.between, fire.concatenation].map((node): [Node, Fire] => [node, fire]),
    ),
  );
  const gone = new Set(fires.flatMap(({ branches }) => branches));
  const what = "one convolution for the two branches of each fire, from a narrower squeeze";
  const changed = rewriteGraph(graph, `${graph.name}, ${what}`, (node, { builder, value }) => {
    const fire = byNode.get(node);
    // A node that is gone stands for its input: nobody reads it.
    if (gone.has(node)) return value(node.inputs[0] as ValueId);
    if (fire === undefined) return undefined;
    const convolved = (convolution: Convolution, channels: number) =>
      builder.convolution(convolution.name, value(convolution.inputs[0] as ValueId), {
        ...convolution.operation,
        kernel: kernelOf(graph, convolution),
        channels,
      });
    if (node === fire.squeeze) return convolved(fire.squeeze, fire.inside);
    const follow = (step: Node, x: ReturnType<typeof value>) =>
      isNode(step, "batch_norm")
        ? builder.batchNorm(step.name, x, step.operation)
        : builder.node(step.name, step.operation, [x]);
    if (node !== fire.concatenation) return follow(node, value(node.inputs[0] as ValueId));
    return fire.after.reduce((x, step) => follow(step, x), convolved(fire.large, node.shape[3] as number));
  });
  return {
    guideline: 3,
    what,
    where: fires.flatMap(({ squeeze, large }) => [squeeze.name, large.name]),
    graph: changed,
  };
}

function firesOf(graph: Graph): readonly Fire[] {
  const users = usersOf(graph);
  /** Back over what works channel by channel, as long as nobody else reads it, to a convolution. */
  const behind = (id: ValueId): { readonly convolution: Convolution; readonly after: readonly Node[] } | undefined => {
    const after: Node[] = [];
    for (let node = nodeOf(graph, id); ; node = nodeOf(graph, node.inputs[0] as ValueId)) {
      if (isNode(node, "convolution")) return node.operation.residual ? undefined : { convolution: node, after };
      if (!(isNode(node, "batch_norm") || isNode(node, "activation"))) return undefined;
      after.unshift(node);
    }
  };
  return graph.nodes.flatMap((concatenation): readonly Fire[] => {
    if (!isNode(concatenation, "concatenate") || concatenation.inputs.length !== 2) return [];
    const [one, other] = concatenation.inputs.map(behind);
    if (one === undefined || other === undefined) return [];
    const [small, large] = area(graph, one.convolution) === 1 ? [one, other] : [other, one];
    const source = small.convolution.inputs[0] as ValueId;
    const squeeze = behind(source);
    const isFire =
      area(graph, small.convolution) === 1 &&
      area(graph, large.convolution) > 1 &&
      large.convolution.inputs[0] === source &&
      squeeze !== undefined &&
      [small.convolution, large.convolution, squeeze.convolution].every(isDenseAtStrideOne) &&
      [squeeze.convolution, ...squeeze.after].every(
        (node) => (users[node.id] ?? []).length === (node.id === source ? 2 : 1),
      );
    if (!isFire) return [];
    const [inputs, squeezed] = [channelsIn(graph, squeeze.convolution), squeeze.convolution.shape[3] as number];
    const [few, many] = [small.convolution.shape[3] as number, large.convolution.shape[3] as number];
    const taps = area(graph, large.convolution);
    const exact = (squeezed * (inputs + few + taps * many)) / (inputs + taps * (few + many));
    const inside = Math.max(4, 4 * Math.round(exact / 4));
    return [
      {
        ...{ squeeze: squeeze.convolution, between: squeeze.after, large: large.convolution },
        ...{ after: large.after, concatenation, inside },
        branches: [small, large].flatMap(({ convolution, after }) => [convolution, ...after]),
      },
    ];
  });
}

function isDenseAtStrideOne({ operation }: Convolution): boolean {
  return operation.groups === 1 && operation.stride.every((step) => step === 1);
}

function area(graph: Graph, node: Convolution): number {
  const [height, width] = kernelOf(graph, node);
  return height * width;
}
