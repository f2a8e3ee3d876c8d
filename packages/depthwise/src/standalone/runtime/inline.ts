/** The part of `model.mjs` that only models with their files inside have. */

/** Bytes of base64. */
export function decode(text: string): Uint8Array<ArrayBuffer> {
  const platform = Uint8Array as unknown as { fromBase64?(text: string): Uint8Array<ArrayBuffer> };
  if (platform.fromBase64) return platform.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
