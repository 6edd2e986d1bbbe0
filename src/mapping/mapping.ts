import { Fault } from '../contracts/fault.ts';
import type { Answered } from '../contracts/mapper.ts';
import { collectSegments, findGroups, type Group, isGroupName } from '../hl7/group.ts';
import type { Header } from '../hl7/header.ts';
import { locateSegment } from '../hl7/path.ts';
import { compileDeliveries, namesOfTargets } from './deliver.ts';
import { compileNames } from './names.ts';
import { compileProvides } from './needs.ts';
import { compileComplaints, compileReasons } from './objections.ts';
import { layerMapping, namesOfEntries } from './overlay.ts';
import { compileParts } from './parts.ts';
import { keepProblem } from './problem.ts';
import type { FollowUp, ResultOutcome } from './result-outcome.ts';
import { makeResults } from './results.ts';
import { compilePart } from './rule.ts';
import { Found, foundText, type PartyFacts, type Run, type Scope } from './scope.ts';
import type { MappingSetup } from './setup.ts';
import type { Evaluate } from './surroundings.ts';
import type { YamlNode } from './yaml-node.ts';

/** Which part of the header a mapping does not take. */
export type Refusal = 'type-unsupported' | 'event-unsupported' | 'processing-id-unsupported';

export interface MessageMapping {
  readonly name: string;
  /** IANA zone of times without offset; the channel's goes before the file's. */
  readonly zone: string;
  /** What a channel may say otherwise under `with:`. */
  readonly settings: readonly string[];
  /** What it calls the targets it delivers to; a channel may mean others under `targets:`. */
  readonly targets: readonly string[];
  /** null = takes it; else which part of MSH-9 does not fit. */
  refuses(header: Header): Refusal | null;
  mapMessage(run: Run): ResultOutcome[];
  /** What follows an answer; the bodies as they are made of a message. */
  mapResponse(run: Run, answered: Answered, response: unknown): FollowUp[];
  hasFollowUps(target: string, operation: string): boolean;
  readonly tests: readonly YamlNode[];
}

export const MAPPING_KEYS = [
  'mapping',
  'extends',
  'summary',
  'because',
  'match',
  'zone',
  'settings',
  'each',
  'let',
  'party',
  'provides',
  'ignore',
  'skip',
  'refuse',
  'hold',
  'lane',
  'result',
  'deliver',
  'resources',
  'entries',
  'tables',
  'tests',
] as const;

const NEEDED = ['mapping', 'match', 'each', 'lane', 'result', 'deliver'] as const;
/** Of a mapping that delivers nothing and only says what its messages provide. */
const NEEDED_TO_PROVIDE: readonly string[] = ['mapping', 'match', 'each'];

/**
 * Compiles one file of `mappings/messages/` for one channel. What is wrong goes into `setup.problems`; what could be
 * compiled is returned all the same, so that one run shows every problem.
 * @throws ProblemError where so much is wrong that nothing can be made
 */
export function compileMapping(root: YamlNode, setup: MappingSetup): MessageMapping {
  const layered = layerMapping(root, MAPPING_KEYS, setup);
  const { keys } = layered;
  const onlyProvides = keys.has('provides') && !keys.has('deliver');
  for (const key of onlyProvides ? NEEDED_TO_PROVIDE : NEEDED)
    if (!keys.has(key as 'mapping')) setup.problems.push(root.problem(`A mapping needs ${key}: …`));
  const need = (key: (typeof NEEDED)[number]) => keys.get(key) ?? root.fail(`A mapping needs ${key}: …`);
  const attempt = <Made>(compile: () => Made, without: Made): Made => keepProblem(setup.problems, compile, without);
  const name = need('mapping').text('the mapping’s name');
  const zone = attempt(() => readZone(root, keys.get('zone'), setup.zone), 'UTC');
  const match = attempt<MessageMapping['refuses']>(
    () => compileMatch(need('match')),
    () => null,
  );
  const each = attempt(() => readGroupName(need('each')), '');
  const names = compileNames(layered, setup, namesOfEntries(keys.get('deliver')));
  const around = names.around;
  const nothing: Evaluate = () => null;
  const overrides = setup.overrides?.entries() ?? new Map<string, { keyNode: YamlNode; value: YamlNode }>();
  const partyNode = overrides.get('party')?.value ?? keys.get('party') ?? null;
  const [only, ...more] = setup.permitted;
  const party = attempt(() => {
    if (partyNode !== null) return compilePart(partyNode, around);
    if (more.length > 0)
      root.fail(
        'The mapping does not say for which party, and its channel has several',
        'with: { party: … } in the channel',
      );
    return (): Found | null => (only === undefined ? null : Found.made(only));
  }, nothing);
  const reasons = (key: 'ignore' | 'skip') => attempt(() => compileReasons(keys.get(key) ?? null, around), []);
  const [ignore, skip] = [reasons('ignore'), reasons('skip')];
  const complaints = [
    ...attempt(() => compileComplaints(keys.get('refuse') ?? null, 'rule-refuses', around), []),
    ...attempt(() => compileComplaints(keys.get('hold') ?? null, 'rule-holds', around), []),
  ];
  const provides = attempt(() => compileProvides(keys.get('provides') ?? null, around), []);
  const lane = onlyProvides ? [] : attempt(() => compileParts(need('lane'), around), []);
  const resultKeys = onlyProvides
    ? new Map<'key' | 'rank' | 'digest', YamlNode>()
    : attempt(
        () => need('result').keys(['key', 'rank', 'digest', 'because'], setup.problems),
        new Map<'key' | 'rank' | 'digest', YamlNode>(),
      );
  const part = (key: 'key' | 'rank' | 'digest') =>
    onlyProvides
      ? []
      : attempt(() => compileParts(resultKeys.get(key) ?? need('result').fail(`result needs ${key}: …`), around), []);
  const [key, rank, digest] = [part('key'), part('rank'), part('digest')];
  const deliver = onlyProvides ? [] : attempt(() => compileDeliveries(need('deliver'), around, setup), []);

  const wherePartyIsSaid = partyNode?.where ?? root.where;
  const readParty = (scope: Scope): PartyFacts => {
    const found = party(scope);
    if (found === null) throw new Fault('party-unknown', { where: wherePartyIsSaid });
    const id = foundText(found, scope.run).trim();
    const facts = setup.parties.find((one) => one.id === id || one.organisationNumber === id);
    if (facts === undefined) throw new Fault('party-unknown', { at: found.at, where: wherePartyIsSaid });
    if (!setup.permitted.includes(facts.id))
      throw new Fault('party-not-permitted', { at: found.at, where: wherePartyIsSaid, detail: facts.id });
    return facts;
  };
  const { mapResult, mapAnswer } = makeResults({
    ...{ name, memoCount: names.count, readParty, provides, onlyProvides, ignore, skip, complaints },
    ...{ lane, key, rank, digest, deliver, secret: setup.secret },
  });

  return {
    name,
    zone,
    settings: [...names.settings, 'party'],
    targets: keepProblem([], () => namesOfTargets(need('deliver')), []),
    refuses: match,
    tests: attempt(() => keys.get('tests')?.items() ?? [], []),
    mapMessage(run) {
      const groups = findGroups(run.root, each);
      return [...groups.map((group) => mapResult(group, run)), ...skipOutside(groups, run)];
    },
    hasFollowUps: (target, operation) =>
      deliver.some((one) => one.target === target && one.operation === operation && one.followUps.length > 0),
    mapResponse: (run, answered, response) => mapAnswer(findGroups(run.root, each), run, answered, response),
  };
}

function compileMatch(node: YamlNode): MessageMapping['refuses'] {
  const keys = node.keys(['type', 'processing']);
  const typeNode = keys.get('type') ?? node.fail('match needs type: ORU^R01');
  const types = (typeNode.isList ? typeNode.items() : [typeNode]).map((item) => {
    const [code, event] = item.text('a message type, such as ORU^R01').split('^');
    if (code === undefined || event === undefined) return item.fail('Expected code and event, such as ORU^R01');
    return { code, event };
  });
  // A training or debugging message (MSH-11 T, D) must not become a real one; an empty MSH-11 says nothing of it.
  const processing =
    keys
      .get('processing')
      ?.items()
      .map((item) => item.word(['P', 'T', 'D'])) ?? null;
  return (header) => {
    const ofCode = types.filter(({ code }) => code === header.messageCode);
    if (ofCode.length === 0) return 'type-unsupported';
    if (!ofCode.some(({ event }) => event === header.triggerEvent)) return 'event-unsupported';
    const isTaken =
      processing === null || header.processingId === '' || processing.includes(header.processingId as 'P');
    return isTaken ? null : 'processing-id-unsupported';
  };
}

/** The channel's zone goes before the file's. */
function readZone(root: YamlNode, node: YamlNode | undefined, ofChannel: string | null): string {
  const zone = node?.text() ?? ofChannel;
  if (zone === null) root.fail('A mapping needs zone: … (or its channel does)', 'for example Europe/Stockholm');
  for (const name of [zone, ofChannel ?? zone]) {
    try {
      new Intl.DateTimeFormat('en', { timeZone: name });
    } catch {
      (node ?? root).fail(`There is no time zone "${name}"`, 'IANA names, such as Europe/Stockholm');
    }
  }
  return ofChannel ?? zone;
}

function readGroupName(node: YamlNode): string {
  const name = node.text('a group name');
  return isGroupName(name) ? name : node.fail(`There is no group "${name}"`, 'for example OBSERVATION');
}

/** Observations that stand in none of the groups a mapping goes through are left out, but not in silence. */
function skipOutside(groups: readonly Group[], run: Run): ResultOutcome[] {
  const all = collectSegments(run.root, 'OBX');
  const inside = new Set(groups.flatMap((group) => collectSegments(group, 'OBX')));
  if (inside.size === all.length) return [];
  return all
    .filter((segment) => !inside.has(segment))
    .map((segment) => {
      const at = locateSegment(segment);
      return {
        at,
        statement: null,
        drafts: [],
        skipped: { reason: 'outside-each', at },
        provides: [],
        faults: [],
        made: [],
      };
    });
}
