import { build, describe } from "depthwise";

// Section 5: accuracy and size against the squeeze ratio.
for (const squeezeRatio of [0.125, 0.25, 0.5, 0.75, 1]) {
  const { parameters } = describe(build("squeezenet", { squeezeRatio }));
  console.log(`squeeze ratio ${squeezeRatio}: ${(parameters / 1e6).toFixed(2)} million parameters`);
}
