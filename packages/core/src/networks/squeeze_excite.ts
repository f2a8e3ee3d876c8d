import type { GraphBuilder, Value } from "../graph/builder.ts";
import { normal } from "./initializers.ts";
import { biasedConvolution, channelsOf } from "./layers.ts";

/**
 * Squeeze-and-excitation (arXiv:1709.01507, figure 3): channels are scaled by what a small network makes of their means. Its two linear
 * layers are 1x1 convolutions of the `[N, 1, 1, C]` means here: the same numbers.
 *
 * @param x `[N, H, W, C]`
 * @param hidden outputs of the first layer
 * @returns `[N, H, W, C]`; nodes `squeeze_excite/pool`, `/reduce`, `/expand`, `/scale`
 */
export function squeezeExcite(builder: GraphBuilder, x: Value, hidden: number): Value {
  return builder.scope("squeeze_excite", () => {
    const means = builder.globalAveragePool("pool", x);
    const initializer = normal(0.01); // The linear layers of megvii-model/ShuffleNet-Series, ShuffleNetV2.Large.
    const reduced = biasedConvolution(builder, "reduce", means, { channels: hidden, activation: "relu", initializer });
    const scale = biasedConvolution(builder, "expand", reduced, {
      channels: channelsOf(x),
      activation: "sigmoid",
      initializer,
    });
    return builder.multiply("scale", x, scale);
  });
}
