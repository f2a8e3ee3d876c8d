import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of reference data beside the checkout: never part of the repository, so tests that need it are `*.data.test.ts`. */
const sharedFolder: string = fileURLToPath(new URL("../../../../../shared/", import.meta.url));

/**
 * Path of a file or folder in the reference data, for example `sharedPath("reference", "golden")`.
 *
 * @throws {Error} when it is not there, with how to run the rest
 */
export function sharedPath(...parts: readonly string[]): string {
  const path = join(sharedFolder, ...parts);
  if (!existsSync(path)) {
    throw new Error(
      `Reference data not found: ${path}. Tests named *.data.test.ts need it; \`npm test\` runs the others.`,
    );
  }
  return path;
}
