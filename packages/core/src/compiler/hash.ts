/** A short name for all of a spec. */
export function hash(spec: unknown): string {
  let value = 0x811c9dc5;
  for (const character of JSON.stringify(spec)) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  return (value >>> 0).toString(36);
}
