import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const script = fileURLToPath(new URL("../../../../scripts/standalone_runtime.ts", import.meta.url));

it("is what its sources make of it", () => {
  expect(() => execFileSync(process.execPath, [script, "--check"], { stdio: "pipe", timeout: 30_000 })).not.toThrow();
});
