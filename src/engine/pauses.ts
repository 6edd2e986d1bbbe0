import type { Journal } from '../contracts/journal.ts';
import type { Log } from '../contracts/log.ts';
import type { Act, Pause, PauseScope } from '../contracts/operations.ts';

/** What people have paused. The journal keeps it; here it is at hand whenever something could be sent. */
export interface Pauses {
  /** Reads what the last run left paused. @throws Fault when the journal cannot be read */
  load(): Promise<void>;
  /** Somebody else may have paused or resumed something. */
  refresh(): Promise<void>;
  list(): readonly Pause[];
  /** What may not be sent now: nothing at all, or these operations. */
  of(target: string, party: string): 'all' | readonly string[];
  /** False = it was so already. */
  pause(scope: PauseScope, act: Act): Promise<boolean>;
  resume(scope: PauseScope, act: Act): Promise<boolean>;
}

export function createPauses(parts: {
  readonly journal: Pick<Journal, 'listPauses' | 'pause' | 'resume'>;
  readonly log: Log;
  /** Something may be sent again. */
  readonly onResumed: () => void;
}): Pauses {
  const { journal, log, onResumed } = parts;
  let pauses: readonly Pause[] = [];
  const read = async () => {
    pauses = await journal.listPauses();
  };
  return {
    async load() {
      await read();
      for (const pause of pauses) log.warn('still-paused', scopeFields(pause));
    },
    refresh: read,
    list: () => pauses,
    of(target, party) {
      const here = pauses.filter(
        (one) => (one.target === null || one.target === target) && (one.party === null || one.party === party),
      );
      if (here.some(({ operation }) => operation === null)) return 'all';
      return here.flatMap(({ operation }) => operation ?? []);
    },
    async pause(scope, act) {
      const isNew = await journal.pause(scope, act);
      await read();
      if (isNew) log.warn('paused', scopeFields(scope));
      return isNew;
    },
    async resume(scope, act) {
      const wasThere = await journal.resume(scope, act);
      await read();
      if (wasThere) log.info('resumed', scopeFields(scope));
      onResumed();
      return wasThere;
    },
  };
}

function scopeFields({ target, party, operation }: PauseScope) {
  return {
    ...(target === null ? {} : { target }),
    ...(party === null ? {} : { party }),
    ...(operation === null ? {} : { operation }),
  };
}
