import { describe, expect, test } from "vitest";
import { OptionError } from "../errors.ts";
import { checkRecipe, defaultRecipe, type Recipe } from "./recipe.ts";

describe("checkRecipe", () => {
  test("takes the default", () => {
    expect(() => checkRecipe(defaultRecipe)).not.toThrow();
  });

  test.each([
    ["rate", -1],
    ["rate", Number.NaN],
    ["decay", Number.POSITIVE_INFINITY],
    ["momentum", 1],
    ["labelSmoothing", 1.5],
    ["teacherShare", 0],
    ["teacherShare", 1.1],
    ["skipEasy", -0.1],
    ["skipEasy", 1],
    ["averageDecay", 1],
    ["epochs", 0],
    ["epochs", 2.5],
    ["batch", 0],
    ["patience", -1],
    ["seed", 0.5],
  ] satisfies [keyof Recipe, number][])("refuses %s %d, naming both", (name, value) => {
    const check = () => checkRecipe({ ...defaultRecipe, [name]: value });
    expect(check).toThrow(OptionError);
    expect(check).toThrow(new RegExp(`^${name} .*received ${value}\\.$`));
  });

  test("refuses a schedule that there is not", () => {
    const recipe = { ...defaultRecipe, schedule: "steps" as "linear" };
    expect(() => checkRecipe(recipe)).toThrow("schedule must be one of cosine, linear, received steps.");
  });
});
