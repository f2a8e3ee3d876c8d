/** A file for an archive. */
export interface ZipFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const lengths = { local: 30, central: 46, end: 22 } as const;
/** The extra field that pads a header so that its file begins aligned; PyTorch's tag. */
const paddingTag = 0x4246;
const extraHeader = 4;
/** What is needed to read it: 2.0, names in UTF-8, nothing compressed. */
const version = 20;
const utf8Names = 0x0800;
/** 1 January 1980: the same files give the same bytes. */
const noDate = 0x0021;

/**
 * An archive of files as they are, each beginning at a multiple of `alignment` bytes.
 *
 * @param files under 4 GiB in all, at most 65,535 of them
 */
export function writeZip(files: readonly ZipFile[], alignment: number): Uint8Array<ArrayBuffer> {
  const places: { file: ZipFile; name: Uint8Array; at: number; extra: number; crc: number }[] = [];
  let at = 0;
  for (const file of files) {
    const name = new TextEncoder().encode(file.name);
    const unpadded = at + lengths.local + name.length + extraHeader;
    const extra = extraHeader + ((alignment - (unpadded % alignment)) % alignment);
    places.push({ file, name, at, extra, crc: crc32(file.bytes) });
    at += lengths.local + name.length + extra + file.bytes.length;
  }
  const directoryAt = at;
  const directoryLength = places.reduce((sum, { name }) => sum + lengths.central + name.length, 0);
  const bytes = new Uint8Array(directoryAt + directoryLength + lengths.end);
  const view = new DataView(bytes.buffer);
  const header = (from: number, crc: number, size: number, nameLength: number, extra: number): void => {
    view.setUint16(from, version, true);
    view.setUint16(from + 2, utf8Names, true);
    view.setUint16(from + 8, noDate, true);
    view.setUint32(from + 10, crc, true);
    view.setUint32(from + 14, size, true);
    view.setUint32(from + 18, size, true);
    view.setUint16(from + 22, nameLength, true);
    view.setUint16(from + 24, extra, true);
  };
  let record = directoryAt;
  for (const { file, name, at: place, extra, crc } of places) {
    view.setUint32(place, 0x04034b50, true);
    header(place + 4, crc, file.bytes.length, name.length, extra);
    bytes.set(name, place + lengths.local);
    const extraAt = place + lengths.local + name.length;
    view.setUint16(extraAt, paddingTag, true);
    view.setUint16(extraAt + 2, extra - extraHeader, true);
    bytes.set(file.bytes, extraAt + extra);
    view.setUint32(record, 0x02014b50, true);
    view.setUint16(record + 4, version, true);
    header(record + 6, crc, file.bytes.length, name.length, 0);
    view.setUint32(record + 42, place, true);
    bytes.set(name, record + lengths.central);
    record += lengths.central + name.length;
  }
  view.setUint32(record, 0x06054b50, true);
  view.setUint16(record + 8, places.length, true);
  view.setUint16(record + 10, places.length, true);
  view.setUint32(record + 12, directoryLength, true);
  view.setUint32(record + 16, directoryAt, true);
  return bytes;
}

/** Remainders of each byte for the polynomial of ZIP's checksum. */
const crcTable: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  return remainder;
});

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ (crcTable[(crc ^ (bytes[i] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}
