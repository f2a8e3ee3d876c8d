import type { FunctionBuilder } from "../../wasm/function_builder.ts";
import { i8x16 } from "../../wasm/instructions.ts";
import type { Local, V128 } from "../../wasm/value_types.ts";
import { FLOAT, LANES } from "../layout.ts";

/** A lane of one of the vectors at hand. */
export interface SourceLane {
  readonly window: number;
  readonly lane: number;
}

/** Puts vectors together from the lanes of up to four others. */
export interface LaneMixer {
  /** The vectors at hand from now on. */
  load(vectors: readonly V128[]): void;
  /** A vector of four of their lanes. */
  mix(lanes: readonly SourceLane[]): V128;
}

/** A mixer whose vectors are locals of the function. Of four vectors, halves that were put together once are used again. */
export function laneMixer(f: FunctionBuilder): LaneMixer {
  const windows = Array.from({ length: LANES }, (_, i) => f.local(`window${i}`, "v128"));
  const pairs: Local<"v128">[] = [];
  const known = new Map<string, Local<"v128">>();
  let count = 0;
  /** Halves of two windows, lane by lane in turns: two of four such vectors make up a row of a transposed 4x4 block. */
  const pair = (a: SourceLane, b: SourceLane): Local<"v128"> => {
    const [first, second] = [2 * (a.lane >> 1), 2 * (b.lane >> 1)];
    const key = [a.window, first, b.window, second].join();
    const made = known.get(key);
    if (made) return made;
    const local = pairs[known.size] ?? f.local(`pair${known.size}`, "v128");
    pairs[known.size] = local;
    const halves = [first, LANES + second, first + 1, LANES + second + 1];
    f.set(local, shuffle(windows[a.window] as V128, windows[b.window] as V128, halves));
    known.set(key, local);
    return local;
  };
  return {
    load(vectors) {
      known.clear();
      count = vectors.length;
      vectors.forEach((vector, i) => f.set(windows[i] as Local<"v128">, vector));
    },
    mix(lanes) {
      if (count === LANES) {
        const [a, b, c, d] = lanes as readonly [SourceLane, SourceLane, SourceLane, SourceLane];
        const left = pair(a, b);
        const right = pair(c, d);
        const at = ({ lane }: SourceLane) => 2 * (lane & 1);
        return shuffle(left, right, [at(a), at(b) + 1, LANES + at(c), LANES + at(d) + 1]);
      }
      // One window after another: lanes of those before stand at their place already.
      let mixed: V128 = windows[0] as Local<"v128">;
      if (count === 1 && lanes.every(({ lane }, i) => lane === i)) return mixed;
      for (let next = Math.min(1, count - 1); next < count; next++) {
        const places = lanes.map(({ window, lane }, i) => {
          if (window === next) return next === 0 ? lane : LANES + lane;
          return next <= 1 ? lane : i;
        });
        mixed = shuffle(mixed, windows[next] as Local<"v128">, places);
      }
      return mixed;
    },
  };
}

/** Lanes of four bytes: 0 to 3 of a, 4 to 7 of b. */
function shuffle(a: V128, b: V128, lanes: readonly number[]): V128 {
  return i8x16.shuffle(
    a,
    b,
    lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * FLOAT + byte)),
  );
}
