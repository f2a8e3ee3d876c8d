import { describe, expect, it } from "vitest";
import { stepsOfProfile } from "./onnx_profile.ts";

const kernel = (name: string, op: string, dur: number) => ({
  cat: "Node",
  name: `${name}_kernel_time`,
  dur,
  args: { op_name: op },
});

describe("stepsOfProfile", () => {
  it("takes each kernel's median over the later half of the runs, in milliseconds", () => {
    const session = { cat: "Session", name: "model_run", dur: 99, args: {} };
    const runs = [9000, 8000, 3000, 1000, 2000].flatMap((dur) => [session, kernel("stem/Conv", "FusedConv", dur)]);
    expect(stepsOfProfile(JSON.stringify(runs), 5)).toEqual([{ name: "stem/Conv", op: "FusedConv", milliseconds: 2 }]);
  });

  it("adds up what has one name several times in one run", () => {
    const runs = [1, 1].flatMap(() => [kernel("Reorder", "ReorderInput", 300), kernel("Reorder", "ReorderInput", 200)]);
    expect(stepsOfProfile(JSON.stringify(runs), 2)).toEqual([
      { name: "Reorder", op: "ReorderInput", milliseconds: 0.5 },
    ]);
  });
});
