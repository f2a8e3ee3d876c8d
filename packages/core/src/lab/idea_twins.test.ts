import { describe, expect, it } from "vitest";
import { describeConnections } from "../cost/connections.ts";
import { describe as cost } from "../cost/describe.ts";
import { nodesOf, verifyGraph } from "../graph/graph.ts";
import { type Idea, ideas } from "./idea_twins.ts";

const named = (id: string): Idea => ideas.find((idea) => idea.id === id) as Idea;
const macs = (id: string) => {
  const { withIdea, withoutIdea } = named(id);
  return [cost(withIdea("published")).macs, cost(withoutIdea("published")).macs] as const;
};

describe("ideas and their twins", () => {
  it.each(ideas.map((idea) => [idea.id, idea] as const))("%s: two graphs that take and give the same", (_, idea) => {
    const [own, twin] = [idea.withIdea("published"), idea.withoutIdea("published")];
    verifyGraph(own);
    verifyGraph(twin);
    expect(cost(own).macs + cost(own).memoryAccessBytes).not.toBe(cost(twin).macs + cost(twin).memoryAccessBytes);
    if (idea.id === "inverted residual") return; // their ends are what differs
    expect(nodesOf(twin, "input").map(({ shape }) => shape)).toEqual(nodesOf(own, "input").map(({ shape }) => shape));
    expect(cost(twin).classes).toBe(cost(own).classes);
  });

  it.each(ideas.map((idea) => [idea.id, idea] as const))(
    "%s: small ones tell ten classes apart at 32x32",
    (_, idea) => {
      for (const graph of [idea.withIdea("small"), idea.withoutIdea("small")]) {
        verifyGraph(graph);
        expect(cost(graph)).toMatchObject({ input: [32, 32, 3], classes: 10 });
      }
      const [own, twin] = [cost(idea.withIdea("small")), cost(idea.withoutIdea("small"))];
      expect(own.macs + own.memoryAccessBytes).not.toBe(twin.macs + twin.memoryAccessBytes);
    },
  );

  it("MobileNet V1 with standard convolutions does eight to nine times the work (its table 4)", () => {
    const [own, twin] = macs("separable");
    expect(twin / own).toBeGreaterThan(8);
    expect(twin / own).toBeLessThan(9);
  });

  it("permutations cost no multiply-accumulates", () => {
    for (const id of ["shuffle", "interleaving", "interleaved", "interleaving v3"].filter((each) => named(each))) {
      const [own, twin] = macs(id);
      expect(twin).toBe(own);
    }
  });

  it("without its shuffle a unit of three groups joins a third of its channel pairs", () => {
    const blocks = describeConnections(named("shuffle").withoutIdea("published"));
    const unit = blocks.find(({ block }) => block === "stage3/unit2");
    expect(unit?.unconnectedShare).toBeCloseTo(2 / 3, 12);
    const whole = describeConnections(named("shuffle").withIdea("published")).find(
      ({ block }) => block === "stage3/unit2",
    );
    expect(whole?.unconnectedShare).toBe(0);
  });

  it("the classical residual has as many kernel weights in its 1x1 convolutions", () => {
    const weights = (graph: ReturnType<Idea["withIdea"]>) =>
      cost(graph)
        .layers.filter(({ groups }) => groups === 1)
        .reduce((sum, { parameters }) => sum + parameters, 0);
    expect(weights(named("inverted residual").withIdea("published"))).toBe(
      weights(named("inverted residual").withoutIdea("published")),
    );
  });
});
