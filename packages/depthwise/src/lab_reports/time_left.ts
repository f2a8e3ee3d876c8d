/** Below this share there is nothing to reckon from. */
const enough = 0.02;

/** Says how long work will still take, from how far it came: `about 3 min left`. */
export function timeLeft(): (share: number) => string {
  const start = performance.now();
  return (share) => {
    if (share < enough) return "";
    const seconds = ((performance.now() - start) / 1000) * (1 / share - 1);
    return seconds < 90
      ? `about ${Math.max(1, Math.round(seconds))} s left`
      : `about ${Math.round(seconds / 60)} min left`;
  };
}
