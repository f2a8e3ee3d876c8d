import { mergeConfig } from "vitest/config";
import base from "./vitest.config.ts";

/** `npm run test:data`: tests that read the reference data of `../shared` (weights, goldens, photos). */
const config = mergeConfig(base, { test: { testTimeout: 600_000 } });
config.test.include = ["packages/*/src/**/*.data.test.ts"];
config.test.exclude = ["**/node_modules/**", "**/dist/**"];
export default config;
