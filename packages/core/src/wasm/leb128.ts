/** LEB128, the format's variable-length integers: seven bits a byte, the lowest first, the high bit set on all bytes but the last. */

/** Where the bytes go, as a rule a `ByteWriter`. */
export interface ByteSink {
  byte(value: number): void;
}

const MORE = 0x80;
const PAYLOAD = 0x7f;
/** The sign bit of a last byte. */
const SIGN = 0x40;

/** Writes an unsigned integer below 2³². */
export function writeUnsigned(writer: ByteSink, value: number): void {
  let rest = value >>> 0;
  while (rest > PAYLOAD) {
    writer.byte((rest & PAYLOAD) | MORE);
    rest >>>= 7;
  }
  writer.byte(rest);
}

/** Writes a signed integer of 32 bits. */
export function writeSigned(writer: ByteSink, value: number): void {
  let rest = value | 0;
  while (rest < -SIGN || rest >= SIGN) {
    writer.byte((rest & PAYLOAD) | MORE);
    rest >>= 7;
  }
  writer.byte(rest & PAYLOAD);
}

/** Writes a signed integer of 64 bits. */
export function writeSigned64(writer: ByteSink, value: bigint): void {
  let rest = value;
  while (rest < -64n || rest >= 64n) {
    writer.byte(Number(rest & 0x7fn) | MORE);
    rest >>= 7n;
  }
  writer.byte(Number(rest & 0x7fn));
}
