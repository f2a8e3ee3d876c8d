/** Milliseconds of work after which others get a turn: messages of a page, signals of a process. */
const longestTurn = 50;

/** Lets others have a turn once in a while: await it between pieces of work. */
export function createTurns(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < longestTurn) return;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    since = performance.now();
  };
}
