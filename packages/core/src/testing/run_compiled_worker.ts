import type { RunRequest } from "./run_compiled.ts";
import { runInPage } from "./run_compiled_in_page.ts";

// A rejection is rethrown where the page hears of it: as the worker's error.
addEventListener("message", ({ data }: MessageEvent<readonly RunRequest[]>) => {
  runInPage(data).then(
    (results) => postMessage(results),
    (error: unknown) => setTimeout(() => Promise.reject(error)),
  );
});
