import type { Database } from 'better-sqlite3';
import { makeActs } from './acts.ts';
import { makeAdmissions } from './admissions.ts';
import type { Arrivals } from './arrivals.ts';
import { makeAttempts } from './attempts.ts';
import type { Calls } from './group-commit.ts';
import { makeLanes } from './lanes.ts';
import { makeNeeds } from './needs.ts';
import { makeOnce } from './once.ts';
import { makeOwedAcks } from './owed-acks.ts';
import { makeProvisions } from './provisions.ts';
import { makePruning } from './pruning.ts';
import { makeResults } from './results.ts';
import { makeTransitions } from './transitions.ts';

/**
 * Everything that is decided about messages, results and deliveries, over one database: the journal's own file, or the
 * copies of rows on which a node of the PostgreSQL journal decides. To be called inside a transaction.
 */
export function makeWrites(db: Database, arrivals: Arrivals) {
  const transitions = makeTransitions(db);
  const lanes = makeLanes(db);
  const once = makeOnce(db, lanes, transitions);
  const provisions = makeProvisions(db);
  const results = makeResults(db, lanes, transitions, once, provisions);
  const needs = makeNeeds(db, lanes, results, transitions, once);
  const attempts = makeAttempts(db, lanes, results, transitions, once);
  const owedAcks = makeOwedAcks(db, results, transitions);
  const calls = {
    ...makeAdmissions(db, results, transitions, owedAcks, arrivals, once, provisions, needs),
    ...makeActs(db, lanes, results, transitions, once, provisions),
    record: attempts.record,
    payAck: owedAcks.payAck,
    prune: makePruning(db, transitions, owedAcks),
  } as Calls;
  return { calls, transitions, lanes, attempts };
}
