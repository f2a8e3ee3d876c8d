import type { Value } from "@depthwise/core";
import type { ForeignValue, View } from "./foreign_value.ts";
import type { Importer, Layout } from "./importer.ts";

/**
 * The value of ours that an output is: a picture, or a list of channels.
 *
 * @throws {UnsupportedError} if it is a constant, or neither
 */
export function readOutput(to: Importer, value: ForeignValue, preferred: Layout): Value {
  if (value.kind === "constant") throw to.unsupported("is a constant");
  const view = to.settle(value);
  if (view.axes.length === 4) return to.picture(view, to.layoutOf(to.lifted(view), preferred));
  return to.matrix(withoutUnitAxes(view));
}

/** The view without axes of length 1 beyond a batch and a list of channels. */
function withoutUnitAxes(view: View): View {
  if (view.axes.length <= 2) return view;
  const [batch, ...rest] = view.axes;
  const long = rest.filter((atoms) => atoms.length > 0);
  return long.length > 1 ? view : { ...view, axes: [batch ?? [], long[0] ?? []] };
}
