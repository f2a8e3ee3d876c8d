import { readFileSync } from "node:fs";
import { readSafetensors } from "@depthwise/core";
import { expect, it } from "vitest";
import { sharedPath } from "../../../core/src/testing/shared_data.ts";
import { readPytorch } from "./read_pytorch.ts";

it.each(["squeezenet_1.1.pth", "squeezenet_1.1-legacy.pth"])("%s has the tensors of the safetensors file", (name) => {
  const expected = readSafetensors(readFileSync(sharedPath("data", "weights", "squeezenet_1.1.safetensors"))).tensors;
  const { tensors, ignored } = readPytorch(readFileSync(sharedPath("data", "models", name)));
  expect([...tensors.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [key, tensor] of tensors) expect(tensor).toEqual(expected.get(key));
  expect(ignored).toBeUndefined();
});
