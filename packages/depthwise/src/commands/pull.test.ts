import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cutFile, file, type MisbehavingServer, startMisbehavingServer } from "../testing/misbehaving_server.ts";
import { depthwise, type Ended, json } from "../testing/run_cli.ts";

const content = Uint8Array.from({ length: 400_000 }, (_, i) => (i * 40_503) >>> 7);
const sha256 = createHash("sha256").update(content).digest("hex");

interface Document {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly cached: boolean;
  readonly resumedFrom: number;
  readonly error?: { readonly code: string; readonly message: string };
}

let server: MisbehavingServer;
let cache: string;

beforeAll(async () => {
  server = await startMisbehavingServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "depthwise pull "));
});
afterEach(() => rm(cache, { recursive: true }));

const pull = (...args: readonly string[]): Promise<Ended> =>
  depthwise(["pull", ...args], { env: { XDG_CACHE_HOME: cache, HF_ENDPOINT: server.address } });

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

describe("depthwise pull", () => {
  test("brings a model of the hub into the cache, and takes it from there the next time", async () => {
    const path = "/timm/mobilenetv2_100.ra_in1k/resolve/main/model.safetensors";
    server.on(path, (_request, response) =>
      response.writeHead(302, { location: "/cdn/blob", "x-linked-etag": `"${sha256}"` }).end(),
    );
    server.on("/cdn/blob", file(content, '"blob"'));
    const first = json<Document>(await pull("hf:timm/mobilenetv2_100.ra_in1k", "--json"));
    expect(first).toMatchObject({ bytes: content.length, sha256, cached: false });
    expect(first.file.startsWith(join(cache, "depthwise"))).toBe(true);
    expect(Uint8Array.from(await readFile(first.file))).toEqual(content);
    const before = server.requests.length;
    expect(json<Document>(await pull("hf:timm/mobilenetv2_100.ra_in1k", "--json"))).toMatchObject({ cached: true });
    expect(server.requests.length).toBe(before);
    // What is no longer what was downloaded comes anew.
    await writeFile(first.file, "damaged");
    expect(json<Document>(await pull("hf:timm/mobilenetv2_100.ra_in1k", "--json"))).toMatchObject({
      cached: false,
      sha256,
    });
  });

  test("puts a copy where it is told to", async () => {
    server.on("/model.onnx", file(content, '"1"'));
    const out = join(cache, "copy.onnx");
    const ended = await pull(`${server.address}/model.onnx`, "-o", out, "--sha256", sha256);
    expect([ended.code, ended.stdout.split("\n")[0]]).toEqual([0, out]);
    expect(Uint8Array.from(await readFile(out))).toEqual(content);
  });

  test("goes on where a killed process was", async () => {
    server.on("/big.pth", (_request, response) => {
      response.writeHead(200, { "content-length": content.length, etag: '"1"' });
      response.write(content.subarray(0, 150_000)); // and nothing more
    });
    const address = `${server.address}/big.pth`;
    const before = server.requests.length;
    const killed = await depthwise(["pull", address], {
      env: { XDG_CACHE_HOME: cache },
      onStart: (child) => {
        const timer = setInterval(async () => {
          const names = await filesIn(cache).catch((): readonly string[] => []);
          if (!names.includes("big.pth.part.json") || server.requests.length === before) return;
          clearInterval(timer);
          setTimeout(() => child.kill("SIGKILL"), 300);
        }, 20);
      },
    });
    expect(killed.signal).toBe("SIGKILL");
    expect(await filesIn(cache)).not.toContain("big.pth");
    server.on("/big.pth", file(content, '"1"'));
    const document = json<Document>(await pull(address, "--json"));
    expect(document).toMatchObject({ sha256, resumedFrom: 150_000 });
    expect([...(await filesIn(cache))].sort()).toEqual(["big.pth", "big.pth.json"]);
  });

  test("survives a server that cuts every connection, and says so", async () => {
    server.on("/cut.pth", cutFile(content, '"1"', 200_000));
    const ended = await pull(`${server.address}/cut.pth`, "--json");
    expect(ended.code).toBe(0);
    expect(ended.stderr).toMatch(/trying again/);
    expect(json<Document>(ended).sha256).toBe(sha256);
  });

  test("says which files a model of the hub has, if not the usual one", async () => {
    server.on("/api/models/org/name", (_request, response) =>
      response.end(JSON.stringify({ siblings: [{ rfilename: "README.md" }, { rfilename: "net.onnx" }] })),
    );
    const ended = await pull("hf:org/name");
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringMatching(/404.*\n.*org\/name has net\.onnx/)]);
  });

  test("keeps nothing of a file with another checksum", async () => {
    server.on("/wrong", file(content, '"1"'));
    const ended = await pull(`${server.address}/wrong`, "--sha256", "0".repeat(64), "--json");
    expect(ended.code).toBe(1);
    expect(json<Document>(ended).error?.code).toBe("format");
    expect(await filesIn(cache)).not.toContain("wrong");
  });

  test("lists what is known, without asking anybody", async () => {
    const before = server.requests.length;
    const rows = json<readonly { readonly source: string; readonly licence: string; readonly naming: string }[]>(
      await pull("--list", "--json"),
    );
    expect(rows.map(({ source }) => source)).toContain("hf:timm/mobilenetv2_100.ra_in1k");
    expect(rows.every(({ licence, naming }) => licence !== "" && naming !== "")).toBe(true);
    expect((await pull("--list")).stdout).toMatch(/^for .*licence/);
    expect(server.requests.length).toBe(before);
  });

  test.each([
    [[], /an address is missing/],
    [["mobilenet"], /expected hf:ORG\/NAME or an address/],
    [["hf:a/b", "c"], /one address is expected/],
    [["hf:a/b", "--sha256", "12"], /64 hexadecimal digits/],
    [["--list", "hf:a/b"], /takes no address/],
  ] as const)("refuses %j", async (args, message) => {
    const ended = await pull(...args);
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
