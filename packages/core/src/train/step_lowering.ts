import { planHalos, type Sliding, slidingWindow } from "../compiler/halo.ts";
import { type Buffer, pictureOf } from "../compiler/layout.ts";
import { Lowering } from "../compiler/lowering.ts";
import type { Call, Step } from "../compiler/plan.ts";
import type { Target } from "../compiler/target.ts";
import { invariant } from "../errors.ts";
import type { Graph, Node, ValueId } from "../graph/graph.ts";
import type { StepGraph, StepNode } from "./step_graph.ts";

/** Numbers that belong to no pixel (moments, sums, gradients of parameters): where each element of the value lies, in floats. */
export interface Numbers {
  readonly buffer: Buffer;
  readonly at: (element: number) => number;
}

/** A buffer of the micro-batch's own memory, which the host or the optimiser reads or writes. */
export type SlotRoom =
  /** Zero when the micro-batch begins: sums are added up there. */
  "sums" | "port";

/** Lowering of a training step: pictures all together in each buffer, steps once a picture unless said otherwise. */
export class StepLowering extends Lowering {
  readonly stepGraph: StepGraph;
  override readonly isInference: boolean = false;
  readonly numbersOf: Map<ValueId, Numbers> = new Map();
  /** By moments: the buffer of scales and shifts that normalization with them uses. */
  readonly coefficients: Map<ValueId, Buffer> = new Map();
  /** Steps that run once for all pictures. */
  readonly wholeSteps: Set<Step> = new Set();
  readonly rooms: Map<Buffer, SlotRoom> = new Map();

  constructor(step: StepGraph, weights: ReadonlyMap<string, Float32Array>, target: Target, batch: number) {
    // Lowering looks at the operations that it knows, and passes over the others.
    const graph = { name: step.name, nodes: step.nodes as readonly Node[], outputs: [] } as Graph;
    super(graph, weights, target, batch, batch, planHalos(graph, slidesOver));
    this.stepGraph = step;
  }

  node(id: ValueId): StepNode {
    return this.stepGraph.nodes[id] as StepNode;
  }

  whichNumbers(id: ValueId): Numbers {
    const numbers = this.numbersOf.get(id);
    invariant(numbers, `"${this.node(id).name}" was read before it was lowered`);
    return numbers;
  }

  /** Room for numbers that belong to no pixel. */
  line(name: string, floats: number, room?: SlotRoom): Buffer {
    const buffer = this.buffer({ name, height: 1, width: 1, stride: Math.ceil(floats / 4) * 4, images: 1 });
    if (room) this.rooms.set(buffer, room);
    return buffer;
  }

  /** A step that runs once, after all pictures went through the steps before it. */
  wholeStep(...step: Parameters<StepLowering["pictureStep"]>): void {
    this.forAllPictures(() => this.pictureStep(...step));
  }

  override forAllPictures(lower: () => void): void {
    const first = this.steps.length;
    lower();
    for (const step of this.steps.slice(first)) this.wholeSteps.add(step);
  }

  /** A step that runs for each picture. */
  pictureStep(
    node: StepNode,
    calls: readonly Call[],
    reads: readonly Buffer[],
    writes: readonly Buffer[],
    macs = 0,
  ): void {
    this.step({ name: node.name, op: node.operation.op }, calls, reads, writes, macs);
  }
}

/** A kernel's gradient slides over the convolution's input as the convolution did. */
function slidesOver(graph: Graph, node: Node): Sliding | undefined {
  const { operation, inputs } = node as unknown as StepNode;
  if (operation.op !== "kernel_gradient") return slidingWindow(graph, node);
  return { ...operation, output: pictureOf((graph.nodes[inputs[1] as ValueId] as Node).shape) };
}

/** A step's node for lowering that is made for networks: it looks at name, shape and id. */
export function asNode(node: StepNode): Node {
  return node as unknown as Node;
}
