import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, IoError } from "@depthwise/core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cutFile, file, type MisbehavingServer, startMisbehavingServer } from "../testing/misbehaving_server.ts";
import { type Downloaded, type DownloadOptions, download } from "./download.ts";

const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 2_654_435_761) >>> 24);
const sha256 = createHash("sha256").update(content).digest("hex");
const quick = { pauseMilliseconds: 1 } as const;

let server: MisbehavingServer;
let folder: string;

beforeAll(async () => {
  server = await startMisbehavingServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "depthwise download "));
});
afterEach(() => rm(folder, { recursive: true }));

const target = (): string => join(folder, "model");
const fetchIt = (path: string, options: DownloadOptions = {}): Promise<Downloaded> =>
  download(new URL(path, server.address), target(), { ...quick, ...options });

async function expectWhole(): Promise<void> {
  expect(await readdir(folder)).toEqual(["model"]);
  expect(
    createHash("sha256")
      .update(await readFile(target()))
      .digest("hex"),
  ).toBe(sha256);
}

/** Neither the file nor a part of it. */
async function expectNothing(): Promise<void> {
  expect((await readdir(folder)).filter((name) => !name.endsWith(".part.json"))).toEqual([]);
}

describe("download", () => {
  test("brings a file, and tells how far it is", async () => {
    server.on("/good", file(content, '"1"'));
    const seen: (readonly [number, number | undefined])[] = [];
    const result = await fetchIt("/good", { sha256, onProgress: (done, total) => seen.push([done, total]) });
    expect(result).toEqual({ bytes: content.length, sha256, resumedFrom: 0 });
    expect(seen.at(-1)).toEqual([content.length, content.length]);
    await expectWhole();
  });

  test("goes on after every cut, from where it was", async () => {
    server.on("/cut", cutFile(content, '"1"', 50_000));
    const retries: string[] = [];
    await fetchIt("/cut", { retries: 1, onRetry: (reason) => retries.push(reason) });
    expect(retries.length).toBeGreaterThanOrEqual(5);
    const ranges = server.requests.filter(({ path }) => path === "/cut").map(({ headers }) => headers.range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => range !== undefined)).toBe(true);
    await expectWhole();
  });

  test("goes on in another call where the last one gave up", async () => {
    let isDown = false;
    const cut = cutFile(content, '"1"', 100_000);
    server.on("/later", (request, response, count) => {
      if (isDown) response.writeHead(503).end();
      else {
        isDown = true;
        cut(request, response, count);
      }
    });
    await expect(fetchIt("/later", { retries: 2 })).rejects.toThrow(/answered 503.*3 attempts/);
    server.on("/later", file(content, '"1"'));
    const { resumedFrom } = await fetchIt("/later", { sha256 });
    expect(resumedFrom).toBeGreaterThan(0);
    await expectWhole();
  });

  test("starts anew when the file has become another one", async () => {
    const old = content.toReversed();
    server.on("/changed", (request, response, count) => {
      if (count === 0) cutFile(old, '"old"', 120_000)(request, response, count);
      else file(content, '"new"')(request, response, count);
    });
    expect(await fetchIt("/changed", { sha256 })).toEqual({ bytes: content.length, sha256, resumedFrom: 0 });
    await expectWhole();
  });

  test("is not taken in by a server that resumes another file", async () => {
    server.on("/spliced", (request, response, count) => {
      if (count === 0) cutFile(content.toReversed(), '"1"', 120_000)(request, response, count);
      else file(content, '"1"')(request, response, count); // the tag is a lie
    });
    const { sha256: received } = await fetchIt("/spliced", { sha256 });
    expect(received).toBe(sha256);
    await expectWhole();
  });

  test("does not resume without a tag or a date, nor from another place than asked for", async () => {
    server.on("/untagged", (_request, response, count) => {
      response.writeHead(200, { "content-length": content.length, etag: 'W/"weak"' });
      if (count === 0) response.write(content.subarray(0, 90_000), () => setTimeout(() => response.destroy(), 250));
      else response.end(content);
    });
    await fetchIt("/untagged", { sha256 });
    await expectWhole();
    await rm(target());
    server.on("/elsewhere", (request, response, count) => {
      if (count === 1) {
        const range = `bytes 5-${content.length - 1}/${content.length}`;
        response.writeHead(206, { "content-range": range, etag: '"1"' }).end(content.subarray(5));
      } else cutFile(content, '"1"', 200_000)(request, response, count);
    });
    await fetchIt("/elsewhere", { sha256 });
    await expectWhole();
  });

  test("gives up a connection that has fallen silent", async () => {
    server.on("/slow", (request, response, count) => {
      if (count > 0) file(content, '"1"')(request, response, count);
      else {
        response.writeHead(200, { "content-length": content.length, etag: '"1"' });
        response.write(content.subarray(0, 70_000));
      }
    });
    const reasons: string[] = [];
    await fetchIt("/slow", { sha256, stallMilliseconds: 1500, onRetry: (reason) => reasons.push(reason) });
    expect(reasons).toEqual([expect.stringMatching(/sent nothing for 1\.5 s/)]);
    await expectWhole();
  });

  test("waits as long as the server asks", async () => {
    server.on("/busy", (request, response, count) => {
      if (count === 0) response.writeHead(429, { "retry-after": "1" }).end();
      else file(content, '"1"')(request, response, count);
    });
    const start = performance.now();
    await fetchIt("/busy");
    expect(performance.now() - start).toBeGreaterThan(700);
  });

  test.each([
    ["that is not there", "/nothing", /answered 404, there is no such file/],
    ["that is private", "/private", /answered 403/],
  ])("tells at once of a file %s", async (_, path, message) => {
    server.on("/private", (_request, response) => response.writeHead(403).end());
    const before = server.requests.length;
    await expect(fetchIt(path)).rejects.toThrow(message);
    expect(server.requests.length - before).toBe(1);
    await expectNothing();
  });

  test.each([
    ["in a circle", "/a", /redirects in a circle/],
    ["without an end", "/endless/0", /redirects more than 8 times/],
    ["to another kind of address", "/file", /only https and http/],
  ])("does not follow redirects %s", async (_, path, message) => {
    const redirect = (from: string, to: string): void =>
      server.on(from, (_request, response) => response.writeHead(302, { location: to }).end());
    redirect("/a", "/b");
    redirect("/b", "/a");
    redirect("/file", "file:///etc/hosts");
    for (let i = 0; i < 20; i++) redirect(`/endless/${i}`, `/endless/${i + 1}`);
    await expect(fetchIt(path)).rejects.toThrow(message);
    await expectNothing();
  });

  test("takes the checksum that the hub states on its redirect", async () => {
    const redirect = (hash: string): void =>
      server.on("/hub", (_request, response) =>
        response.writeHead(302, { location: "/cdn", "x-linked-etag": `"${hash}"` }).end(),
      );
    server.on("/cdn", file(content, '"1"'));
    redirect("0".repeat(64));
    await expect(fetchIt("/hub")).rejects.toThrow(FormatError);
    await expectNothing();
    redirect(sha256);
    expect((await fetchIt("/hub")).sha256).toBe(sha256);
  });

  test("keeps nothing of a file that is another than it must be", async () => {
    server.on("/good", file(content, '"1"'));
    await expect(fetchIt("/good", { sha256: "ab".repeat(32) })).rejects.toThrow(
      new RegExp(`SHA-256 is ${sha256}, expected abab`),
    );
    await expectNothing();
  });

  test("refuses what is too large, announced or not", async () => {
    server.on("/good", file(content, '"1"'));
    await expect(fetchIt("/good", { mostBytes: 1000 })).rejects.toThrow(/larger than 1000 bytes/);
    server.on("/chunked", (_request, response) => {
      response.writeHead(200);
      response.end(content);
    });
    await expect(fetchIt("/chunked", { mostBytes: 100_000 })).rejects.toThrow(/larger than 100000 bytes/);
    expect((await fetchIt("/chunked")).bytes).toBe(content.length);
  });

  test("refuses a packed answer, for its length says nothing", async () => {
    server.on("/packed", (_request, response) =>
      response.writeHead(200, { "content-encoding": "br" }).end(content.subarray(0, 10)),
    );
    await expect(fetchIt("/packed")).rejects.toThrow(/packed \(br\)/);
  });

  test("takes http from this machine only, unless the file is checked", async () => {
    await expect(download(new URL("http://example.invalid/x"), target(), quick)).rejects.toThrow(/over http/);
  });

  test("stops when it is told to, and leaves what has come for the next time", async () => {
    server.on("/hanging", (_request, response) => {
      response.writeHead(200, { "content-length": content.length, etag: '"1"' });
      response.write(content.subarray(0, 70_000));
    });
    const stop = new AbortController();
    const running = fetchIt("/hanging", {
      signal: stop.signal,
      onProgress: (done) => {
        if (done === 70_000) stop.abort(new IoError("stopped"));
      },
    });
    await expect(running).rejects.toThrow("stopped");
    server.on("/hanging", file(content, '"1"'));
    expect((await fetchIt("/hanging")).resumedFrom).toBe(70_000);
    await expectWhole();
  });

  test("does not work on a file that another process downloads; one that has ended does not count", async () => {
    server.on("/good", file(content, '"1"'));
    await writeFile(`${target()}.lock`, String(process.ppid));
    await expect(fetchIt("/good")).rejects.toThrow(/Process \d+ is downloading/);
    await writeFile(`${target()}.lock`, "4000000");
    await fetchIt("/good");
    await expectWhole();
  });
});
