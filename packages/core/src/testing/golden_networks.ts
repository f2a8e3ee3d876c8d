import { goldenNetworksB } from "./golden_networks_b.ts";

/** How the networks of the golden files are built: file name without ending, then the arguments of `build`. */
export const goldenNetworks: readonly GoldenNetwork[] = [
  ...goldenNetworksB,
  mobileNet("mobilenet_v1", "mobilenet_v1_0.25_100_tf", 100, "tf"),
  mobileNet("mobilenet_v1", "mobilenet_v1_0.25_96", 96, "torch"),
  mobileNet("mobilenet_v2", "mobilenet_v2_0.25_100_tf", 100, "tf"),
  mobileNet("mobilenet_v2", "mobilenet_v2_0.25_96", 96, "torch"),
  squeezeNet("squeezenet_1.0_narrow_96", { layout: "1.0" }),
  squeezeNet("squeezenet_1.0_narrow_complex_bypass_96", { layout: "1.0", bypass: "complex" }),
  squeezeNet("squeezenet_1.0_narrow_simple_bypass_96", { layout: "1.0", bypass: "simple" }),
  squeezeNet("squeezenet_1.1_narrow_96", { layout: "1.1", share3x3: 0.25, squeezeRatio: 0.25 }),
  squeezeNext("squeezenext_0.5_23_97", { depth: "23", resolution: 97 }),
  squeezeNext("squeezenext_0.5_23_pytorchcv_97", { depth: "23", flavour: "pytorchcv", resolution: 97 }),
  squeezeNext("squeezenext_0.5_23_v5_95", { depth: "v5", resolution: 95 }),
  squeezeNext("squeezenext_0.5_g_23_97", { depth: "23", groups: 2, resolution: 97 }),
  xception("xception_0.1_79", { padding: "torch", epsilon: 1e-5 }),
  xception("xception_0.1_79_tf", { padding: "tf", epsilon: 1e-3 }),
];

/** One golden file and the network it belongs to. */
export interface GoldenNetwork {
  /** In `reference/golden`, without `.safetensors`. */
  readonly file: string;
  readonly family: string;
  readonly options: Readonly<Record<string, unknown>>;
}

function mobileNet(family: string, file: string, resolution: number, padding: "torch" | "tf"): GoldenNetwork {
  const epsilon = padding === "tf" ? 1e-3 : 1e-5;
  return { file, family, options: { width: 0.25, resolution, padding, epsilon, classes: 10 } };
}

function squeezeNet(file: string, options: Readonly<Record<string, unknown>>): GoldenNetwork {
  const narrow = { baseExpand: 32, expandIncrement: 32, resolution: 96, classes: 10 };
  return { file, family: "squeezenet", options: { ...narrow, ...options } };
}

function squeezeNext(file: string, options: Readonly<Record<string, unknown>>): GoldenNetwork {
  return { file, family: "squeezenext", options: { width: 0.5, classes: 10, ...options } };
}

function xception(file: string, options: Readonly<Record<string, unknown>>): GoldenNetwork {
  return { file, family: "xception", options: { width: 0.1, resolution: 79, classes: 10, ...options } };
}
