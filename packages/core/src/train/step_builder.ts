import { GraphError } from "../errors.ts";
import type { Value } from "../graph/builder.ts";
import type { ValueId } from "../graph/graph.ts";
import type { StepNode, StepOperation } from "./step_graph.ts";
import { inferStepShape } from "./step_operations.ts";

/** Builds the nodes of a training step. Every call checks shapes at once and throws a ShapeError that names the node. */
export interface StepBuilder {
  /** Those made so far. */
  readonly nodes: readonly StepNode[];
  /**
   * A node of exactly this name.
   *
   * @throws {GraphError} if another has it
   */
  node(name: string, operation: StepOperation, inputs: readonly Value[]): Value;
  /** A node whose name is this, or this with a number after it, so that no other has it. */
  derived(name: string, operation: StepOperation, inputs: readonly Value[]): Value;
}

/**
 * A builder of a training step.
 *
 * @param reserved names that only `node` may give, later
 */
export function stepBuilder(reserved: Iterable<string> = []): StepBuilder {
  const nodes: StepNode[] = [];
  const taken = new Set<string>(reserved);
  const made = new Set<string>();

  function node(name: string, operation: StepOperation, inputs: readonly Value[]): Value {
    if (made.has(name)) throw new GraphError(`Two nodes are named "${name}".`);
    const shape = inferStepShape(
      name,
      operation,
      inputs.map((value) => value.shape),
    );
    made.add(name);
    taken.add(name);
    const id = nodes.length as ValueId;
    nodes.push({ id, name, operation, inputs: inputs.map((value) => value.id), shape });
    return { id, shape };
  }

  return {
    nodes,
    node,
    derived(name, operation, inputs) {
      let unique = name;
      for (let i = 2; taken.has(unique); i++) unique = `${name}_${i}`;
      return node(unique, operation, inputs);
    },
  };
}
