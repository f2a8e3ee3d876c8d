import type { FunctionBuilder } from "../wasm/function_builder.ts";
import { i32, memory, select } from "../wasm/instructions.ts";
import type { ModuleBuilder } from "../wasm/module_builder.ts";
import type { I32, Local } from "../wasm/value_types.ts";
import { CACHE_LINE, roundUp } from "./module_memory.ts";

/** Who is at work. */
export interface Team {
  readonly thread: Local<"i32">;
  readonly threads: Local<"i32">;
}

/** A piece that a thread has taken. */
export interface Piece {
  /** Whose share it is of, and which piece of it. */
  readonly share: Local<"i32">;
  readonly number: Local<"i32">;
  /** 1 if the share is another thread's. */
  readonly isTaken: Local<"i32">;
}

/** What threads need to help each other. */
export interface Claims {
  /** Gives all work back; no thread may be at work. */
  reset(f: FunctionBuilder): void;
  /**
   * Pieces of a task, until none is left.
   *
   * @param task its number
   * @param pieces how many pieces a share has: fewer than 32,768
   */
  eachPiece(
    f: FunctionBuilder,
    task: number,
    team: Team,
    pieces: (share: Local<"i32">) => I32,
    body: (piece: Piece) => void,
  ): void;
}

/** Bytes of the words of all tasks. */
export function claimsBytes(tasks: number, threads: number): number {
  return threads * shareBytes(tasks);
}

/** A thread's words lie side by side, so that it has their lines for itself until others help it. */
function shareBytes(tasks: number): number {
  return roundUp(tasks * WORD, CACHE_LINE);
}

const WORD = 4;
const FRONT = 1;
const BACK = 1 << 16;

/**
 * Cores differ: large and small ones, or those that a host lends to somebody else. So that nobody waits for the slowest, a thread that has
 * done its share of a task takes pieces from the back of the others' shares, while their owners go on from the front. Which thread does
 * a piece changes no bit of the result.
 *
 * A word for each share counts the pieces taken: from the front in its lower half, from the back in its upper one. Whoever adds to it takes a
 * piece, if both halves together were less than the pieces.
 *
 * @param address where the words lie, `claimsBytes` of them
 */
export function emitClaims(module: ModuleBuilder, address: number, tasks: number, threads: number): Claims {
  const claim = module.function(
    "claim",
    { params: { word: "i32", pieces: "i32", end: "i32" }, results: ["i32"] },
    (f, { word, pieces, end }) => {
      const before = f.let("before", i32.atomic.rmw.add(word, end));
      const front = f.let("front", i32.and(before, BACK - 1));
      const back = f.let("back", i32.shr_u(before, 16));
      f.if(i32.ge_u(i32.add(front, back), pieces), () => f.return(i32.const(-1)));
      f.return(select(i32.eq(end, FRONT), front, i32.sub(i32.sub(pieces, 1), back)));
    },
  );
  return {
    reset(f) {
      f.do(memory.fill(address, 0, claimsBytes(tasks, threads)));
    },
    eachPiece(f, task, { thread, threads: present }, piecesOf, body) {
      const share = f.let("share", thread);
      f.repeat({ name: "helped", from: 0, to: present, step: 1 }, (helped) => {
        const isTaken = f.let("isTaken", i32.gt_u(helped, 0));
        const pieces = f.let("pieces", piecesOf(share));
        const word = f.let("word", i32.add(i32.mul(share, shareBytes(tasks)), address + task * WORD));
        const end = f.let("end", select(isTaken, i32.const(BACK), i32.const(FRONT)));
        f.loop((again) => {
          const number = f.let("piece", f.call(claim, [word, pieces, end]));
          f.if(i32.ge_s(number, 0), () => {
            body({ share, number, isTaken });
            f.br(again);
          });
        });
        f.set(share, i32.add(share, 1));
        f.if(i32.eq(share, present), () => f.set(share, 0));
      });
    },
  };
}
