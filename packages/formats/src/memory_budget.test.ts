import { FormatError } from "@depthwise/core";
import { expect, it } from "vitest";
import { memoryBudget } from "./memory_budget.ts";

const MiB = 2 ** 20;

it.each([
  ["a small file", 1, false, 34],
  ["a small file with dequantised weights", 1, true, 36],
  ["a large file", 100, false, 232],
  ["a large file with dequantised weights", 100, true, 248],
])("lets %s take so much in all, which is below twice the file and 64 MB", (_, file, isDequantized, most) => {
  const budget = memoryBudget(file * MiB, "a.tflite", isDequantized);
  budget.spend(most * MiB - 1, "All");
  budget.spend(1, "The last byte");
  expect(() => budget.spend(1, "One byte more")).toThrow(FormatError);
  expect(() => budget.spend(1, "One byte more")).toThrow(
    new RegExp(`file of ${file * MiB}; the limit is ${most * MiB}`),
  );
  expect(most * MiB).toBeLessThan(2 * file * MiB + 64e6);
});
