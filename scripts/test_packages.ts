/**
 * What a user gets: packs the packages, installs the tarballs in an empty folder, and uses them there with the machine's own
 * Node (20 or later), not the one of this checkout. Needs `npm run build` first.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** The environment without this checkout's tools. */
const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
const userEnvironment = { ...process.env, PATH: folders.join(delimiter) };

/** The README's example, which promises to run as it stands. */
const example = readFileSync(join(root, "README.md"), "utf8").match(/```ts\n(.*?)```/s)?.[1] ?? "";

const typedUsage = `
import { build, compile, describe, load, type Model } from "@depthwise/core";
const model: Model = await load(compile(build("squeezenet_1.1")));
const macs: number = describe(build("squeezenet_1.1")).macs;
export { macs, model };
`;

function run(folder: string, command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { cwd: folder, env: userEnvironment, encoding: "utf8", timeout: 300_000 });
}

function expect(condition: boolean, what: string, received: string): void {
  if (!condition) throw new Error(`${what}; received:\n${received}`);
  console.log(`ok: ${what}`);
}

const folder = mkdtempSync(join(tmpdir(), "depthwise-packages-"));
try {
  const tarballs = join(folder, "tarballs");
  const project = join(folder, "project");
  mkdirSync(tarballs);
  mkdirSync(project);
  run(root, "npm", "pack", "--workspaces", "--pack-destination", tarballs, "--silent");
  const packed = readdirSync(tarballs).map((name) => join(tarballs, name));
  expect(packed.length === 4, "four packages pack", packed.join("\n"));

  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  run(project, "npm", "install", "--no-audit", "--no-fund", "--silent", ...packed);

  const list = run(project, "npx", "depthwise", "list");
  expect(list.includes("mobilenet_v2_1.0_224"), "`npx depthwise list` lists the networks", list);
  const json = run(project, "npx", "depthwise", "list", "--json");
  expect(Array.isArray(JSON.parse(json)), "`npx depthwise list --json` prints one JSON document", json);

  writeFileSync(join(project, "example.js"), example);
  const printed = run(project, "node", "example.js");
  const version = run(project, "node", "--version").trim();
  expect(
    /^\d+\n10\n$/.test(printed),
    `the README's example builds, compiles and runs a network on Node ${version}`,
    printed,
  );

  writeFileSync(join(project, "typed.ts"), typedUsage);
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  run(
    project,
    "node",
    compiler,
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2023",
    "--types",
    "",
    "typed.ts",
  );
  expect(true, "the published types check without skipLibCheck", "");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
