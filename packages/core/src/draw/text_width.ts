/** Characters of sans-serif fonts by how wide they are. */
const narrow = /[ilj.,:;|'!()/[\] ftr]/;
const wide = /[mwMW@%]/;

/**
 * About how wide a text is in a usual sans-serif font: there is no font to ask. Errs on the wide side.
 *
 * @param size of the font, in CSS pixels
 * @returns CSS pixels
 */
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const character of text) ems += narrow.test(character) ? 0.36 : wide.test(character) ? 0.92 : 0.62;
  return ems * size;
}

/** The text, its end cut off where it is wider than `width`. */
export function fitText(text: string, size: number, width: number): string {
  if (textWidth(text, size) <= width) return text;
  let kept = text;
  while (kept.length > 1 && textWidth(`${kept}…`, size) > width) kept = kept.slice(0, -1);
  return `${kept}…`;
}
