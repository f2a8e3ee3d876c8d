import { expect, test } from "vitest";
import { nodesOf } from "../graph/graph.ts";
import { build } from "../networks/build.ts";
import { families } from "../networks/families.ts";
import type { FamilyName } from "../networks/network.ts";
import { headParameters } from "./head.ts";

test.each(Object.keys(families) as FamilyName[])(
  "the head of %s is what changes its shape with the number of classes, and nothing else",
  (family) => {
    const shapes = (classes: number) =>
      new Map(
        nodesOf(build(`${family}_cifar`, { classes }).graph, "parameter").map((node) => [node.name, `${node.shape}`]),
      );
    const [ten, seven] = [shapes(10), shapes(7)];
    const changed = [...ten].filter(([name, shape]) => seven.get(name) !== shape).map(([name]) => name);
    const head = headParameters(build(`${family}_cifar`).graph);
    expect(changed.length).toBeGreaterThan(0);
    expect([...head].sort()).toEqual(expect.arrayContaining(changed.sort()));
    // A norm after the classifier's convolution would belong to it too; all others are the body's.
    const stem = (name: string) => name.slice(0, name.lastIndexOf("/"));
    for (const name of head) expect(changed.map(stem)).toContain(stem(name));
  },
);
