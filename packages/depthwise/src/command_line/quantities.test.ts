import { expect, test } from "vitest";
import { bytes, count, milliseconds, percent } from "./quantities.ts";

test.each([
  [count(0), "0"],
  [count(999), "999"],
  [count(1000), "1.00 k"],
  [count(999_499), "999 k"],
  [count(999_500), "1.00 M"],
  [count(3_504_872), "3.50 M"],
  [count(300_774_272), "301 M"],
  [count(1e15), "1000 T"],
  [bytes(512), "512 B"],
  [bytes(14_012_345), "14.0 MB"],
  [milliseconds(0.0831), "0.083 ms"],
  [milliseconds(21.37), "21.4 ms"],
  [milliseconds(9999.6), "10000 ms"],
  [milliseconds(12_340), "12.3 s"],
  [percent(0.12345), "12.3 %"],
])("%s is printed as %s", (printed, expected) => {
  expect(printed).toBe(expected);
});
