/**
 * Lets calls begin in the order in which they came. An ordinary turn begins at once, beside those under way; one that
 * has to be alone keeps those behind it waiting until it has ended.
 */
export interface Turns {
  /** Begins `begin` synchronously where nothing is ahead of it. */
  take<Result>(alone: boolean, begin: () => Promise<Result>): Promise<Result>;
}

export function createTurns(): Turns {
  const waiting: (() => void)[] = [];
  let blocked = false;

  function begin<Result>(alone: boolean, call: () => Promise<Result>): Promise<Result> {
    if (!alone) return call();
    blocked = true;
    return call().finally(unblock);
  }

  function unblock() {
    blocked = false;
    while (!blocked) {
      const next = waiting.shift();
      if (next === undefined) return;
      next();
    }
  }

  return {
    take(alone, call) {
      if (!blocked && waiting.length === 0) return begin(alone, call);
      return new Promise((resolve, reject) => {
        waiting.push(() => begin(alone, call).then(resolve, reject));
      });
    },
  };
}
