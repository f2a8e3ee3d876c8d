/** A picture format that we can name by a file's first bytes. */
export interface PictureFormat {
  /** As people write it. */
  readonly name: string;
  /** In lower case, with the dot. */
  readonly extensions: readonly string[];
  /** Whether decoding is expected to work; the others are known so that they can be refused by name. */
  readonly isDecoded: boolean;
  /** Looks at up to {@link signatureBytes} bytes, as Latin-1 text. */
  readonly begins: (start: string) => boolean;
}

/** How much of a file {@link recognizeFormat} needs. */
export const signatureBytes = 256;

const formats: readonly PictureFormat[] = [
  decoded("JPEG", [".jpg", ".jpeg", ".jpe", ".jfif"], (start) => start.startsWith("\xff\xd8\xff")),
  decoded("PNG", [".png", ".apng"], (start) => start.startsWith("\x89PNG\r\n\x1a\n")),
  decoded("WebP", [".webp"], (start) => start.startsWith("RIFF") && start.startsWith("WEBP", 8)),
  decoded("GIF", [".gif"], (start) => start.startsWith("GIF87a") || start.startsWith("GIF89a")),
  decoded("TIFF", [".tif", ".tiff"], (start) => /^(II[*+]\0|MM\0[*+])/.test(start)),
  decoded("AVIF", [".avif"], (start) => hasBrand(start, /avi[fs]/)),
  decoded("SVG", [".svg"], (start) =>
    /^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(!DOCTYPE )?svg\b/s.test(start),
  ),
  refused("HEIC", [".heic", ".heif"], (start) => hasBrand(start, /hei[cxs]|hev[cx]/)),
  refused("JPEG XL", [".jxl"], (start) => start.startsWith("\xff\x0a") || start.startsWith("\0\0\0\x0cJXL ")),
  refused("JPEG 2000", [".jp2"], (start) => start.startsWith("\0\0\0\x0cjP  ") || start.startsWith("\xff\x4f\xff\x51")),
  // A BMP's reserved bytes 6 to 9 are zero, which tells it from text that begins with BM.
  refused("BMP", [".bmp"], (start) => start.startsWith("BM") && start.startsWith("\0\0\0\0", 6)),
  refused("ICO", [".ico"], (start) => start.startsWith("\0\0\x01\0")),
  refused("Netpbm", [".pbm", ".pgm", ".ppm"], (start) => /^P[1-6]\s+(#.*\s+)*\d+\s+\d+\s/.test(start)),
  refused("Photoshop", [".psd"], (start) => start.startsWith("8BPS")),
];

/** Names the format of a file by its first bytes; `undefined` if they are no picture's. */
export function recognizeFormat(bytes: Uint8Array): PictureFormat | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, signatureBytes)).toString("latin1");
  return formats.find((format) => format.begins(start));
}

/** Whether a file's name ends like a picture's, upper or lower case. */
export function hasPictureExtension(file: string): boolean {
  const name = file.toLowerCase();
  return formats.some((format) => format.extensions.some((extension) => name.endsWith(extension)));
}

function decoded(name: string, extensions: readonly string[], begins: PictureFormat["begins"]): PictureFormat {
  return { name, extensions, isDecoded: true, begins };
}

function refused(name: string, extensions: readonly string[], begins: PictureFormat["begins"]): PictureFormat {
  return { name, extensions, isDecoded: false, begins };
}

/** Whether an ISO media file's first box lists a brand, as its major or a compatible one. */
function hasBrand(start: string, brand: RegExp): boolean {
  if (!start.startsWith("ftyp", 4)) return false;
  const boxBytes = start.charCodeAt(2) * 256 + start.charCodeAt(3);
  const brands = start.slice(8, boxBytes).match(/.{4}/gs) ?? [];
  return brands.some((name, i) => i !== 1 && name.replace(brand, "") === ""); // the second is a version number
}
