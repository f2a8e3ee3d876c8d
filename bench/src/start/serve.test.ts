import { describe, expect, it } from "vitest";
import { serve } from "./serve.ts";

describe("serve", () => {
  it("answers with types that streaming compilation takes, and remembers what it was asked for", async () => {
    await using server = await serve(
      new Map([
        ["/", Buffer.from("<!doctype html>")],
        ["/model.wasm", Uint8Array.of(1, 2, 3)],
      ]),
    );
    const page = await fetch(server.origin);
    const model = await fetch(`${server.origin}/model.wasm`);
    expect([page.headers.get("content-type"), page.headers.get("cache-control")]).toEqual([
      "text/html; charset=utf-8",
      "no-cache",
    ]);
    expect(model.headers.get("content-type")).toBe("application/wasm");
    expect(model.headers.get("cache-control")).toContain("immutable");
    expect(new Uint8Array(await model.arrayBuffer())).toEqual(Uint8Array.of(1, 2, 3));
    expect((await fetch(`${server.origin}/other`)).status).toBe(404);
    expect(server.takeRequests()).toEqual(["/", "/model.wasm"]);
    expect(server.takeRequests()).toEqual([]);
  });
});
