import { describe, expect, it } from 'vitest';
import { GUIDE_ROWS } from './guide-rows.ts';
import { type Bundle, bundlesOf, mapMessage, mapperOf } from './kit.ts';

const mapper = mapperOf('oru-r01');
/** What every message has; a row adds one field to one of its segments. */
const BASE: Readonly<Record<string, string>> = {
  MSH: 'MSH|^~\\&|LIS||||20240501120000+0200||ORU^R01^ORU_R01|M1|P|2.8.2',
  SFT: 'SFT',
  PID: 'PID|||100-1',
  PD1: 'PD1',
  NK1: 'NK1||Berg^Leo',
  PV1: 'PV1||I',
  PV2: 'PV2',
  ORC: 'ORC|RE',
  TQ1: 'TQ1',
  OBR: 'OBR|||F1|T^Test^L',
  OBX: 'OBX||ST|X^Analyte^L||text',
  NTE: 'NTE|||note',
  SPM: 'SPM||^S1',
};

/** Row by row what HL7's guide says of a field; what is not made of it is in docs/oru-r01.md. */
describe.each(GUIDE_ROWS)('%s', (_, rows) => {
  it.each(rows)('%s → %s', (fields, path, value) => {
    const [bundle] = bundlesOf(mapMessage(mapper, messageOf(fields)));
    expect(bundle === undefined ? undefined : follow(bundle, path)).toEqual(value);
  });
});

function messageOf(fields: string): string {
  const segments = new Map(Object.entries(BASE).map(([name, text]) => [name, text.split('|')]));
  for (const [, name = '', field, value = ''] of fields.matchAll(/(\w{3})-(\d+)=(.*?)(?=$| \w{3}-\d+=)/g)) {
    const cells = segments.get(name) ?? [];
    // MSH-1 is the delimiter itself.
    const index = Number(field) - (name === 'MSH' ? 1 : 0);
    while (cells.length <= index) cells.push('');
    cells[index] = value;
  }
  // What a row says nothing of is left out.
  const isSaid = (name: string) => !['SFT', 'PD1', 'NK1', 'PV1', 'PV2', 'ORC', 'TQ1', 'NTE', 'SPM'].includes(name);
  const isNamed = (name: string) => fields.includes(`${name}-`) || (name === 'PV1' && fields.includes('PV2-'));
  const isNeeded = (name: string) => name === 'SPM' && /^OBR-(7|9|10|14)=|OBX-33/.test(fields);
  return [...segments]
    .filter(([name]) => isSaid(name) || isNamed(name) || isNeeded(name))
    .map(([, cells]) => cells.join('|'))
    .join('\r')
    .replaceAll('\r', '\n');
}

/** `Patient.name[0].family`, `….extension(url).value`, `….sender>Organization.name` through a reference; `path=value` asks. */
function follow(bundle: Bundle, path: string): unknown {
  const [place = '', wanted] = path.split('=');
  let value: unknown = bundle;
  for (const [index, step] of place.split('>').entries()) {
    const [type = '', ...names] = step.split(/\.(?![^(]*\))/);
    const resources = bundle.entry.filter(({ resource }) => resource.resourceType === type);
    if (index > 0) {
      const references = [value].flat() as { reference?: string }[];
      value = resources.find(({ fullUrl }) => references.some(({ reference }) => reference === fullUrl))?.resource;
    } else if (type !== 'Bundle') value = resources[0]?.resource;
    for (const name of names) value = take(value, name);
  }
  return wanted === undefined ? value : value === wanted;
}

function take(value: unknown, name: string): unknown {
  const [, element = '', url, index] = /^(\w+)(?:\((.*)\))?(?:\[(\d+)\])?$/.exec(name) ?? [];
  const found = (value as Record<string, unknown> | undefined)?.[element];
  if (url !== undefined) return (found as { url: string }[] | undefined)?.find((one) => one.url === url);
  return index === undefined ? found : (found as unknown[] | undefined)?.[Number(index)];
}
