import { unzlibSync } from "fflate";

/** Filters of a row: what is added to each byte from the byte before (a), above (b), and above the one before (c). */
const filters: readonly ((a: number, b: number, c: number) => number)[] = [
  () => 0,
  (a) => a,
  (_, b) => b,
  (a, b) => (a + b) >> 1,
  (a, b, c) => {
    const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
    if (pa <= pb && pa <= pc) return a;
    return pb <= pc ? b : c;
  },
];

/** The bytes of an RGB PNG of 8 bits, row by row: all that the expected inputs are. */
export function readPng(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (view.getUint32(24) !== 0x08020000 || bytes[28] !== 0) throw new TypeError("expected RGB, 8 bits, not interlaced");
  const parts: Uint8Array[] = [];
  for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
    const isData = String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === "IDAT";
    if (isData) parts.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const packed = unzlibSync(joined(parts));
  const rowBytes = 3 * width;
  const pixels = new Uint8Array(rowBytes * height);
  for (let row = 0; row < height; row++) {
    const filter = filters[packed[row * (rowBytes + 1)] as number];
    if (filter === undefined) throw new TypeError("unknown filter");
    for (let i = 0; i < rowBytes; i++) {
      const at = row * rowBytes + i;
      const isFirst = i < 3;
      const a = isFirst ? 0 : (pixels[at - 3] as number);
      const b = row === 0 ? 0 : (pixels[at - rowBytes] as number);
      const c = isFirst || row === 0 ? 0 : (pixels[at - rowBytes - 3] as number);
      pixels[at] = (packed[row * (rowBytes + 1) + 1 + i] as number) + filter(a, b, c);
    }
  }
  return pixels;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
