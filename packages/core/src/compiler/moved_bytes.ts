import { callsOf } from "./bands.ts";
import type { Call, Step } from "./plan.ts";

/** Bytes of the weights and tables that calls read. */
export function constantBytes(calls: readonly Call[]): number {
  const addresses = calls.flatMap(({ args }) => args);
  const constants = new Set(addresses.flatMap((address) => (address.kind === "constant" ? address.constant : [])));
  // Of weights that were transformed little is read but what became of them.
  const transformed = new Set([...constants].map(({ madeBy }) => madeBy?.from));
  return [...constants].reduce((sum, constant) => sum + (transformed.has(constant) ? 0 : constant.bytes), 0);
}

/** Bytes of activations and weights that a step reads and writes for one picture; what stays in a band is not counted. */
export function movedBytes(step: Step): number {
  const activations = [...step.traffic.values()].reduce((sum, bytes) => sum + bytes, 0);
  return activations + constantBytes(callsOf(step));
}

/** The same if nothing ran in bands. */
export function movedBytesWithoutBands(step: Step): number {
  return step.bands ? step.bands.steps.reduce((sum, inner) => sum + movedBytes(inner), 0) : movedBytes(step);
}
