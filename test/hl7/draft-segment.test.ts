import { describe, expect, it } from 'vitest';
import { STANDARD_DELIMITERS } from '../../src/hl7/delimiters.ts';
import { DraftSegment, type SegmentPlace } from '../../src/hl7/draft-segment.ts';

const at = (field: number, component: number | null = null, subcomponent: number | null = null): SegmentPlace => ({
  field,
  component,
  subcomponent,
});

function written(...puts: readonly (readonly [SegmentPlace, string])[]): string {
  const segment = new DraftSegment('OBX', STANDARD_DELIMITERS);
  for (const [place, raw] of puts) segment.put(place, raw);
  return segment.text;
}

describe('a segment that is written', () => {
  it.each([
    [[[at(2), 'ST']], 'OBX||ST'],
    [
      [
        [at(5), 'x'],
        [at(2), 'ST'],
      ],
      'OBX||ST|||x',
    ],
    [[[at(3, 2), 'text']], 'OBX|||^text'],
    [[[at(3, 2, 3), 'x']], 'OBX|||^&&x'],
    [
      [
        [at(3), 'a^b~c'],
        [at(3, 2), 'B'],
        [at(3, 3), 'D'],
      ],
      'OBX|||a^B^D~c',
    ],
    [
      [
        [at(3), 'a^b'],
        [at(3, 2), ''],
      ],
      'OBX|||a',
    ],
    [
      [
        [at(2), 'ST'],
        [at(9), ''],
      ],
      'OBX||ST',
    ],
    [[], 'OBX'],
  ] as const)('%j is %s', (puts, text) => {
    expect(written(...puts)).toBe(text);
  });
});
