import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileMappings } from '../../src/mapping/compile.ts';
import { lintMappings } from '../../src/mapping/lint.ts';
import { readMappingFiles } from '../../src/mapping/load.ts';
import { formatProblem } from '../../src/mapping/problem.ts';
import { entriesByElement, findMaker } from '../../src/mapping/resource-faults.ts';

const ROOT = join(import.meta.dirname, '../..');
const FILES = readMappingFiles([join(ROOT, 'mappings')], ROOT);
const PARTY = { id: 'p', name: 'Provtagning', organisationNumber: '2321000016' };

const MESSAGE = [
  'MSH|^~\\&|LIS|LAB|SLUSS|EHM|20240301101500+0100||ORU^R01^ORU_R01|T1|P|2.5.1',
  'PID|1||4711^^^LOCAL^MR||Berg^Alva||19970806|F',
  'OBR|1||F1|K^Kalium^L|||202403010815+0100',
  'OBX|1|NM|K^Kalium^L||4.10|mmol/L|||||Z',
].join('\r');

function compile(overlays: Record<string, string>, mapping = 'lab') {
  const files = Object.entries(overlays).map(([name, text]) => ({ path: `${name}.yaml`, text }));
  return compileMappings([...FILES, ...files], {
    channels: [
      {
        name: 'c',
        mappings: [mapping],
        parties: ['p'],
        charset: { default: null, force: null },
        zone: null,
        overrides: null,
        targets: null,
        node: null,
      },
    ],
    operations: { fhir: ['transaction'] },
    parties: [PARTY],
    secret: Buffer.alloc(32, 1),
  });
}

function problemsOf(overlays: Record<string, string>): string[] {
  return compile(overlays).problems.map(formatProblem);
}

type Resource = Record<string, unknown> & { resourceType: string };

function resourcesOf(overlays: Record<string, string>, message = MESSAGE): Resource[] {
  const { mapper, problems } = compile(overlays);
  expect(problems.map(formatProblem)).toEqual([]);
  const mapped = mapper?.map(Buffer.from(message), { channel: 'c', sender: null });
  expect(mapped?.faults).toEqual([]);
  const bundle = JSON.parse(Buffer.from(mapped?.drafts[0]?.body ?? []).toString()) as {
    entry: { resource: Resource }[];
  };
  return bundle.entry.map(({ resource }) => resource);
}

const find = (resources: Resource[], type: string) => resources.find(({ resourceType }) => resourceType === type);

describe('a mapping that extends another', () => {
  it('maps as the other does where it says nothing else', () => {
    const resources = resourcesOf({ lab: 'mapping: lab\nextends: oru-r01\n' });
    expect(find(resources, 'Observation')).toMatchObject({ status: 'unknown', subject: {} });
  });

  it('replaces, adds and leaves out elements of the resources it includes', () => {
    const resources = resourcesOf({
      lab: `mapping: lab
extends: oru-r01
resources:
  observation:
    set:
      status: { value: final }
      category: null
      method: { set: { text: { value: as the laboratory does it } } }
`,
    });
    const observation = find(resources, 'Observation');
    expect(observation).toMatchObject({ status: 'final', method: { text: 'as the laboratory does it' } });
    expect(observation).not.toHaveProperty('category');
    expect(observation).toHaveProperty('valueQuantity');
  });

  const translate = (way: string) => `mapping: lab
extends: oru-r01
resources:
  observation:
    set:
      code:
        ${way}:
          coding:
            - set: { system: http://loinc.org, code: { from: OBX-3, table: yes-no, onMiss: hold } }
tables:
  yes-no: { rows: { '*': { K: 2823-3, NA: { gives: nothing } } } }
`;

  it('prepends and appends to what is inherited, and leaves the rest of it', () => {
    const local = { code: 'K', display: 'Kalium' };
    const loinc = { system: 'http://loinc.org', code: '2823-3' };
    expect(find(resourcesOf({ lab: translate('prepend') }), 'Observation')?.code).toEqual({
      coding: [loinc, local],
    });
    expect(find(resourcesOf({ lab: translate('append') }), 'Observation')?.code).toEqual({ coding: [local, loinc] });
  });

  it('adds nothing for a code that is known and has no translation, and holds for one that nobody knows', () => {
    const known = MESSAGE.replace('NM|K^Kalium', 'NM|NA^Natrium');
    expect(find(resourcesOf({ lab: translate('prepend') }, known), 'Observation')?.code).toEqual({
      coding: [{ code: 'NA', display: 'Natrium' }],
    });
    const { mapper } = compile({ lab: translate('prepend') });
    const mapped = mapper?.map(Buffer.from(MESSAGE.replace('NM|K^Kalium', 'NM|X^?')), { channel: 'c', sender: null });
    expect(mapped?.faults).toMatchObject([{ code: 'code-unmapped', at: 'OBX[1]-3', where: 'lab.yaml:9:54' }]);
  });

  it('adds to lists, to what another overlay adds, and to values of any type', () => {
    const note = (text: string) => `resources:
  observation:
    set:
      note: { append: [{ set: { text: { value: ${text} } } }] }
      'value[x]': { append: { coding: [{ set: { code: { value: ${text} } } }] } }
`;
    const coded = MESSAGE.replace('NM|K^Kalium^L||4.10|mmol/L', 'CWE|K^Kalium^L||P^Positiv^L|');
    const overlays = {
      region: `mapping: region\nextends: oru-r01\n${note('b')}`,
      lab: `mapping: lab\nextends: region\n${note('c')}`,
    };
    const observation = find(resourcesOf(overlays, `${coded}\rNTE|1||a`), 'Observation');
    expect(observation?.note).toEqual([{ text: 'a' }, { text: 'b' }, { text: 'c' }]);
    expect(observation?.valueCodeableConcept).toMatchObject({ coding: [{ code: 'P' }, { code: 'b' }, { code: 'c' }] });
  });

  it('says of each item which line made it, wherever it came to stand', () => {
    const { mapper } = compile({ lab: translate('prepend') });
    const [result] = mapper?.explain(Buffer.from(MESSAGE), { channel: 'c', sender: null }).results ?? [];
    const made = result?.made[0];
    const entries = JSON.parse(made?.body ?? '{}').entry as { resource: Resource }[];
    const at = `entry[${entries.findIndex(({ resource }) => resource.resourceType === 'Observation')}].resource.code`;
    const makers = entriesByElement(made?.trail ?? []);
    expect(findMaker(`${at}.coding[0].code`, makers)?.where).toBe('lab.yaml:9:54');
    expect(findMaker(`${at}.coding[1].code`, makers)?.where).toMatch(/^mappings\/resources\/observation\.yaml:/);
  });

  it('has rows of its own in tables, which hold for it alone', () => {
    const tables = `tables:
  observation-status: { rows: { '*': { Z: final } } }
  coding-systems: { rows: { '*': { L: 'http://lab.example/codes' } } }
`;
    const own = find(resourcesOf({ lab: `mapping: lab\nextends: oru-r01\n${tables}` }), 'Observation');
    expect(own).toMatchObject({ status: 'final', code: { coding: [{ system: 'http://lab.example/codes' }] } });
    const other = find(
      resourcesOf({ other: `mapping: other\nextends: oru-r01\n${tables}`, lab: 'mapping: lab\nextends: oru-r01\n' }),
      'Observation',
    );
    expect(other).toMatchObject({ status: 'unknown' });
  });

  it('takes rows away', () => {
    const own = find(
      resourcesOf(
        {
          lab: `mapping: lab
extends: oru-r01
tables:
  observation-status: { rows: { '*': { F: null } } }
`,
        },
        MESSAGE.replace(/Z$/, 'F'),
      ),
      'Observation',
    );
    expect(own).toMatchObject({ status: 'unknown' });
  });

  it('replaces settings and lets by name, and anything else whole', () => {
    const resources = resourcesOf({
      lab: `mapping: lab
extends: oru-r01
settings:
  messageHeader: { value: false }
`,
    });
    expect(find(resources, 'MessageHeader')).toBeUndefined();
    expect(find(resources, 'Patient')).toBeDefined();
    const { mapper } = compile({
      lab: 'mapping: lab\nextends: oru-r01\nskip: [{ when: \'OBX-11 == "Z"\', reason: not-final }]\n',
    });
    const mapped = mapper?.map(Buffer.from(MESSAGE), { channel: 'c', sender: null });
    expect(mapped?.skipped.map(({ reason }) => reason)).toEqual(['not-final']);
  });

  it('can itself be extended; the nearest one is heard', () => {
    const region = `mapping: region
extends: oru-r01
resources: { observation: { set: { status: { value: preliminary }, category: null } } }
tables: { observation-status: { rows: { '*': { Y: final } } } }
`;
    const lab = `mapping: lab
extends: region
resources: { observation: { set: { status: { value: final } } } }
`;
    const observation = find(resourcesOf({ region, lab }), 'Observation');
    expect(observation?.status).toBe('final');
    expect(observation).not.toHaveProperty('category');
  });

  it('says otherwise of an entry of the bundle by its name, or leaves it out', () => {
    const entries = (text: string) => `mapping: lab\nextends: oru-r01\nentries:\n${text}`;
    const types = (text: string) => resourcesOf({ lab: entries(text) }).map(({ resourceType }) => resourceType);
    expect(types('  message-header: null\n')).not.toContain('MessageHeader');
    expect(types('  observation: { when: OBX-11 == "F" }\n')).not.toContain('Observation');
    const ids = (text: string) => find(resourcesOf({ lab: entries(text) }), 'Observation')?.id;
    expect(ids('  observation: { key: [OBX-3] }\n')).not.toBe(ids('  observation: { because: nothing }\n'));
    const made = resourcesOf({ lab: entries('  patient: { set: { resourceType: Patient, active: true } }\n') });
    expect(find(made, 'Patient')).toMatchObject({ active: true });
    const region = `mapping: region\nextends: oru-r01\nentries: { observation: { when: OBX-11 == "F" }, report: null }\n`;
    const lab = `mapping: lab\nextends: region\nentries: { observation: { when: OBX-11 == "Z" } }\n`;
    const layered = resourcesOf({ region, lab }).map(({ resourceType }) => resourceType);
    expect(layered).toContain('Observation');
    expect(layered).not.toContain('DiagnosticReport');
  });

  it('takes what the channel says over what it says itself', () => {
    const { channels } = compile({ lab: 'mapping: lab\nextends: oru-r01\nsettings: { own: { value: 1 } }\n' });
    expect(channels.get('c')?.mappings[0]?.settings).toEqual(['sender', 'messageHeader', 'provenance', 'own', 'party']);
  });
});

describe('a mistake in an overlay', () => {
  it.each<[string, string, string]>([
    [
      'the other does not exist',
      'extends: oru-r1',
      'lab.yaml:2:10 There is no mapping "oru-r1" (did you mean "oru-r01"?)',
    ],
    ['it extends itself', 'extends: lab', 'lab.yaml:2:10 "lab" extends itself: lab → lab'],
    ['it extends nothing', 'extends:', 'lab.yaml:2:9 Expected the name of a mapping, found nothing'],
    [
      'a resource that is not there',
      'extends: oru-r01\nresources:\n  observatoin: { set: { status: { value: final } } }',
      'lab.yaml:4:3 There is no resource "observatoin" (did you mean "observation"?)',
    ],
    [
      'an element that is not there',
      'extends: oru-r01\nresources:\n  observation:\n    set:\n      notes: null',
      'lab.yaml:6:7 There is no "notes" to leave out (did you mean "note"?)',
    ],
    [
      'a rule with a slip',
      'extends: oru-r01\nresources:\n  observation:\n    set:\n      status: { form: OBX-11 }',
      'lab.yaml:6:17 Unknown key "form" (did you mean "from"?)',
    ],
    [
      'a table that is not there',
      "extends: oru-r01\ntables:\n  coding-sistems: { rows: { '*': { L: x } } }",
      'lab.yaml:4:3 There is no table "coding-sistems" (did you mean "coding-systems"?)',
    ],
    [
      'a row that is not there',
      "extends: oru-r01\ntables:\n  yes-no: { rows: { '*': { maybe: null } } }",
      'lab.yaml:4:28 There is no row "maybe" to take away',
    ],
    [
      'more than rows in a table',
      "extends: oru-r01\ntables:\n  yes-no: { fold: true, rows: { '*': { J: true } } }",
      'lab.yaml:4:13 Unknown key "fold" (known here: rows, systems, because)',
    ],
    [
      'an entry that is not there',
      'extends: oru-r01\nentries: { observatoin: null }',
      'lab.yaml:3:12 There is no entry "observatoin" (did you mean "observation"?)',
    ],
    [
      'an entry with a slip',
      'extends: oru-r01\nentries: { observation: { whn: 1 } }',
      'lab.yaml:3:27 Unknown key "whn" (did you mean "when"?)',
    ],
    [
      'an addition to what is not there',
      'extends: oru-r01\nresources: { observation: { set: { notes: { append: [] } } } }',
      'lab.yaml:3:36 There is no "notes" to add to (did you mean "note"?)',
    ],
    [
      'an addition that is no list',
      'extends: oru-r01\nresources: { observation: { set: { code: { append: { coding: { code: K } } } } } }',
      'lab.yaml:3:70 append: takes a list of rules, or elements that are lists (coding: [ … ])',
    ],
    [
      'no map of resources',
      'extends: oru-r01\nresources: [observation]',
      'lab.yaml:3:12 Expected a map (key: value), found a list',
    ],
  ])('%s: told in its own file', (_, text, problem) => {
    expect(problemsOf({ lab: `mapping: lab\n${text}\n` })).toContain(problem);
  });

  it('that keeps all it extends away is told alone, not its consequences', () => {
    const text = 'mapping: lab\nextends: oru-r1\nlet: { a: { from: PID-3 } }\nlane: $b\n';
    expect(problemsOf({ lab: text })).toEqual(['lab.yaml:2:10 There is no mapping "oru-r1" (did you mean "oru-r01"?)']);
  });

  it('in the YAML is told alone, once a file, not what is missing because of it', () => {
    const broken = {
      path: 'mappings/tables/observation-status.yaml',
      text: 'table: observation-status\nrows: {\n  a: [b\nc: }\n',
    };
    const files = [...FILES.filter(({ path }) => path !== broken.path), broken];
    const lab = { path: 'lab.yaml', text: 'mapping: lab\nextends: oru-r01\nlane: $nobody\n' };
    const channel = { mappings: ['lab'], parties: ['p'], charset: { default: null, force: null }, zone: null };
    const { problems } = compileMappings([...files, lab], {
      channels: [{ name: 'c', overrides: null, targets: null, node: null, ...channel }],
      operations: { fhir: ['transaction'] },
      parties: [PARTY],
      secret: Buffer.alloc(32, 1),
    });
    expect(problems.map(formatProblem)).toEqual([
      expect.stringMatching(/^mappings\/tables\/observation-status\.yaml:\d:\d /),
    ]);
    expect(lintMappings([...files, lab])).toEqual([]);
  });

  it('two that extend each other are told once each, and end', () => {
    const problems = problemsOf({ lab: 'mapping: lab\nextends: b\n', b: 'mapping: b\nextends: lab\n' });
    expect(problems).toContain('b.yaml:2:10 "lab" extends itself: lab → b → lab');
    expect(problems).toContain('lab.yaml:2:10 "b" extends itself: b → lab → b');
  });

  it('needs nothing but its name and whom it extends', () => {
    expect(problemsOf({ lab: 'mapping: lab\n' })).toContain('lab.yaml:1:1 A mapping needs deliver: …');
    expect(problemsOf({ lab: 'mapping: lab\nextends: oru-r01\n' })).toEqual([]);
  });
});
