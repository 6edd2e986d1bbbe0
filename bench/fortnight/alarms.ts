import type { Books } from './books.ts';
import type { Foreseen } from './reconcile.ts';
import { blockAt, SYD, type World } from './world.ts';

/** Each alarm is raised as often as it has to be, for whom it has to be, and not for others. */
export function checkAlarms(foreseen: readonly Foreseen[], { alarms }: Books, world: World): string[] {
  const wrong: string[] = [];
  const deliveries = foreseen.flatMap(({ expected }) =>
    expected.deliveries.map((one) => ({ ...one, at: expected.sending.at })),
  );
  const isStopped = deliveries.some(
    ({ party, at, state }) => state === 'delivered' && blockAt(world, party, at)?.party === party,
  );
  // One for each receiver's trouble and care provider it concerns.
  const late = world.blocks.flatMap(({ party: owner, from, until }) => {
    const ended = deliveries.filter(
      (one) => one.wasLate && (owner ?? one.party) === one.party && from < one.notAfter && one.notAfter <= until,
    );
    return [...new Set(ended.map(({ party }) => party))];
  });
  const expected = {
    'certificate-ending': [SYD.id],
    'certificate-ended': [SYD.id],
    'party-paused': isStopped ? [SYD.id] : [],
    'deliveries-expired': late,
  };
  for (const [name, parties] of Object.entries(expected)) {
    const raised = alarms.filter((alarm) => alarm.name === name);
    const count = raised.reduce((sum, alarm) => sum + alarm.count, 0);
    if (count !== parties.length) wrong.push(`the alarm ${name} was raised ${count} times, not ${parties.length}`);
    for (const { party } of raised)
      if (party !== null && !parties.includes(party)) wrong.push(`the alarm ${name} was raised for ${party}`);
  }
  return wrong;
}
