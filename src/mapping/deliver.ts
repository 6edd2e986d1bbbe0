import { compileBundle } from './bundle.ts';
import { keepProblem, suggest } from './problem.ts';
import { compileRule } from './rule.ts';
import type { Evaluate, Surroundings } from './surroundings.ts';
import { compileWhen } from './when.ts';
import { compileSchedule, type Schedule } from './schedule.ts';
import type { Scope } from './scope.ts';
import type { MappingSetup } from './setup.ts';
import type { YamlNode } from './yaml-node.ts';

/** One entry of `deliver:` or `then:`. */
export interface Deliver {
  readonly target: string;
  readonly operation: string;
  readonly holds: ((scope: Scope) => boolean) | null;
  readonly notBefore: Schedule | null;
  readonly notAfter: Schedule | null;
  readonly body: Evaluate;
  readonly where: string;
  readonly followUps: readonly Deliver[];
}

const KEYS = ['to', 'when', 'notBefore', 'notAfter', 'body', 'bundle', 'head', 'then', 'optional', 'because'] as const;

type DeliverKeys = ReadonlyMap<(typeof KEYS)[number], YamlNode>;

function compileBody(node: YamlNode, keys: DeliverKeys, around: Surroundings, setup: MappingSetup): Evaluate {
  const [body = null, bundle = null] = [keys.get('body'), keys.get('bundle')];
  if (body !== null && bundle !== null) bundle.fail('A delivery has either body or bundle');
  if (bundle !== null) return compileBundle(bundle, keys.get('head') ?? null, around, setup.secret);
  return compileRule(body ?? node.fail('A delivery needs body: … or bundle: …'), around);
}

/** Compiles `deliver:` or `then:`; an entry with a problem is noted and left out. */
export function compileDeliveries(node: YamlNode, around: Surroundings, setup: MappingSetup): Deliver[] {
  return node.items().flatMap((item) => keepProblem(setup.problems, () => compileDelivery(item, around, setup), []));
}

function compileDelivery(node: YamlNode, around: Surroundings, setup: MappingSetup): Deliver[] {
  const keys = node.keys([
    'to',
    'when',
    'notBefore',
    'notAfter',
    'body',
    'bundle',
    'head',
    'then',
    'optional',
    'because',
  ]);
  const to = keys.get('to') ?? node.fail('to: target/operation is needed');
  const [target = '', operation = ''] = to.text('target/operation').split('/');
  const operations = setup.operations === null ? [operation] : setup.operations[target];
  const isOptional = keys.get('optional')?.flag() ?? false;
  if (operations === undefined) {
    if (isOptional) return [];
    return to.fail(`No target "${target}" is configured`, suggest(target, Object.keys(setup.operations ?? {})));
  }
  if (!operations.includes(operation))
    to.fail(
      `The target ${target} has no operation "${operation}"`,
      suggest(operation, operations) ?? operations.join(', '),
    );
  const schedule = (key: 'notBefore' | 'notAfter') => {
    const at = keys.get(key);
    return at === undefined ? null : compileSchedule(at, around);
  };
  const when = keys.get('when');
  const then = keys.get('then');
  return [
    {
      target,
      operation,
      holds: when === undefined ? null : compileWhen(when, around.variables),
      notBefore: schedule('notBefore'),
      notAfter: schedule('notAfter'),
      body: compileBody(node, keys, around, setup),
      where: node.where,
      followUps: then === undefined ? [] : compileDeliveries(then, around, setup),
    },
  ];
}
