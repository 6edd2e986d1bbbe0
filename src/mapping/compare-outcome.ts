import type { FaultRecord } from '../contracts/fault.ts';
import type { Mapped } from '../contracts/mapper.ts';
import { parseExactJson } from '../fhir/exact-json.ts';
import { resourceShapeOf } from '../fhir/r4-shape.ts';
import type { Expectation, ExpectedDelivery, ExpectedList, ExpectedWord } from './expectation.ts';
import { compareInPart, type Mismatch } from './in-part.ts';
import { entriesByElement, findMaker } from './resource-faults.ts';
import type { MadeBody } from './result-outcome.ts';
import type { YamlNode } from './yaml-node.ts';

/** What is otherwise, and which rule made it so. */
export interface Difference extends Pick<Mismatch, 'node' | 'text' | 'hint'> {
  /** `file:line:col`; null = no rule did. */
  readonly rule: string | null;
}

/** What of an outcome is not as expected. */
export function compareOutcome(
  expected: Expectation,
  { mapped, made }: { readonly mapped: Mapped; readonly made: readonly MadeBody[] },
  knowsParties: boolean,
): Difference[] {
  const reasons = mapped.skipped.map(({ reason, at }) => ({ word: reason, at, detail: null, where: null }));
  const coded = (records: readonly FaultRecord[]) =>
    records.map(({ code, ...rest }) => ({ word: code as string, ...rest }));
  return [
    ...compareDeliveries(
      expected.deliver,
      made.filter(({ lacks }) => lacks === null),
      knowsParties,
    ),
    ...compareWords('skipped', expected.skipped, reasons),
    ...compareWords('faults', expected.faults, coded(mapped.faults)),
    ...(expected.warnings === null ? [] : compareWords('warnings', expected.warnings, coded(mapped.warnings))),
  ];
}

interface Word extends Pick<FaultRecord, 'at' | 'detail' | 'where'> {
  readonly word: string;
}

function compareWords(name: string, { node, items }: ExpectedList<ExpectedWord>, got: readonly Word[]): Difference[] {
  const wanted = items.map(({ word }) => word.text());
  if (JSON.stringify(wanted) !== JSON.stringify(got.map(({ word }) => word))) {
    const told = got.map(({ word, at }) => (at === null ? word : `${word} at ${at}`));
    const rule = got.find(({ word, where }) => where !== null && !wanted.includes(word))?.where ?? null;
    return [{ node, text: `${name} expected ${listed(wanted)}, got ${listed(told)}`, hint: null, rule }];
  }
  return items.flatMap(({ word, more }, index) =>
    [...more].flatMap(([key, of]): Difference[] => {
      const { where, ...is } = got[index] as Word;
      const said = of.isNull ? null : of.text();
      if (said === is[key]) return [];
      const text = `${key} of ${word.text()} expected ${said ?? 'nothing'}, got ${is[key] ?? 'nothing'}`;
      return [{ node: of, text, hint: null, rule: where }];
    }),
  );
}

function compareDeliveries(
  { node, items }: ExpectedList<ExpectedDelivery>,
  made: readonly MadeBody[],
  knowsParties: boolean,
): Difference[] {
  const wanted = items.map(({ to }) => to.text('target/operation'));
  const got = made.map(({ target, operation }) => `${target}/${operation}`);
  if (JSON.stringify(wanted) !== JSON.stringify(got)) {
    const rule = made.find((_, index) => !wanted.includes(got[index] ?? ''))?.where ?? null;
    return [{ node, text: `deliver expected ${listed(wanted)}, got ${listed(got)}`, hint: null, rule }];
  }
  return items.flatMap((one, index) => compareDelivery(one, made[index] as MadeBody, knowsParties));
}

function compareDelivery(expected: ExpectedDelivery, made: MadeBody, knowsParties: boolean): Difference[] {
  const { party, body, resources, without } = expected;
  const differences: Difference[] = [];
  const makers = entriesByElement(made.trail);
  const ruleOf = (element: string) => findMaker(element, makers)?.where ?? made.where;
  if (party !== null && knowsParties && party.text() !== made.party) {
    differences.push({
      node: party,
      text: `party expected ${party.text()}, got ${made.party}`,
      hint: null,
      rule: null,
    });
  }
  const value = parseExactJson(made.body);
  const name = typeOf(value) ?? 'body';
  for (const { node, path, text, hint } of body === null ? [] : compareInPart(body, value, resourceShapeOf(name))) {
    differences.push({ node, text: `${named(name, path)} ${text}`, hint, rule: ruleOf(path) });
  }
  const there = resourcesOf(value);
  for (const type of without) {
    const one = there.find((resource) => resource.type === type.text());
    if (one !== undefined)
      differences.push({ node: type, text: `there is a ${one.type}`, hint: null, rule: ruleOf(one.path) });
  }
  return [...differences, ...compareResources(resources, there, ruleOf)];
}

interface Placed {
  readonly type: string;
  readonly value: object;
  /** Where in the body it stands. */
  readonly path: string;
}

/** The resources of a bundle; of a resource that is none, itself. */
function resourcesOf(body: unknown): Placed[] {
  const type = typeOf(body);
  if (type === null) return [];
  if (type !== 'Bundle') return [{ type, value: body as object, path: '' }];
  return ((body as { entry?: { resource?: object }[] }).entry ?? []).flatMap(({ resource }, index) => {
    const inner = typeOf(resource);
    return inner === null ? [] : [{ type: inner, value: resource as object, path: `entry[${index}].resource` }];
  });
}

function typeOf(value: unknown): string | null {
  const type = (value as { resourceType?: unknown } | null | undefined)?.resourceType;
  return typeof type === 'string' ? type : null;
}

/** Each is another resource of the bundle; one that none is like is compared with the one that is least unlike. */
function compareResources(
  expected: readonly YamlNode[],
  there: readonly Placed[],
  ruleOf: (element: string) => string,
): Difference[] {
  const mismatches = expected.map((node) => {
    const type = node.entries().get('resourceType')?.value.text() ?? '';
    const shape = resourceShapeOf(type);
    return there.map((one) => (one.type === type ? compareInPart(node, one.value, shape) : null));
  });
  const partners = pairAlike(mismatches.map((row) => row.map((found) => found !== null && found.length === 0)));
  const taken = new Set(partners.filter((partner) => partner !== null));
  return expected.flatMap((node, index): Difference[] => {
    if (partners[index] !== null) return [];
    const row = mismatches[index] ?? [];
    const left = [...row.keys()].filter((other) => row[other] !== null && !taken.has(other));
    const nearest = left.sort((a, b) => (row[a]?.length ?? 0) - (row[b]?.length ?? 0))[0];
    const type = node.entries().get('resourceType')?.value.text() ?? '';
    const one = nearest === undefined ? undefined : there[nearest];
    if (nearest === undefined || one === undefined) {
      const count = row.filter((found) => found !== null).length;
      return [
        { node, text: `expected a ${count === 0 ? '' : 'further '}${type}, got ${count}`, hint: null, rule: null },
      ];
    }
    taken.add(nearest);
    return (row[nearest] ?? []).map(({ node: at, path, text, hint }) => ({
      node: at,
      text: `${named(type, path)} ${text}`,
      hint,
      rule: ruleOf(one.path === '' || path === '' ? one.path + path : `${one.path}.${path}`),
    }));
  });
}

/** For each row the column it is paired with, so that as many as can be are paired; null = none. */
function pairAlike(alike: readonly (readonly boolean[])[]): (number | null)[] {
  const rowOf = new Map<number, number>();
  const place = (row: number, tried: Set<number>): boolean =>
    (alike[row] ?? []).some((isAlike, column) => {
      if (!isAlike || tried.has(column)) return false;
      tried.add(column);
      const other = rowOf.get(column);
      if (other !== undefined && !place(other, tried)) return false;
      rowOf.set(column, row);
      return true;
    });
  for (const row of alike.keys()) place(row, new Set());
  const partners = new Array<number | null>(alike.length).fill(null);
  for (const [column, row] of rowOf) partners[row] = column;
  return partners;
}

const named = (type: string, path: string) => (path === '' ? type : `${type}.${path}`);
const listed = (words: readonly string[]) => (words.length === 0 ? 'none' : words.join(', '));
