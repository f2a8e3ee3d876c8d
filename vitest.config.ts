import { defineConfig } from "vitest/config";

/** `npm test`: everything that needs nothing but this checkout, browser tests included. */
export default defineConfig({
  ssr: { resolve: { conditions: ["@depthwise/source", "node", "module", "import", "default"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "docs/src/**/*.test.ts", "bench/src/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/*.data.test.ts"],
    execArgv: ["--conditions=@depthwise/source"], // worker threads that a test starts inherit it
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
