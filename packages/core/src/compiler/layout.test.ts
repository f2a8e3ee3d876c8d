import { describe, expect, it } from "vitest";
import { loweredOf } from "../testing/lowered.ts";
import { randomGraph } from "../testing/random_graph.ts";
import {
  type Buffer,
  buffersOf,
  imageBytes,
  isContiguous,
  pictureOf,
  pixelOffset,
  roundUpToLanes,
  rowBytes,
  runsOf,
  soleBuffer,
  type View,
} from "./layout.ts";

function buffer(id: number, stride: number, halo = { top: 0, bottom: 0, left: 0, right: 0 }): Buffer {
  return { id, name: `buffer${id}`, height: 3, width: 5, stride, halo, fill: 0, images: 1 };
}

function viewOf(...places: readonly (readonly [Buffer, number])[]): View {
  return { height: 3, width: 5, places: places.map(([owner, channel]) => ({ buffer: owner, channel })) };
}

const [a, b] = [buffer(1, 16), buffer(2, 8)];
const channelsIn = (owner: Buffer, ...channels: readonly number[]): readonly (readonly [Buffer, number])[] =>
  channels.map((channel) => [owner, channel] as const);

describe("runsOf", () => {
  const described = (view: View, bridge?: number): readonly string[] =>
    runsOf(view, bridge).map(({ buffer: owner, channel, slots }) => `${owner.name}+${channel}: ${slots.join(" ")}`);

  it("joins channels that lie side by side, whatever their order in the view", () => {
    expect(described(viewOf(...channelsIn(a, 2, 1, 0, 3)))).toEqual(["buffer1+0: 2 1 0 3"]);
  });

  it("goes through buffers by their ids", () => {
    expect(described(viewOf(...channelsIn(b, 0, 1), ...channelsIn(a, 4, 5)))).toEqual([
      "buffer1+4: 2 3",
      "buffer2+0: 0 1",
    ]);
  });

  it("bridges gaps shorter than a vector, unless told not to", () => {
    const view = viewOf(...channelsIn(a, 0, 4, 9));
    expect(described(view)).toEqual(["buffer1+0: 0 -1 -1 -1 1", "buffer1+9: 2"]);
    expect(described(view, 0)).toEqual(["buffer1+0: 0", "buffer1+4: 1", "buffer1+9: 2"]);
  });

  it("keeps channels apart that lie at the same place", () => {
    expect(described(viewOf(...channelsIn(a, 3, 3)))).toEqual(["buffer1+3: 0", "buffer1+3: 1"]);
  });
});

describe("isContiguous", () => {
  it.each([
    ["one after another", viewOf(...channelsIn(a, 5, 6, 7)), true],
    ["a single channel", viewOf(...channelsIn(a, 5)), true],
    ["turned round", viewOf(...channelsIn(a, 6, 5)), false],
    ["with a gap", viewOf(...channelsIn(a, 5, 7)), false],
    ["in two buffers", viewOf(...channelsIn(a, 0), ...channelsIn(b, 1)), false],
  ])("%s", (_, view, expected) => {
    expect(isContiguous(view)).toBe(expected);
  });
});

describe("buffers", () => {
  it("are rows of pixels with a border around them", () => {
    const bordered = buffer(3, 8, { top: 1, bottom: 2, left: 3, right: 4 });
    expect(rowBytes(bordered)).toBe((3 + 5 + 4) * 8 * 4);
    expect(imageBytes(bordered)).toBe((1 + 3 + 2) * rowBytes(bordered));
    expect(pixelOffset(bordered, 0, 0)).toBe(rowBytes(bordered) + 3 * 8 * 4);
    expect(pixelOffset(bordered, -1, -3)).toBe(0);
    expect(pixelOffset(bordered, 4, 8)).toBe(imageBytes(bordered) - 8 * 4);
  });

  it("of a view are listed once, and a view of two has no sole one", () => {
    const view = viewOf(...channelsIn(b, 0), ...channelsIn(a, 0, 1));
    expect(buffersOf(view)).toEqual([a, b]);
    expect(() => soleBuffer(view)).toThrow(/several buffers/);
    expect(soleBuffer(viewOf(...channelsIn(a, 2, 0)))).toBe(a);
  });

  it("hold whole vectors", () => {
    expect([0, 1, 4, 5, 8].map(roundUpToLanes)).toEqual([0, 4, 4, 8, 8]);
  });
});

describe("pictureOf", () => {
  it.each([
    [[2, 7, 9, 5], { height: 7, width: 9, channels: 5 }],
    [[2, 5], { height: 1, width: 1, channels: 5 }],
    [[2, 7, 5], { height: 7, width: 1, channels: 5 }],
  ])("%j", (shape, picture) => {
    expect(pictureOf(shape)).toEqual(picture);
  });
});

describe("lowering of random graphs", () => {
  it("reads no buffer before a step has written it", () => {
    for (let seed = 0; seed < 300; seed++) {
      const { graph, weights } = randomGraph(seed);
      const { steps, inputs, outputs } = loweredOf(graph, weights);
      const written = new Set(inputs.map((port) => port.buffer));
      for (const step of steps) {
        for (const read of step.reads) {
          // An addition in place, and a padding over its own fill, read what they write.
          expect(written.has(read) || step.writes.includes(read), `seed ${seed}: ${step.name} reads ${read.name}`).toBe(
            true,
          );
        }
        for (const write of step.writes) written.add(write);
      }
      for (const port of outputs) expect(written.has(port.buffer), `seed ${seed}`).toBe(true);
    }
  });

  it("gives every kernel its parameters and some work", () => {
    const calls = Array.from({ length: 50 }, (_, seed) => randomGraph(seed)).flatMap(({ graph, weights }) =>
      loweredOf(graph, weights).steps.flatMap((step) => step.calls),
    );
    expect(calls.length).toBeGreaterThan(100);
    for (const { kernel, args, units, grain } of calls) {
      expect(args.length, kernel.name).toBe(kernel.params.length);
      expect(units, kernel.name).toBeGreaterThan(0);
      expect(grain, kernel.name).toBeGreaterThan(0);
    }
  });
});
