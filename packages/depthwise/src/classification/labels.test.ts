import { FormatError } from "@depthwise/core";
import { describe, expect, test } from "vitest";
import { parseLabels } from "./labels.ts";

describe("parseLabels", () => {
  test.each([
    ["a JSON array", ' ["ant", "great bee"]\n'],
    ["lines", "ant\ngreat bee\n"],
    ["lines as Windows ends them", "ant\r\ngreat bee"],
  ])("reads %s", (_, text) => {
    expect(parseLabels(text, 2, "f")).toEqual(["ant", "great bee"]);
  });

  test.each([
    ["too few", "ant\n", /f: expected 2 labels, one for each class, but it has 1/],
    ["too many", '["a", "b", "c"]', /has 3/],
    ["what is no JSON", '["a", "b"', /not JSON/],
    ["names that are none", '["a", 2]', /array of strings/],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseLabels(text, 2, "f")).toThrow(FormatError);
    expect(() => parseLabels(text, 2, "f")).toThrow(message);
  });
});
