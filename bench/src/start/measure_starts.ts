import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { seededRandom, shuffled } from "../../../packages/core/src/random.ts";
import { median } from "../../../packages/core/src/statistics.ts";
import { startBrowser } from "../../../packages/core/src/testing/browser.ts";
import { compareOutputs, TOLERANCE } from "../compare.ts";
import type { PeerFailure } from "../measure.ts";
import { type Interval, ratioOfMedians } from "../statistics.ts";
import type { FirstResult } from "./pages/first_result.ts";
import { type StaticServer, serve } from "./serve.ts";
import type { Site } from "./site.ts";
import { type SiteName, sites } from "./sites.ts";
import { type Transferred, transferredBytes } from "./transferred_bytes.ts";

/** Milliseconds from navigation to the first output, one sample a round. */
export interface StartTimes {
  readonly samples: readonly number[];
  readonly medianMs: number;
  /** When the network could run, the median. */
  readonly readyMs: number;
  /** Over the first site's. */
  readonly ratio: Interval;
  /** Files that the server was asked for. */
  readonly requests: readonly string[];
}

/** One site's numbers for one network. */
export interface StartResult {
  readonly peer: string;
  readonly version: string | undefined;
  /** Largest difference from the first site's output, relative to its largest value; undefined where there is no output. */
  readonly difference: number | undefined;
  /** In a browser whose profile is new: nothing is in its caches. */
  readonly cold: StartTimes;
  /** The same page again in another tab of that browser. */
  readonly warm: StartTimes;
  /** What the cold start transferred. */
  readonly bytes: Transferred;
}

/** All starts of one network. */
export interface StartResults {
  readonly model: string;
  readonly engine: string;
  readonly starts: readonly StartResult[];
  readonly failures: readonly PeerFailure[];
}

/** How to measure starts. */
export interface StartOptions {
  readonly sites: readonly SiteName[];
  readonly rounds: number;
  /** Hears what is done, for a person who waits. */
  readonly onProgress: (text: string) => void;
}

/** One navigation's. */
interface Start extends FirstResult {
  readonly requests: readonly string[];
}

/** A site that is served and agrees. */
interface Contestant {
  readonly name: SiteName;
  readonly site: Site;
  readonly server: StaticServer;
  readonly difference: number | undefined;
  readonly cold: Start[];
  readonly warm: Start[];
}

/** Measures every site's start in turns. Outputs are compared before: that round is not counted. */
export async function measureStarts(model: string, options: StartOptions): Promise<StartResults> {
  const { rounds, onProgress } = options;
  await using stack = new AsyncDisposableStack();
  const failures: PeerFailure[] = [];
  const contestants: Contestant[] = [];
  let reference: Float32Array | undefined;
  let engine = "";
  for (const name of options.sites) {
    onProgress(`${model}: ${name} is built`);
    try {
      const site = await sites[name].make(model);
      const server = stack.use(await serve(site.files));
      const { cold, chromium } = await visit(server);
      engine = chromium;
      const difference = site.version === undefined ? undefined : compareOutputs(reference ?? cold.output, cold.output);
      if (difference !== undefined) reference ??= cold.output;
      const allowed = Math.max(TOLERANCE, site.rounding ?? 0);
      if (difference !== undefined && !(difference <= allowed))
        throw new Error(`its output differs by ${difference} of the largest value; ${allowed} is allowed.`);
      contestants.push({ name, site, server, difference, cold: [], warm: [] });
    } catch (error) {
      failures.push({ peer: name, error: error instanceof Error ? error.message : String(error) });
    }
  }
  const random = seededRandom(0, "turns");
  for (let round = 0; round < rounds; round++) {
    for (const contestant of shuffled(contestants, random.below)) {
      onProgress(`${model}: round ${round + 1} of ${rounds}, ${contestant.name}`);
      const { cold, warm } = await visit(contestant.server);
      contestant.cold.push(cold);
      contestant.warm.push(warm);
    }
  }
  onProgress(`${model}: bytes are compressed`);
  const starts = await Promise.all(
    contestants.map((contestant) => summarise(contestant, contestants[0] as Contestant)),
  );
  return { model, engine, starts, failures };
}

/** Goes to a site twice with a browser of its own, which has opened another page before: what is measured is the site. */
async function visit(
  server: StaticServer,
): Promise<{ readonly cold: Start; readonly warm: Start; readonly chromium: string }> {
  await using stack = new AsyncDisposableStack();
  const profile = await mkdtemp(join(tmpdir(), "depthwise-bench-"));
  stack.defer(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }));
  const { page } = stack.use(await startBrowser({ profile }));
  const context = page.context();
  const cold = await navigate(context, server);
  const warm = await navigate(context, server);
  return { cold, warm, chromium: `Chromium ${context.browser()?.version()}` };
}

async function navigate(context: BrowserContext, server: StaticServer): Promise<Start> {
  server.takeRequests();
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(server.origin);
  const result = await page.evaluate(() => globalThis.firstResult);
  await page.close();
  if (result === undefined) throw new Error(`its page did not start: ${errors.join("; ")}`);
  return { ...result, requests: server.takeRequests() };
}

async function summarise(contestant: Contestant, first: Contestant): Promise<StartResult> {
  const { name, site, difference, cold, warm } = contestant;
  return {
    peer: name,
    version: site.version,
    difference,
    cold: startTimes(cold, first.cold),
    warm: startTimes(warm, first.warm),
    bytes: await transferredBytes(site, cold[0]?.requests ?? []),
  };
}

function startTimes(starts: readonly Start[], firsts: readonly Start[]): StartTimes {
  const samplesOf = (all: readonly Start[]): readonly number[] => all.map(({ resultMs }) => resultMs);
  const samples = samplesOf(starts);
  return {
    samples,
    medianMs: median(samples),
    readyMs: median(starts.map(({ readyMs }) => readyMs)),
    ratio: ratioOfMedians(samples, samplesOf(firsts)),
    requests: starts[0]?.requests ?? [],
  };
}
