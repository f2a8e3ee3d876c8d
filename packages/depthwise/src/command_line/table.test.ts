import { expect, test } from "vitest";
import { table } from "./table.ts";

test("aligns words left and numbers right, counts code points, and leaves out empty columns", () => {
  const rows = [
    { name: "a 🐈", count: "7", empty: "" },
    { name: "longer", count: "1,234", empty: "" },
  ];
  const text = table(
    [
      { title: "name", value: ({ name }) => name },
      { title: "empty", value: ({ empty }) => empty },
      { title: "n", align: "right", value: ({ count }) => count },
    ],
    rows,
    (line) => `<${line}>`,
  );
  expect(text.split("\n")).toEqual(["<name        n>", "a 🐈         7", "longer  1,234"]);
});
