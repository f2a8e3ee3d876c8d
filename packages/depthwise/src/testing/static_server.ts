import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

/** A server of a folder, on the loopback interface. */
export interface StaticServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  /** Paths that were asked for, in order. */
  readonly requests: readonly string[];
}

/** How a folder is served. */
export interface ServeOptions {
  /** Sent with every file. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Type of `.wasm`: `application/wasm` unless a server knows no better. */
  readonly wasmType?: string;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
};

/** What makes a page cross-origin isolated. */
export const isolation: Readonly<Record<string, string>> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Serves a folder as any static server does. */
export async function serveFolder(folder: string, options: ServeOptions = {}): Promise<StaticServer> {
  const { headers = {}, wasmType = "application/wasm" } = options;
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    requests.push(pathname);
    const path = join(folder, normalize(pathname));
    const type = extname(path) === ".wasm" ? wasmType : (types[extname(path)] ?? "application/octet-stream");
    try {
      const bytes = await readFile(path);
      response.writeHead(200, { "content-type": type, ...headers }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
