import type { Browser, BrowserContext } from "playwright-core";
import { seededRandom } from "../../../packages/core/src/random.ts";
import { startBrowser } from "../../../packages/core/src/testing/browser.ts";
import { compareOutputs, TOLERANCE } from "../compare.ts";
import type { PeerFailure } from "../measure.ts";
import { shuffled } from "../shuffled.ts";
import { type Interval, median, ratioOfMedians } from "../statistics.ts";
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
  readonly version: string;
  /** Largest difference from the first site's output, relative to its largest value. */
  readonly difference: number;
  /** In a browser context that has seen nothing. */
  readonly cold: StartTimes;
  /** The same page again in another tab of that context. */
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
  readonly difference: number;
  readonly cold: Start[];
  readonly warm: Start[];
}

/** Measures every site's start in turns. Outputs are compared before: that round is not counted. */
export async function measureStarts(model: string, options: StartOptions): Promise<StartResults> {
  const { rounds, onProgress } = options;
  await using session = await startBrowser();
  await using stack = new AsyncDisposableStack();
  const browser = session.page.context().browser() as Browser;
  const failures: PeerFailure[] = [];
  const contestants: Contestant[] = [];
  let reference: Float32Array | undefined;
  for (const name of options.sites) {
    onProgress(`${model}: ${name} is built`);
    try {
      const site = await sites[name].make(model);
      const server = stack.use(await serve(site.files));
      const { cold } = await visit(browser, server);
      reference ??= cold.output;
      const difference = compareOutputs(reference, cold.output);
      if (!(difference <= TOLERANCE))
        throw new Error(`its output differs by ${difference} of the largest value; ${TOLERANCE} is allowed.`);
      contestants.push({ name, site, server, difference, cold: [], warm: [] });
    } catch (error) {
      failures.push({ peer: name, error: error instanceof Error ? error.message : String(error) });
    }
  }
  const random = seededRandom(0, "turns");
  for (let round = 0; round < rounds; round++) {
    for (const contestant of shuffled(contestants, random.below)) {
      onProgress(`${model}: round ${round + 1} of ${rounds}, ${contestant.name}`);
      const { cold, warm } = await visit(browser, contestant.server);
      contestant.cold.push(cold);
      contestant.warm.push(warm);
    }
  }
  onProgress(`${model}: bytes are compressed`);
  const starts = await Promise.all(
    contestants.map((contestant) => summarise(contestant, contestants[0] as Contestant)),
  );
  return { model, engine: `Chromium ${browser.version()}`, starts, failures };
}

/** Goes to a site twice in a context of its own. */
async function visit(browser: Browser, server: StaticServer): Promise<{ readonly cold: Start; readonly warm: Start }> {
  const context = await browser.newContext();
  try {
    return { cold: await navigate(context, server), warm: await navigate(context, server) };
  } finally {
    await context.close();
  }
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
