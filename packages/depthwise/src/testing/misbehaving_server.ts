import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a path answers, to which request of it. */
export type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** A server on this machine that answers as a test says. */
export interface MisbehavingServer {
  /** `http://127.0.0.1:PORT`. */
  readonly address: string;
  /** Requests that came, in order. */
  readonly requests: readonly { readonly path: string; readonly headers: IncomingMessage["headers"] }[];
  /** What a path answers from now on. */
  on(path: string, answer: Answer): void;
  close(): Promise<void>;
}

/** Starts a server on a free port. Paths without an answer are not found. */
export async function startMisbehavingServer(): Promise<MisbehavingServer> {
  const answers = new Map<string, Answer>();
  const counts = new Map<string, number>();
  const requests: { path: string; headers: IncomingMessage["headers"] }[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    requests.push({ path, headers: request.headers });
    const count = counts.get(path) ?? 0;
    counts.set(path, count + 1);
    const answer = answers.get(path);
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response, count);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    on(path, answer) {
      answers.set(path, answer);
      counts.delete(path);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with a file as a good server does: ranges, if the entity tag is still that one. */
export function file(content: Uint8Array, tag: string): Answer {
  return (request, response) => {
    const start = startFor(request, tag);
    if (start === undefined) {
      response.writeHead(200, { "content-length": content.length, etag: tag }).end(content);
      return;
    }
    const rest = content.subarray(start);
    response
      .writeHead(206, {
        "content-length": rest.length,
        "content-range": `bytes ${start}-${content.length - 1}/${content.length}`,
        etag: tag,
      })
      .end(rest);
  };
}

/** Between what is sent and the cut, in milliseconds: what a busy client has not taken by then is lost to it. */
const patience = 250;

/** The same, but each connection breaks after `bytes`, though the header announces all. */
export function cutFile(content: Uint8Array, tag: string, bytes: number): Answer {
  return (request, response) => {
    const start = startFor(request, tag) ?? 0;
    const rest = content.subarray(start);
    const range = start === 0 ? {} : { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(start === 0 ? 200 : 206, { "content-length": rest.length, etag: tag, ...range });
    if (rest.length <= bytes) response.end(rest);
    else response.write(rest.subarray(0, bytes), () => setTimeout(() => response.destroy(), patience));
  };
}

function startFor({ headers }: IncomingMessage, tag: string): number | undefined {
  const start = headers.range?.match(/^bytes=(\d+)-$/)?.[1];
  return start !== undefined && headers["if-range"] === tag ? Number(start) : undefined;
}
