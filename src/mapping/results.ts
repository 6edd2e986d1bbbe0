import { Fault } from '../contracts/fault.ts';
import type { Answered, Draft, Need, Statement } from '../contracts/mapper.ts';
import { deriveKey } from '../fhir/identifier.ts';
import type { Group } from '../hl7/group.ts';
import { locateSegment } from '../hl7/path.ts';
import type { Deliver } from './deliver.ts';
import { type MadeDraft, makeDrafts } from './drafts.ts';
import type { ProvidesRule } from './needs.ts';
import type { Complaint, Reason } from './objections.ts';
import { readParts } from './parts.ts';
import { resourceFaults } from './resource-faults.ts';
import type { FollowUp, ResultOutcome } from './result-outcome.ts';
import type { PartyFacts, Run, Scope } from './scope.ts';
import type { Evaluate } from './surroundings.ts';
import { Trail } from './trail.ts';
import { orOnFault } from './try-to.ts';

/** What a mapping says of its results, compiled. */
interface ResultRules {
  /** The mapping's. */
  readonly name: string;
  /** How many values a scope remembers. */
  readonly memoCount: number;
  /** @throws Fault where it is no party that may be spoken for */
  readonly readParty: (scope: Scope) => PartyFacts;
  readonly provides: readonly ProvidesRule[];
  /** It only says what its messages provide: there are no results. */
  readonly onlyProvides: boolean;
  readonly ignore: readonly Reason[];
  readonly skip: readonly Reason[];
  readonly complaints: readonly Complaint[];
  readonly lane: readonly Evaluate[];
  readonly key: readonly Evaluate[];
  readonly rank: readonly Evaluate[];
  readonly digest: readonly Evaluate[];
  readonly deliver: readonly Deliver[];
  readonly secret: Uint8Array;
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

/** Maps one result at a time, a group of the message, and what follows the answer to it. */
export function makeResults(rules: ResultRules) {
  const { name, memoCount, readParty, provides, onlyProvides, ignore, skip, complaints } = rules;
  const { lane, key, rank, digest, deliver, secret } = rules;
  const { readNeed, readNeeds, makeDraft, waive, makeUnsent } = makeDrafts(lane, secret);

  const makeScope = (group: Group, run: Run): Scope => ({
    run,
    group,
    home: null,
    memo: new Array(memoCount),
    it: null,
    bundle: null,
    faults: new Set(),
    party: null,
    identifier: null,
    response: null,
  });

  const readResultKey = (scope: Scope): string => {
    scope.party = readParty(scope);
    return deriveKey(secret, ['result', name, scope.party.id, ...readParts(key, scope)]);
  };

  const readProvided = (scope: Scope): string[] =>
    provides.flatMap(({ holds, key: parts }) => {
      if (!holds(scope)) return [];
      scope.party ??= readParty(scope);
      return [readNeed(parts, scope)];
    });

  const makeStatement = (
    resultKey: string,
    why: string | null,
    states: readonly MadeDraft['states'][],
    scope: Scope,
  ): Statement => ({
    resultKey,
    rank: readParts(rank, scope).join(' '),
    digest: deriveKey(secret, ['digest', why ?? '', ...readParts(digest, scope), ...states]),
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

  /** Of the group that the answered result was; [] where the message holds it no more. */
  const mapAnswer = (groups: readonly Group[], run: Run, answered: Answered, response: unknown): FollowUp[] => {
    for (const group of groups) {
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
  };

  return { mapResult, mapAnswer };
}

function placed(stated: Stated, at: string | null): Stated {
  return { ...stated, skipped: stated.skipped === null ? null : { ...stated.skipped, at } };
}

function lackOf({ needs }: Draft, provided: readonly string[]): string | null {
  return needs === null || provided.includes(needs.key) ? null : needs.reason;
}

/** What is wrong with no field of the message is wrong with the answer. */
function blameAnswer(fault: Fault): Fault {
  if (fault.blame !== 'message' || fault.at !== null) return fault;
  return new Fault('answer-unreadable', { where: fault.where });
}
