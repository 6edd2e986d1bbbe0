import { compileBundle } from './bundle.ts';
import { compileMessage } from './message.ts';
import { compileNeeds, type NeedsRule } from './needs.ts';
import { keepProblem, suggest } from './problem.ts';
import { compilePart, compileRule } from './rule.ts';
import { compileSchedule, type Schedule } from './schedule.ts';
import type { Scope } from './scope.ts';
import type { MappingSetup } from './setup.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { compileWhen } from './when.ts';
import type { YamlNode } from './yaml-node.ts';

/** What makes several results one occasion, and for how long. */
export interface OnceRule {
  readonly key: readonly Evaluate[];
  readonly at: Evaluate;
  readonly until: Schedule;
  readonly where: string;
}

/** One entry of `deliver:` or `then:`. */
export interface Deliver {
  readonly target: string;
  /** What the mapping calls that target: what is derived from it stays the same, whichever target a channel means. */
  readonly called: string;
  readonly operation: string;
  readonly holds: ((scope: Scope) => boolean) | null;
  readonly notBefore: Schedule | null;
  readonly notAfter: Schedule | null;
  readonly once: OnceRule | null;
  readonly needs: NeedsRule | null;
  readonly body: Evaluate;
  readonly where: string;
  readonly followUps: readonly Deliver[];
}

const KEYS = [
  'to',
  'when',
  'notBefore',
  'notAfter',
  'once',
  'needs',
  'body',
  'bundle',
  'message',
  'head',
  'then',
  'optional',
  'because',
] as const;

type DeliverKeys = ReadonlyMap<(typeof KEYS)[number], YamlNode>;

function compileBody(node: YamlNode, keys: DeliverKeys, around: Surroundings, setup: MappingSetup): Evaluate {
  const [body = null, bundle = null, message = null] = [keys.get('body'), keys.get('bundle'), keys.get('message')];
  const more = [body, bundle, message].filter((one) => one !== null)[1];
  if (more !== undefined) more.fail('A delivery has one of body, bundle and message');
  if (message !== null) return compileMessage(message, around);
  if (bundle !== null) return compileBundle(bundle, keys.get('head') ?? null, around, setup.secret);
  return compileRule(body ?? node.fail('A delivery needs body: …, bundle: … or message: …'), around);
}

/** Compiles `deliver:` or `then:`; an entry with a problem is noted and left out. */
export function compileDeliveries(
  node: YamlNode,
  around: Surroundings,
  setup: MappingSetup,
  isFollowUp = false,
): Deliver[] {
  return node
    .items()
    .flatMap((item) => keepProblem(setup.problems, () => compileDelivery(item, around, setup, isFollowUp), []));
}

function compileDelivery(node: YamlNode, around: Surroundings, setup: MappingSetup, isFollowUp: boolean): Deliver[] {
  const keys = node.keys(KEYS);
  const to = keys.get('to') ?? node.fail('to: target/operation is needed');
  const { target, called, operation, isConfigured } = readAddress(to, keys.get('optional')?.flag() ?? false, setup);
  const schedule = (key: 'notBefore' | 'notAfter') => {
    const at = keys.get(key);
    return at === undefined ? null : compileSchedule(at, around, key === 'notAfter' ? 'end' : 'begin');
  };
  const when = keys.get('when');
  const then = keys.get('then');
  const once = keys.get('once');
  const needs = keys.get('needs');
  if (needs !== undefined && isFollowUp) needs.fail('What follows an answer needs nothing else');
  if (once !== undefined && isFollowUp) once.fail('What follows an answer does not depend on other results');
  if (then !== undefined && isFollowUp) then.fail('What follows an answer has nothing to follow it');
  const delivery: Deliver = {
    target,
    called,
    operation,
    holds: when === undefined ? null : compileWhen(when, around.variables),
    notBefore: schedule('notBefore'),
    notAfter: schedule('notAfter'),
    once: once === undefined ? null : compileOnce(once, around),
    needs: needs === undefined ? null : compileNeeds(needs, around),
    body: compileBody(node, keys, around, setup),
    where: node.where,
    followUps: then === undefined ? [] : compileDeliveries(then, around, setup, true),
  };
  // What is left out is compiled all the same, so that a mistake in it shows before it is needed.
  return isConfigured ? [delivery] : [];
}

/** `once: { key: […], after: $sampled, days: 180 }`: of results with one key the first counts, until then no other. */
function compileOnce(node: YamlNode, around: Surroundings): OnceRule {
  const keys = node.keys(['key', 'after', 'days', 'hours', 'because']);
  const key = keys.get('key') ?? node.fail('once needs key: what the results have in common');
  const after = keys.get('after') ?? node.fail('once needs after: the time that decides which is the first');
  return {
    key: (key.isList ? key.items() : [key]).map((item) => compilePart(item, around)),
    at: compilePart(after, around),
    until: compileSchedule(node.without('key'), around, 'end'),
    where: node.where,
  };
}

/** What a list of deliveries calls the targets it delivers to, at once or later. @throws ProblemError */
export function namesOfTargets(node: YamlNode): string[] {
  return node.items().flatMap((item) => {
    const entries = item.entries();
    const then = entries.get('then')?.value;
    const own = ADDRESS.exec(entries.get('to')?.value.text() ?? '')?.[1];
    return [...(own === undefined ? [] : [own]), ...(then === undefined ? [] : namesOfTargets(then))];
  });
}

const ADDRESS = /^([^/\s]+)\/([^/\s]+)$/;

/** `target/operation`, both configured; a target that is not is nobody's mistake where the delivery is optional. */
function readAddress(to: YamlNode, isOptional: boolean, setup: MappingSetup) {
  const [, called = '', operation = ''] =
    ADDRESS.exec(to.text('target/operation')) ?? to.fail('Expected target/operation');
  if (setup.operations === null) return { target: called, called, operation, isConfigured: true };
  const named = setup.targets.get(called)?.value ?? null;
  if (named?.isNull) {
    if (isOptional) return { target: called, called, operation, isConfigured: false };
    return named.fail(`The mapping cannot do without the target "${called}"`);
  }
  const target = named?.text('the name of a target') ?? called;
  const known = Object.keys(setup.operations);
  if (!known.includes(target)) {
    if (isOptional && named === null) return { target, called, operation, isConfigured: false };
    return (named ?? to).fail(`No target "${target}" is configured`, suggest(target, known));
  }
  const operations = setup.operations[target] ?? [];
  if (!operations.includes(operation)) {
    const hint = suggest(operation, operations) ?? operations.join(', ');
    (named ?? to).fail(`The target ${target} has no operation "${operation}"`, hint);
  }
  return { target, called, operation, isConfigured: true };
}
