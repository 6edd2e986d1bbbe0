/** How often each kind of case comes, in shares of all. Each comes at least once. */
const SHARES = {
  'negative NAAT': 32,
  'negative antigen test': 11,
  'positive NAAT': 9,
  'positive NAAT, told late': 5,
  'in a report of two': 2,
  'while the engine is killed': 2,
  'certificate not asked for': 4,
  'positive, not asked for': 1.5,
  'asked for later': 2,
  'positive, asked for later': 1,
  'asked for in an order before': 1,
  'asked for in an order afterwards': 1,
  'unknown device, not asked for': 0.4,
  'positive antigen test': 2,
  inconclusive: 1.5,
  'preliminary, then final': 1.5,
  antibodies: 1,
  'a code nobody mapped': 0.7,
  'corrected before it was issued': 2,
  'corrected in the outage': 1,
  'corrected afterwards': 2,
  'deleted before it was issued': 1,
  'deleted afterwards': 1,
  'overtaken by its correction': 1,
  'sent again': 2,
  'said again under a new control id': 2.5,
  'a control id used twice': 1,
  'a minor with a guardian': 2,
  'a minor without': 1,
  samordningsnummer: 2,
  reservnummer: 1.5,
  foreigner: 2,
  'protected identity': 1,
  'two numbers that differ': 1,
  'another birth date': 0.5,
  'unknown device': 0.7,
  'withdrawn device': 0.7,
  'device not yet on the list': 0.3,
  'device withdrawn of late': 1,
  'older than 72 hours': 1.5,
  'older than 72 hours by the outage': 1,
  'care provider nobody knows': 0.5,
  'care provider not permitted': 0.7,
  'wrong check digit': 0.7,
  'no time of the sample': 0.5,
  'sampled after it was sent': 0.5,
  'an hour that is not, or is twice': 0.3,
  'no result at all': 0.4,
  'bytes of another character set': 0.4,
  'self-sampled': 1,
  'done abroad': 0.5,
  'done by another provider': 0.5,
  'a second positive test': 1.5,
  'the first positive test told later': 1,
  'the first positive test corrected': 1,
  'corrected afterwards, released by a person': 0.7,
  'corrected afterwards, cancelled by a person': 0.5,
  'while the certificate had ended': 2,
} as const;

export type Kind = keyof typeof SHARES;

/** How many results of each kind there are among so many. */
export function spreadKinds(results: number): Map<Kind, number> {
  const kinds = Object.entries(SHARES) as [Kind, number][];
  const whole = kinds.reduce((sum, [, share]) => sum + share, 0);
  const rest = Math.max(0, results - kinds.length);
  const quotas = new Map(kinds.map(([kind, share]) => [kind, 1 + Math.floor((rest * share) / whole)]));
  quotas.set('while the engine is killed', Math.max(6, quotas.get('while the engine is killed') ?? 0));
  const given = [...quotas.values()].reduce((sum, quota) => sum + quota, 0);
  return quotas.set('negative NAAT', (quotas.get('negative NAAT') ?? 0) + Math.max(0, results - given));
}
