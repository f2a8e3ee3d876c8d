import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { roundChannels, truncateChannels } from "./round_channels.ts";

/** Stem and stages of MobileNetV2, by width: the released checkpoints. */
const mobileNetV2Channels: readonly (readonly [width: number, channels: readonly number[]])[] = [
  [0.35, [16, 8, 8, 16, 24, 32, 56, 112]],
  [0.5, [16, 8, 16, 16, 32, 48, 80, 160]],
  [0.75, [24, 16, 24, 24, 48, 72, 120, 240]],
  [1.3, [40, 24, 32, 40, 80, 128, 208, 416]],
  [1.4, [48, 24, 32, 48, 88, 136, 224, 448]],
];

describe("roundChannels", () => {
  it.each(mobileNetV2Channels)("gives MobileNetV2 of width %f its released channels", (width, channels) => {
    expect([32, 16, 24, 32, 64, 96, 160, 320].map((count) => roundChannels(count * width))).toEqual(channels);
  });

  it("gives a multiple of the divisor, near, and never below 90 %", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 4096, noNaN: true }),
        fc.integer({ min: 1, max: 32 }),
        (channels, divisor) => {
          const rounded = roundChannels(channels, divisor);
          expect(rounded % divisor).toBe(0);
          expect(rounded).toBeGreaterThanOrEqual(Math.max(divisor, 0.9 * channels));
          expect(rounded - channels).toBeLessThanOrEqual(divisor);
        },
      ),
    );
  });
});

describe("truncateChannels", () => {
  it("cuts fractions off, down to 8", () => {
    expect([25.6, 72.8, 3.2, 8].map(truncateChannels)).toEqual([25, 72, 8, 8]);
  });
});
