import { describe } from 'vitest';
import type { Place } from './kit.ts';
import { describeLanes } from './lanes.ts';
import { describeNeeds } from './needs.ts';
import { describeOnce } from './once.ts';
import { describeOperatorActs } from './operator-acts.ts';
import { describeOwedAcks } from './owed-acks.ts';
import { describeReads } from './reads.ts';
import { describeResults } from './results.ts';
import { describeRetention } from './retention.ts';

/** What any implementation of the journal must do. `makePlace` gives an empty place for one. */
export function describeJournal(name: string, makePlace: () => Promise<Place>): void {
  describe(name, () => {
    describeResults(makePlace);
    describeOnce(makePlace);
    describeNeeds(makePlace);
    describeLanes(makePlace);
    describeReads(makePlace);
    describeOwedAcks(makePlace);
    describeOperatorActs(makePlace);
    describeRetention(makePlace);
  });
}
