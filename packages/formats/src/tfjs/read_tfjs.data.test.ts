import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { compile, load } from "@depthwise/core";
import { expect, it } from "vitest";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { readTfjs } from "./read_tfjs.ts";

interface Expected {
  readonly probabilityTolerance: number;
  readonly photos: Readonly<Record<string, readonly (readonly [number, number])[]>>;
}

it("gives TensorFlow.js's answers for nsfwjs's MobileNetV2 and 20 photos", { timeout: 120_000 }, async () => {
  const folder = sharedPath("data", "models", "nsfwjs-mobilenet_v2-tfjs");
  const readBeside = async (name: string): Promise<Uint8Array> => readFileSync(`${folder}/${name}`);
  const { network, tensors } = await readTfjs(readFileSync(`${folder}/model.json`), { readBeside });
  expect(tensors.size).toBe(266); // 52 convolutions, 52 norms of four, three Dense of two
  if (network === undefined) throw new Error("no network");
  const { models } = JSON.parse(readFileSync(sharedPath("data", "expected.json"), "utf8")) as {
    models: Record<string, Expected>;
  };
  const expected = models["models/nsfwjs-mobilenet_v2-tfjs/model.json"] as Expected;
  using model = await load(compile(network.graph, { weights: network.weights }));
  const [input = ""] = network.graph.nodes.filter(({ operation }) => operation.op === "input").map(({ name }) => name);
  const photos = Object.entries(expected.photos);
  expect(photos).toHaveLength(20);
  for (const [photo, probabilities] of photos) {
    const { data } = readPng(
      readFileSync(sharedPath("data", "expected-inputs", "224", photo.replace(/\.jpg$/, ".png"))),
    );
    const { [network.graph.outputs[0]?.name ?? ""]: output } = model.run({
      [input]: Float32Array.from(data, (value) => value / 255),
    });
    for (const [label, probability] of probabilities) {
      expect(Math.abs((output?.[label] as number) - probability)).toBeLessThan(expected.probabilityTolerance);
    }
  }
});

/** A picture of bytes, RGB. */
interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Decodes an RGB PNG of 8 bits that is not interlaced, as the reference inputs are. */
function readPng(bytes: Uint8Array): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (view.getUint32(24) >>> 8 !== 0x080200 || bytes[28] !== 0) throw new Error("Not an RGB PNG of 8 bits.");
  const packed: Uint8Array[] = [];
  for (let at = 8; at < bytes.length; at += view.getUint32(at) + 12) {
    if (view.getUint32(at + 4) === 0x49444154) packed.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const rows = inflateSync(Buffer.concat(packed));
  const data = new Uint8Array(width * height * 3);
  const stride = width * 3;
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)] as number;
    for (let x = 0; x < stride; x++) {
      const left = x < 3 ? 0 : (data[y * stride + x - 3] as number);
      const above = y === 0 ? 0 : (data[(y - 1) * stride + x] as number);
      const corner = x < 3 || y === 0 ? 0 : (data[(y - 1) * stride + x - 3] as number);
      const raw = rows[y * (stride + 1) + 1 + x] as number;
      data[y * stride + x] = raw + predicted(filter, left, above, corner);
    }
  }
  return { width, height, data };
}

function predicted(filter: number, left: number, above: number, corner: number): number {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  const estimate = left + above - corner;
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(estimate - value)) as [number, number, number];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}
