import { describe, it } from "vitest";
import type { GraphBuilder, Value } from "../../graph/builder.ts";
import { activations, type Pair } from "../../graph/operations.ts";
import { combinations, expectAll } from "../../testing/grid.ts";
import { smallGraph } from "../../testing/one_node.ts";

const channels = [1, 3, 4, 5, 8, 13] as const;
const sizes: readonly Pair[] = [
  [1, 1],
  [1, 7],
  [3, 5],
];

/** A value that lies in memory otherwise than its neighbour: as given, shuffled, or one part from here and one from there. */
function laidOut(build: GraphBuilder, name: string, count: number, layout: "plain" | "shuffled" | "joined"): Value {
  const x = build.input(name, [1, 3, 5, count]);
  if (layout === "plain") return x;
  if (layout === "shuffled") return build.permute(`${name}/shuffle`, x, { kind: "shuffle", groups: 2 });
  const first = build.slice(`${name}/first`, x, 1, count - 1);
  return build.concatenate(`${name}/join`, [
    build.activation(`${name}/relu`, first, "relu"),
    build.slice(`${name}/last`, x, 0, 1),
  ]);
}

describe("additions and products", () => {
  it.each(["plain", "shuffled", "joined"] as const)("of a %s value and others", async (layout) => {
    await expectAll(
      combinations({ op: ["add", "multiply"], other: ["plain", "shuffled", "joined"], count: [2, 6, 8, 14] }),
      ({ op, other, count }) =>
        smallGraph((build) =>
          build[op]("result", laidOut(build, "a", count, layout), laidOut(build, "b", count, other)),
        ),
    );
  });

  it.each(["plain", "shuffled", "joined"] as const)("of a %s value and a scale for each channel", async (layout) => {
    await expectAll(combinations({ shuffled: [false, true], count: [2, 6, 8] }), ({ shuffled, count }) =>
      smallGraph((build) => {
        const scale = build.input("scale", [1, 1, 1, count]);
        const b = shuffled ? build.permute("order", scale, { kind: "shuffle", groups: count / 2 }) : scale;
        return build.multiply("result", laidOut(build, "a", count, layout), b);
      }),
    );
  });

  it.each(activations)("with %s after the sum, and by itself", async (activation) => {
    await expectAll(combinations({ count: channels, size: sizes }), ({ count, size }) =>
      smallGraph((build) => {
        const shape = [1, ...size, count];
        const [a, b] = [build.input("a", shape), build.input("b", shape)];
        return {
          sum: build.node("sum", { op: "add", activation }, [a, b]),
          alone: build.activation("alone", a, activation),
        };
      }),
    );
  });
});

describe("batch norms that nothing folds", () => {
  it("of every number of channels", async () => {
    await expectAll(combinations({ count: channels, size: sizes }), ({ count, size }) =>
      smallGraph((build) => build.batchNorm("norm", build.input("input", [1, ...size, count]))),
    );
  });
});

describe("copies", () => {
  it("into padded pictures, on each side and with every value", async () => {
    const sides = [0, 2];
    await expectAll(
      combinations({ top: sides, bottom: sides, left: sides, right: sides, value: [0, -1.5] }),
      ({ value, ...padding }) =>
        smallGraph((build) => build.pad("pad", build.input("input", [1, 3, 4, 5]), padding, value)),
    );
  });

  it("into lines", async () => {
    await expectAll(
      combinations({ count: channels, size: sizes, shuffled: [false, true] }),
      ({ count, size, shuffled }) =>
        smallGraph((build) => {
          const x = build.input("input", [1, ...size, 2 * count]);
          return build.flatten("flatten", shuffled ? build.permute("order", x, { kind: "shuffle", groups: 2 }) : x);
        }),
    );
  });
});

describe("gathered channels", () => {
  it("of a value of few channels beside itself", async () => {
    await expectAll(combinations({ count: [1, 2, 3, 4, 5] }), ({ count }) =>
      smallGraph((build) => {
        const x = build.input("input", [1, 3, 5, count]);
        return build.flatten("flatten", build.concatenate("join", [x, x, x, x]));
      }),
    );
  });

  it.each([8, 12, 30, 64, 120, 280])("of %i channels in every shuffle", async (count) => {
    const groups = [2, 3, 4, 5, 8, 10, 15, 16, 32].filter((divisor) => count % divisor === 0);
    await expectAll(combinations({ groups, joined: [false, true] }), ({ groups, joined }) =>
      smallGraph((build) => {
        const x = laidOut(build, "input", count, joined ? "joined" : "plain");
        return build.flatten("flatten", build.permute("order", x, { kind: "shuffle", groups }));
      }),
    );
  });
});

describe("softmax", () => {
  it("over every number of channels", async () => {
    await expectAll(combinations({ count: channels, size: sizes }), ({ count, size }) =>
      smallGraph((build) => build.softmax("softmax", build.input("input", [1, ...size, count]))),
    );
  });
});

describe("resizing", () => {
  it("to larger, smaller and equal sizes", async () => {
    await expectAll(
      combinations({ mode: ["nearest", "bilinear"], height: [1, 3, 4, 9], width: [1, 2, 5, 11], count: [3, 4] }),
      ({ mode, height, width, count }) =>
        smallGraph((build) => build.resize("resize", build.input("input", [1, 4, 5, count]), height, width, mode)),
    );
  });
});
