import type { Person } from './people.ts';
import { MINUTE_MS, wallOf } from './swedish-time.ts';
import type { Said, Sending } from './traffic.ts';
import { DEVICES, NOT_PERMITTED, PROVIDERS, type World } from './world.ts';

/** What the rules of `docs/covidbevis.md` make of one statement; nothing set = it is to be sent. */
export interface Judged {
  readonly refused?: { readonly fault: string; readonly answer: 'AE' | 'AR' };
  readonly held?: string;
  readonly skipped?: string;
  /** Left out before anything is stated of it. */
  readonly unstated?: boolean;
  /** Not sent, and counts as the first positive test all the same. */
  readonly counts?: boolean;
}

/** What the rules say of one statement by itself. */
export function judge(said: Said, { lab, writtenAt }: Sending, { switchAt }: World): Judged {
  const { test, outcome, status, spoilt } = said;
  switch (spoilt) {
    case 'check-digit':
      return { refused: { fault: 'check-digit', answer: 'AE' } };
    case 'no-sample-time':
      return { refused: { fault: 'field-type', answer: 'AE' } };
    case 'sampled-after-sending':
      return { refused: { fault: 'rule-refuses: sampled-after-sending', answer: 'AE' } };
    case 'hour-that-is-not':
      // In spring it is left out, in autumn it comes twice.
      return { refused: { fault: wallOf(switchAt).month < 6 ? 'time-zone-gap' : 'time-zone-overlap', answer: 'AE' } };
    case 'not-oru':
      return { refused: { fault: 'type-unsupported', answer: 'AR' } };
    case 'wrong-bytes':
      return { refused: { fault: 'charset-undecodable', answer: 'AE' } };
    case 'two-numbers':
      return { held: 'identities-disagree' };
    default:
  }
  if (test.sampledAt > writtenAt + 10 * MINUTE_MS) throw new Error('a sample from the future');
  if (!PROVIDERS.includes(test.provider as (typeof PROVIDERS)[number])) return { held: 'party-unknown' };
  if (test.kind === 'unheard-of') return { held: 'code-unmapped' };
  if (test.kind === 'antibodies') return { skipped: 'not-a-covid-test', unstated: true };
  if (status === 'D') return { skipped: 'withdrawn' };
  if (status === 'P') return { skipped: 'not-final' };
  if (outcome === 'inconclusive') return { skipped: 'inconclusive' };
  if (test.kind === 'rat' && outcome === 'positive') return { skipped: 'positive-antigen' };
  if (said.mark !== null) return { skipped: said.mark };
  if (outcome === 'positive' && ageOf(test.person, test.sampledAt) < 16 && test.person.guardian === null)
    return { skipped: 'guardian-missing', counts: true };
  if (test.kind === 'rat') {
    if (test.device === DEVICES.unknown) return { held: 'rule-holds: device-not-on-the-list' };
    if (test.device === DEVICES.notYet) return { held: 'rule-holds: device-not-yet-on-the-list' };
    if (test.device === DEVICES.withdrawn) return { held: 'rule-holds: device-withdrawn' };
  }
  if (spoilt === 'protected') return { held: 'rule-holds: protected-identity' };
  if (spoilt === 'other-birth-date') return { held: 'rule-holds: birth-date-disagrees' };
  if (NOT_PERMITTED[lab] === test.provider) return { held: 'party-not-permitted' };
  return {};
}

/** Whole years on the day of the sample. */
function ageOf({ born }: Person, at: number): number {
  const { year, month, day } = wallOf(at);
  const [bornYear, bornMonth, bornDay] = [Number(born.slice(0, 4)), Number(born.slice(4, 6)), Number(born.slice(6))];
  const hadBirthday = month > bornMonth || (month === bornMonth && day >= bornDay);
  return year - bornYear - (hadBirthday ? 0 : 1);
}
