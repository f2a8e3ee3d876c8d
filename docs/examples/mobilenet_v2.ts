import { build, describe } from "depthwise";

// Two knobs: width and resolution.
for (const options of [{}, { width: 0.5 }, { resolution: 160 }, { width: 0.5, resolution: 160 }]) {
  const { parameters, macs } = describe(build("mobilenet_v2", options));
  console.log(JSON.stringify(options), parameters, "parameters,", macs, "multiply-accumulates");
}
