import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../random.ts";
import { mixPictures, type PictureShape } from "./mix_pictures.ts";

const shape: PictureShape = [4, 6, 3];
const length = 4 * 6 * 3;

/** Picture i holds the number i everywhere, and its target is class i. */
function numberedBatch(count: number): { pictures: Float32Array; targets: Float32Array } {
  return {
    pictures: Float32Array.from({ length: count * length }, (_, i) => Math.floor(i / length)),
    targets: Float32Array.from({ length: count * count }, (_, i) => (Math.floor(i / count) === i % count ? 1 : 0)),
  };
}

test("mixup blends a picture with its partner by the share in its targets", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(), fc.constantFrom(0.2, 1, 4), (count, seed, alpha) => {
      const batch = numberedBatch(count);
      mixPictures(batch, count, shape, { mixup: { alpha } }, seededRandom(seed));
      for (let i = 0; i < count; i++) {
        const partner = count - 1 - i;
        const share = batch.targets[i * count + i]!;
        if (partner !== i) expect(batch.targets[i * count + partner]).toBeCloseTo(1 - share, 6);
        for (const value of batch.pictures.subarray(i * length, (i + 1) * length)) {
          expect(value).toBeCloseTo(share * i + (1 - share) * partner, 5);
        }
      }
    }),
  );
});

test("cutmix swaps one rectangle, and targets are its area", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.nat(), (count, seed) => {
      const batch = numberedBatch(count);
      mixPictures(batch, count, shape, { cutmix: { alpha: 1 } }, seededRandom(seed));
      for (let i = 0; i < count; i++) {
        const picture = batch.pictures.subarray(i * length, (i + 1) * length);
        const own = picture.filter((value) => value === i).length / length;
        expect(batch.targets[i * count + i]).toBeCloseTo(own, 6);
        expect(picture.every((value) => value === i || value === count - 1 - i)).toBe(true);
        const foreign = [...picture.keys()].filter((at) => picture[at] !== i && at % 3 === 0).map((at) => at / 3);
        const columns = new Set(foreign.map((at) => at % 6));
        const rows = new Set(foreign.map((at) => Math.floor(at / 6)));
        expect(foreign.length).toBe(columns.size * rows.size);
      }
    }),
  );
});

test("with both, pairs draw one or the other", () => {
  const count = 400;
  const batch = numberedBatch(count);
  mixPictures(batch, count, shape, { mixup: { alpha: 1 }, cutmix: { alpha: 1 } }, seededRandom(3));
  let blended = 0;
  for (let i = 0; i < count / 2; i++) {
    const picture = batch.pictures.subarray(i * length, (i + 1) * length);
    if (picture.some((value) => value !== i && value !== count - 1 - i)) blended++;
  }
  expect(blended).toBeGreaterThan(70);
  expect(blended).toBeLessThan(130);
});

test("shares follow Beta(alpha, alpha): mean 1/2, variance 1 / (4 (2 alpha + 1))", () => {
  for (const alpha of [0.2, 1, 4]) {
    const count = 8000;
    const targets = new Float32Array(count * 2).map((_, i) => (i < count ? 1 - (i % 2) : i % 2));
    const pictures = new Float32Array(count);
    mixPictures({ pictures, targets }, count, [1, 1, 1], { mixup: { alpha } }, seededRandom(7));
    const shares = Array.from({ length: count / 2 }, (_, i) => targets[2 * i]!);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length;
    // 4,000 draws: three standard errors of the mean are below 0.021, of the variance below 7 %.
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.021);
    expect(variance * 4 * (2 * alpha + 1)).toBeGreaterThan(0.93);
    expect(variance * 4 * (2 * alpha + 1)).toBeLessThan(1.07);
  }
});
