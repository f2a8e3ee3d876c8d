import { describe, expect, it } from "vitest";
import { GraphError, ShapeError } from "../errors.ts";
import { graphBuilder } from "./builder.ts";
import {
  findNode,
  type Graph,
  isNode,
  type Node,
  nodeOf,
  nodesOf,
  usersOf,
  type ValueId,
  verifyGraph,
} from "./graph.ts";

/** x -> y = x + x -> z = relu(y); outputs y and z. */
function small(): Graph {
  const build = graphBuilder("small");
  const x = build.input("x", [1, 2, 2, 3]);
  const y = build.add("y", x, x);
  return build.build({ y, z: build.activation("z", y, "relu") });
}

function change(graph: Graph, position: number, changes: Partial<Node>): Graph {
  return { ...graph, nodes: graph.nodes.map((node, index) => (index === position ? { ...node, ...changes } : node)) };
}

const id = (value: number): ValueId => value as ValueId;

describe("looking into a graph", () => {
  it("finds nodes by value, name and operation", () => {
    const graph = small();
    expect(nodeOf(graph, id(1)).name).toBe("y");
    expect(findNode(graph, "z")?.id).toBe(2);
    expect(findNode(graph, "w")).toBeUndefined();
    expect(nodesOf(graph, "activation").map(({ operation }) => operation.activation)).toEqual(["relu"]);
    expect(isNode(nodeOf(graph, id(1)), "add")).toBe(true);
    expect(() => nodeOf(graph, id(3))).toThrow(new GraphError('Graph "small" has no value 3; it has 3 nodes.'));
  });

  it("lists each reader of a value once", () => {
    expect(usersOf(small()).map((users) => users.map(({ name }) => name))).toEqual([["y"], ["z"], []]);
  });
});

describe("verifyGraph", () => {
  it("accepts what the builder made", () => {
    verifyGraph(small());
  });

  it.each<[what: string, graph: Graph, error: Error]>([
    [
      "an id that is no position",
      change(small(), 1, { id: id(5) }),
      new GraphError('Node "y" has id 5 at position 1.'),
    ],
    ["a name used twice", change(small(), 1, { name: "x" }), new GraphError('Two nodes are named "x".')],
    [
      "a node that reads itself",
      change(small(), 1, { inputs: [id(0), id(1)] }),
      new GraphError('Node "y" reads value 1, which does not come before it.'),
    ],
    [
      "a node that reads a later one",
      change(small(), 1, { inputs: [id(2), id(0)] }),
      new GraphError('Node "y" reads value 2, which does not come before it.'),
    ],
    [
      "a node that reads nothing that exists",
      change(small(), 1, { inputs: [id(-1), id(0)] }),
      new GraphError('Node "y" reads value -1, which does not come before it.'),
    ],
    [
      "a wrong shape",
      change(small(), 2, { shape: [1, 2, 2, 4] }),
      new ShapeError('Node "z" says shape 1x2x2x4, but it gives 1x2x2x3.'),
    ],
    ["no outputs", { ...small(), outputs: [] }, new GraphError('Graph "small" has no output.')],
    [
      "an output that does not exist",
      { ...small(), outputs: [{ name: "y", value: id(3) }] },
      new GraphError('Graph "small" has no value 3; it has 3 nodes.'),
    ],
    [
      "two outputs of one name",
      { ...small(), outputs: [0, 1].map((value) => ({ name: "y", value: id(value) })) },
      new GraphError('Two outputs are named "y".'),
    ],
  ])("refuses %s", (_, graph, error) => {
    expect(() => verifyGraph(graph)).toThrow(error);
  });

  it("refuses inputs between the positions", () => {
    expect(() => verifyGraph(change(small(), 1, { inputs: [id(0), id(0.5)] }))).toThrow(GraphError);
  });

  it("refuses a graph without inputs", () => {
    const build = graphBuilder("constant");
    const graph = build.build({ p: build.parameter("p", [1], { kind: "constant", value: 1 }) });
    expect(() => verifyGraph(graph)).toThrow(new GraphError('Graph "constant" has no input.'));
  });

  it("names the node whose operation does not fit", () => {
    const broken = change(small(), 1, { inputs: [id(0)] });
    expect(() => verifyGraph(broken)).toThrow('add "y": expects two inputs, received 1.');
  });
});
