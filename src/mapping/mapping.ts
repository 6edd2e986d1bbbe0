import { Fault, type FaultRecord } from '../contracts/fault.ts';
import type { Answered, Draft, Mapped, Need, Once, Skipped, Statement } from '../contracts/mapper.ts';
import { checkResource } from '../fhir/check-resource.ts';
import { deriveIdentifier, deriveKey } from '../fhir/identifier.ts';
import type { ResourceIssue } from '../fhir/resource-issue.ts';
import { collectSegments, findGroups, type Group, isGroupName } from '../hl7/group.ts';
import type { Header } from '../hl7/header.ts';
import { locateSegment } from '../hl7/path.ts';
import { bodyText } from './body-text.ts';
import { writeBody } from './bundle.ts';
import { compileDeliveries, type Deliver, namesOfTargets, type OnceRule } from './deliver.ts';
import { readInstant } from './instant.ts';
import { writeMessage } from './message.ts';
import { compileNames } from './names.ts';
import { compileProvides } from './needs.ts';
import { OutgoingMessage } from './outgoing-message.ts';
import { layerMapping, namesOfEntries } from './overlay.ts';
import { keepProblem } from './problem.ts';
import { readReason } from './reason.ts';
import { resourceFaults } from './resource-faults.ts';
import { compilePart } from './rule.ts';
import { Found, foundText, type PartyFacts, type Run, type Scope } from './scope.ts';
import type { MappingSetup } from './setup.ts';
import { compileSource } from './source.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { Trail, type TrailEntry } from './trail.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

/** What became of one result. A result with a fault has neither a statement nor drafts. */
export interface ResultOutcome {
  readonly at: string | null;
  readonly statement: Statement | null;
  readonly drafts: readonly Draft[];
  readonly skipped: Skipped | null;
  /** Keys of what it brings; also where it is no result. */
  readonly provides: readonly string[];
  readonly faults: readonly Fault[];
  /** Each body that was made, also of a result with faults; [] unless the run's trail is on. */
  readonly made: readonly MadeBody[];
}

/** A body, and what made which element of it. */
export interface MadeBody extends Pick<Draft, 'target' | 'operation' | 'party'> {
  /** JSON; of an HL7 message the fields by location. */
  readonly body: string;
  readonly trail: readonly TrailEntry[];
  /** What it needs and its message does not provide: why it is not sent for now; null = nothing. */
  readonly lacks: string | null;
  /** `file:line:col` of its entry of `deliver:`. */
  readonly where: string;
}

/** A delivery that an answer gives rise to; without a body it could not be made, and its draft says why. */
export interface FollowUp {
  readonly draft: Draft;
  readonly body: MadeBody | null;
}

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

interface Reason {
  readonly holds: (scope: Scope) => boolean;
  readonly reason: string;
  /** Left out, and yet one of those of which only the first counts. */
  readonly counts: boolean;
}

/** A rule of `refuse:` or `hold:`. */
interface Complaint {
  readonly holds: (scope: Scope) => boolean;
  readonly make: (scope: Scope) => Fault;
}

interface MadeDraft {
  readonly draft: Draft;
  /** What it says of the result, for the digest. */
  readonly states: string;
  readonly body: MadeBody;
  /** What makes its body invalid FHIR. */
  readonly issues: readonly ResourceIssue[];
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

/** MSH-10 is ST of 20 characters up to v2.6. */
const MAX_CONTROL_ID = 20;

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

  const makeScope = (group: Group, run: Run): Scope => ({
    run,
    group,
    home: null,
    memo: new Array(names.count),
    it: null,
    bundle: null,
    faults: new Set(),
    party: null,
    identifier: null,
    response: null,
  });

  const readResultKey = (scope: Scope): string => {
    scope.party = readParty(scope);
    return deriveKey(setup.secret, ['result', name, scope.party.id, ...readParts(key, scope)]);
  };

  const readOnce = (one: Deliver, { key: common, at, until, where }: OnceRule, scope: Scope): Once => {
    const found = at(scope);
    const end = until(scope);
    const instant = found === null ? null : readInstant(foundText(found, scope.run));
    if (end === null || instant === null)
      throw new Fault('mapping-incomplete', { at: found?.at ?? null, where, detail: 'a time with offset is needed' });
    // What one care provider knows decides nothing for another.
    const parts = [one.called, one.operation, scope.party?.id ?? '', ...readParts(common, scope)];
    return { key: deriveKey(setup.secret, ['once', ...parts]), at: instant, until: end };
  };

  /** What one care provider was asked for is asked of no other. */
  const readNeed = (parts: readonly Evaluate[], scope: Scope): string => {
    const said = ['need', scope.party?.id ?? '', ...readParts(parts, scope)];
    // What a message provides is mostly what its own results need.
    const isSame = said.length === lastNeed.said.length && said.every((part, index) => part === lastNeed.said[index]);
    if (!isSame) lastNeed = { said, key: deriveKey(setup.secret, said) };
    return lastNeed.key;
  };
  let lastNeed: { readonly said: readonly string[]; readonly key: string } = { said: [], key: '' };

  const readProvided = (scope: Scope): string[] =>
    provides.flatMap(({ holds, key: parts }) => {
      if (!holds(scope)) return [];
      scope.party ??= readParty(scope);
      return [readNeed(parts, scope)];
    });

  const readNeeds = ({ needs }: Deliver, scope: Scope): Need | null =>
    needs === null ? null : { key: readNeed(needs.key, scope), reason: needs.reason };

  const makeDraft = (one: Deliver, resultKey: string, identifiedBy: string, scope: Scope): MadeDraft | null => {
    if (scope.party === null || (one.holds !== null && !one.holds(scope))) return null;
    scope.identifier = deriveIdentifier(setup.secret, ['identifier', resultKey, identifiedBy]);
    const body = one.body(scope);
    if (body === null) {
      if (scope.faults.size > 0) return null;
      throw new Fault('mapping-incomplete', { where: one.where, detail: 'empty body' });
    }
    const { bytes, text, lasting } = writeAny(body.value, one, resultKey, scope);
    // What lacks an element because of a fault does not leave; that it is incomplete need not be said as well.
    const issues = scope.faults.size === 0 && isResource(body.value) ? checkResource(body.value) : [];
    const draft: Draft = {
      resultKey,
      target: one.target,
      operation: one.operation,
      party: scope.party.id,
      laneKey: deriveKey(setup.secret, ['lane', ...readParts(lane, scope)]).slice(0, 32),
      body: bytes,
      notBefore: one.notBefore?.(scope) ?? null,
      notAfter: one.notAfter?.(scope) ?? null,
      once: one.once === null ? null : readOnce(one, one.once, scope),
      waived: null,
      needs: readNeeds(one, scope),
      flaw: null,
    };
    const { target, operation, party } = draft;
    return {
      draft,
      states: `${one.called}/${one.operation} ${lasting}`,
      body: {
        target,
        operation,
        party,
        body: text,
        trail: scope.run.trail?.takeEntries() ?? [],
        lacks: null,
        where: one.where,
      },
      issues,
    };
  };

  /** An HL7 message of the same content is the same one, under the same control id, however often it is made. */
  const writeAny = (body: unknown, one: Deliver, resultKey: string, { run }: Scope) => {
    if (!(body instanceof OutgoingMessage)) {
      const { text, lasting } = writeBody(body);
      // Several times faster than a TextEncoder where the text is long.
      return { bytes: Buffer.from(text), text, lasting };
    }
    const { lasting } = body;
    const key = ['control-id', resultKey, one.called, one.operation, lasting];
    const bytes = writeMessage(body, deriveIdentifier(setup.secret, key).slice(-MAX_CONTROL_ID), one.where);
    return { bytes, text: run.trail === null ? '' : bodyText(bytes), lasting };
  };

  /** A result that is left out, as far as it counts among others. */
  const waive = (one: Deliver, resultKey: string, reason: string, scope: Scope): Draft[] => {
    if (one.once === null || scope.party === null || (one.holds !== null && !one.holds(scope))) return [];
    const why = { waived: reason, needs: null, flaw: null };
    const drafts = orOnFault(
      () => [makeUnsent(one, resultKey, why, scope)],
      () => [],
    );
    // Without its time it has no place among the others.
    return drafts.filter(({ once }) => once !== null);
  };

  /** What is left out is not refused for what it lacks. */
  const makeUnsent = (
    one: Deliver,
    resultKey: string,
    why: Pick<Draft, 'waived' | 'needs' | 'flaw'>,
    scope: Scope,
  ): Draft => {
    const { target, operation, notAfter } = one;
    const laneKey = deriveKey(setup.secret, ['lane', ...readParts(lane, scope)]).slice(0, 32);
    const nothing = () => null;
    return {
      resultKey,
      target,
      operation,
      party: scope.party?.id ?? '',
      laneKey,
      body: Buffer.from('null'),
      notBefore: null,
      notAfter: why.needs === null ? null : orOnFault(() => notAfter?.(scope) ?? null, nothing),
      once: orOnFault(() => (one.once === null ? null : readOnce(one, one.once, scope)), nothing),
      ...why,
    };
  };

  const makeStatement = (
    resultKey: string,
    why: string | null,
    states: readonly string[],
    scope: Scope,
  ): Statement => ({
    resultKey,
    rank: readParts(rank, scope).join(' '),
    digest: deriveKey(setup.secret, ['digest', why ?? '', ...readParts(digest, scope), ...states]),
  });

  /** Whether all that it would give rise to lacks something, so that what is wrong with it is nobody's trouble yet. */
  const noteUnasked = (resultKey: string, course: Course, scope: Scope): void => {
    const wanted = deliver.filter(({ holds }) => holds === null || holds(scope));
    const lacking = wanted.flatMap((one) => {
      const need = readNeeds(one, scope);
      return need === null || course.provides.includes(need.key) ? [] : [{ one, need }];
    });
    if (lacking.length > 0 && lacking.length === wanted.length) course.unasked = { resultKey, lacking };
  };

  /** Fills `course` as it goes on, since a fault may end it anywhere. */
  const evaluate = (scope: Scope, course: Course): Stated => {
    const without = { statement: null, drafts: [], skipped: null };
    course.provides.push(...readProvided(scope));
    if (onlyProvides) return without;
    const ignored = ignore.find(({ holds }) => holds(scope));
    if (ignored !== undefined) return { ...without, skipped: { reason: ignored.reason, at: null } };
    // First, since a reason to skip may depend on the party.
    const resultKey = readResultKey(scope);
    const findReason = () => skip.find(({ holds }) => holds(scope)) ?? { reason: null, counts: false };
    const { reason, counts } = orOnFault(findReason, (fault) => {
      orOnFault(
        () => noteUnasked(resultKey, course, scope),
        () => {},
      );
      throw fault;
    });
    if (reason === null) {
      noteUnasked(resultKey, course, scope);
      for (const one of complaints) if (one.holds(scope)) scope.faults.add(one.make(scope));
    }
    const { made } = course;
    for (const one of reason !== null ? [] : deliver) {
      const draft = makeDraft(one, resultKey, one.operation, scope);
      if (draft !== null) made.push(draft);
    }
    const drafts = made.map(({ draft }) => draft);
    if (reason !== null && counts) drafts.push(...deliver.flatMap((one) => waive(one, resultKey, reason, scope)));
    const why = reason ?? (drafts.length === 0 ? 'nothing-to-deliver' : null);
    // Whether it was asked for makes no other version of the result.
    const states = made.map((one) => one.states);
    const statement = makeStatement(resultKey, why, states, scope);
    const lacks = drafts.find(({ needs }) => needs !== null && !course.provides.includes(needs.key))?.needs?.reason;
    const told = why ?? lacks ?? null;
    return { statement, drafts, skipped: told === null ? null : { reason: told, at: null } };
  };

  /** Nobody asked for what is at fault, so far: the sender and the operator hear of it only once somebody does. */
  const leaveOut = ({ resultKey, lacking }: Unasked, fault: Fault, scope: Scope): Stated => {
    const drafts = lacking.map(({ one, need }) =>
      makeUnsent(one, resultKey, { waived: null, needs: need, flaw: fault.record }, scope),
    );
    const reason = lacking[0]?.need.reason ?? '';
    return { statement: makeStatement(resultKey, reason, [], scope), drafts, skipped: { reason, at: null } };
  };

  /** In a scope of its own: what keeps one from being made is nothing to the others. */
  const follow = (
    one: Deliver,
    { resultKey, operation }: Answered,
    response: unknown,
    group: Group,
    run: Run,
  ): FollowUp | null => {
    const scope = makeScope(group, run);
    scope.response = response;
    scope.party = readParty(scope);
    // What follows keeps the identifier of what it follows.
    const made = orOnFault(
      () => makeDraft(one, resultKey, operation, scope),
      (fault) => {
        scope.faults.add(fault);
        return null;
      },
    );
    const invalid = made === null ? [] : resourceFaults(made.issues, [], made.body.where);
    const [fault] = [...scope.faults, ...invalid];
    if (fault === undefined) return made;
    const why = { waived: null, needs: null, flaw: blameAnswer(fault).record };
    return { draft: makeUnsent(one, resultKey, why, scope), body: null };
  };

  const mapResult = (group: Group, run: Run): ResultOutcome => {
    const scope = makeScope(group, run);
    const first = group.segments[0];
    const at = first === undefined ? null : locateSegment(first);
    const course: Course = { made: [], provides: [], unasked: null };
    let outcome: Stated = { statement: null, drafts: [], skipped: null };
    try {
      outcome = evaluate(scope, course);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      scope.faults.add(error);
    }
    const { made, provides: provided } = course;
    const isInvalid = made.some(({ issues }) => issues.length > 0);
    // Which line is to blame only the trail knows, and it is too dear to be on when all is well.
    if (isInvalid && run.trail === null)
      return { ...mapResult(group, { ...run, trail: new Trail(), warnings: [] }), made: [] };
    const faults = [
      ...scope.faults,
      ...made.flatMap(({ issues, body }) => resourceFaults(issues, body.trail, body.where)),
    ];
    const bodies =
      run.trail === null ? [] : made.map(({ draft, body }) => ({ ...body, lacks: lackOf(draft, provided) }));
    const rest = { at, provides: provided, made: bodies };
    const [fault] = faults;
    if (fault !== undefined) {
      const nothing = { ...rest, statement: null, drafts: [], skipped: null };
      if (course.unasked === null) return { ...nothing, faults };
      try {
        return { ...rest, ...placed(leaveOut(course.unasked, fault, scope), at), faults: [] };
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        return { ...nothing, faults: [...faults, error] };
      }
    }
    return { ...rest, ...placed(outcome, at), faults };
  };

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
    mapResponse(run, answered, response) {
      for (const group of findGroups(run.root, each)) {
        const scope = makeScope(group, run);
        scope.response = response;
        try {
          if (readResultKey(scope) !== answered.resultKey) continue;
        } catch (error) {
          if (error instanceof Fault) continue;
          throw error;
        }
        const answeredOne = deliver.find(
          ({ target, operation, holds }) =>
            target === answered.target && operation === answered.operation && (holds === null || holds(scope)),
        );
        return (answeredOne?.followUps ?? []).flatMap((one) => follow(one, answered, response, group, run) ?? []);
      }
      return [];
    },
  };
}

type Stated = Pick<ResultOutcome, 'statement' | 'drafts' | 'skipped'>;

/** A result all of whose deliveries lack something. */
interface Unasked {
  readonly resultKey: string;
  readonly lacking: readonly { readonly one: Deliver; readonly need: Need }[];
}

/** What is known of a result on the way through the mapping. */
interface Course {
  readonly made: MadeDraft[];
  readonly provides: string[];
  unasked: Unasked | null;
}

function placed(stated: Stated, at: string | null): Stated {
  return { ...stated, skipped: stated.skipped === null ? null : { ...stated.skipped, at } };
}

function lackOf({ needs }: Draft, provided: readonly string[]): string | null {
  return needs === null || provided.includes(needs.key) ? null : needs.reason;
}

function orOnFault<Made>(make: () => Made, otherwise: (fault: Fault) => Made): Made {
  try {
    return make();
  } catch (error) {
    if (error instanceof Fault) return otherwise(error);
    throw error;
  }
}

/** What is wrong with no field of the message is wrong with the answer. */
function blameAnswer(fault: Fault): Fault {
  if (fault.blame !== 'message' || fault.at !== null) return fault;
  return new Fault('answer-unreadable', { where: fault.where });
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

function compileReasons(node: YamlNode | null, around: Surroundings): Reason[] {
  return (node?.items() ?? []).flatMap((item) =>
    keepProblem(around.problems, () => {
      const keys = item.keys(['when', 'reason', 'counts', 'because']);
      return [
        {
          reason: readReason(item, keys),
          counts: keys.get('counts')?.flag() ?? false,
          holds: compileWhen(keys.get('when') ?? item.fail('when: … is needed'), around.variables),
        },
      ];
    }, []),
  );
}

function compileComplaints(
  node: YamlNode | null,
  code: 'rule-refuses' | 'rule-holds',
  around: Surroundings,
): Complaint[] {
  return (node?.items() ?? []).flatMap((item) =>
    keepProblem(around.problems, () => {
      const keys = item.keys(['when', 'reason', 'at', 'because']);
      const detail = readReason(item, keys);
      const holds = compileWhen(keys.get('when') ?? item.fail('when: … is needed'), around.variables);
      const atNode = keys.get('at');
      const at = atNode === undefined ? null : compileSource(atNode, around.variables);
      const make = (scope: Scope) => {
        const place = at?.readFirst(scope)?.at ?? at?.locateMissing(scope) ?? null;
        return new Fault(code, { at: place, where: item.where, detail });
      };
      return [{ holds, make }];
    }, []),
  );
}

function compileParts(node: YamlNode, around: Surroundings): Evaluate[] {
  return (node.isList ? node.items() : [node]).map((item) => compilePart(item, around));
}

function readParts(parts: readonly Evaluate[], scope: Scope): string[] {
  return parts.map((part) => {
    const found = part(scope);
    return found === null ? '' : foundText(found, scope.run);
  });
}

function isResource(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'resourceType' in body;
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

/** What all results of a message come to. */
export function gatherOutcomes(outcomes: readonly ResultOutcome[], warnings: readonly FaultRecord[]): Mapped {
  return {
    statements: outcomes.map(({ statement }) => statement).filter((statement) => statement !== null),
    drafts: outcomes.flatMap(({ drafts }) => drafts),
    skipped: outcomes.map(({ skipped }) => skipped).filter((skipped) => skipped !== null),
    provides: [...new Set(outcomes.flatMap(({ provides }) => provides))],
    faults: onceEach(outcomes.flatMap(({ faults }) => faults.map(({ record }) => record))),
    warnings: onceEach(warnings),
  };
}

/** What is wrong with PID is met again by every result of the message; it is one fault. */
function onceEach(records: readonly FaultRecord[]): FaultRecord[] {
  if (records.length < 2) return [...records];
  return [...new Map(records.map((record) => [JSON.stringify(record), record])).values()];
}
