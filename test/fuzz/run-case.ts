import { createRandom } from '../whole/load.ts';
import { shrink } from './findings.ts';
import { judgeListener, type ListenerCase, makeListenerCase } from './listener-case.ts';
import { judgeMapping, type MappingCase, makeMappingCase } from './mapping-case.ts';
import type { World } from './world.ts';

export type Kind = 'listener' | 'mapping';

/** What a seed brought to light. */
export interface Failure {
  readonly kind: Kind;
  readonly seed: number;
  readonly found: readonly string[];
  /** `oru-r01`, or the like. */
  readonly mapping: string;
  /** As little of the input as still fails so; a character a byte. */
  readonly input: string;
}

/** Runs the case of a seed; null = all is as it must be. */
export async function runCase(kind: Kind, seed: number, world: World): Promise<Failure | null> {
  const random = createRandom(seed);
  return kind === 'listener'
    ? await tryCase(kind, seed, makeListenerCase(random, world, String(seed)), 'wire', judgeListener, world)
    : await tryCase(kind, seed, makeMappingCase(random, world), 'message', judgeMapping, world);
}

async function tryCase<Key extends string, Case extends (ListenerCase | MappingCase) & { readonly [K in Key]: Buffer }>(
  kind: Kind,
  seed: number,
  one: Case,
  key: Key,
  judge: (one: Case, world: World) => Promise<string[]>,
  world: World,
): Promise<Failure | null> {
  const found = await judge(one, world);
  const [first] = found;
  if (first === undefined) return null;
  const input: Buffer = one[key];
  // It may take half a minute to hear that nothing is heard.
  const isSilent = first.includes('did not end');
  const small = isSilent
    ? input
    : await shrink(input, async (smaller) =>
        (await judge({ ...one, [key]: smaller }, world)).some((text) => alike(text, first)),
      );
  return { kind, seed, found: [...new Set(found)].slice(0, 5), mapping: one.mapping, input: small.toString('latin1') };
}

/** The same complaint, whatever its numbers and names. */
export function alike(one: string, other: string): boolean {
  const plain = (text: string) => text.replace(/"(?:[^"\\]|\\.)*"|\d+/g, '_');
  return plain(one) === plain(other);
}
