import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startProgress } from "./progress.ts";

let written: string[];

function streamLike(isTTY: boolean): NodeJS.WriteStream {
  return { isTTY, write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream;
}

beforeEach(() => {
  written = [];
  vi.useFakeTimers({ toFake: ["performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

test("says nothing of work that takes less than a second", () => {
  for (const isTTY of [true, false]) {
    const progress = startProgress("working", streamLike(isTTY));
    vi.advanceTimersByTime(900);
    progress.update(3, 4);
    progress.end();
  }
  expect(written).toEqual([]);
});

test("is redrawn on a terminal, not more often than the eye sees, and taken away", () => {
  const progress = startProgress("working", streamLike(true));
  vi.advanceTimersByTime(1001);
  progress.update(1, 4, "stem");
  progress.update(2, 4);
  vi.advanceTimersByTime(200);
  progress.update(3, 4);
  progress.end();
  expect(written).toEqual([
    "\r\x1b[Kworking [######..................] 1 of 4  stem",
    "\r\x1b[Kworking [##################......] 3 of 4",
    "\r\x1b[K",
  ]);
});

test("is one plain line elsewhere", () => {
  const progress = startProgress("working", streamLike(false));
  vi.advanceTimersByTime(1500);
  for (let done = 1; done <= 4; done++) progress.update(done, 4);
  progress.end();
  expect(written).toEqual(["working: 1 of 4 after a second ...\n"]);
});

test("is a line a minute where work takes long", () => {
  const progress = startProgress("training", streamLike(false));
  vi.advanceTimersByTime(1500);
  for (let done = 1; done <= 6; done++) {
    progress.update(done, 6);
    vi.advanceTimersByTime(35_000);
  }
  progress.end();
  expect(written).toEqual([
    "training: 1 of 6 after a second ...\n",
    "training: 3 of 6 after 1 min ...\n",
    "training: 5 of 6 after 2 min ...\n",
  ]);
});
