import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The version of a package that the bench has installed. */
export function versionOf(packageName: string): string {
  const file = new URL(`../../node_modules/${packageName}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** The address of a file of an installed package. */
export function fileOf(packageName: string, path: string): URL {
  return new URL(`../../node_modules/${packageName}/${path}`, import.meta.url);
}

/** The same as a path. */
export function pathOf(packageName: string, path: string): string {
  return fileURLToPath(fileOf(packageName, path));
}
