import type { Message } from '../hl7/message.ts';
import { entriesByElement, findMaker } from '../mapping/resource-faults.ts';
import type { TrailEntry } from '../mapping/trail.ts';
import { listUnusedFields, readLocation } from '../mapping/unused-fields.ts';
import type { Judged, JudgedDelivery } from './judge.ts';
import { isLeaf, valueAt } from './structural-diff.ts';

/** What made one element of a body. */
export interface ExplainedElement {
  readonly element: string;
  /** What stands there now. */
  readonly value: unknown;
  /** `file:line:col` of the rule. */
  readonly rule: string;
  /** Fields it was made of, raw as they came; [] = a literal. */
  readonly sources: readonly { readonly at: string; readonly raw: string | null }[];
  /** `file:line:col` of table rows. */
  readonly rows: readonly string[];
}

export interface Explained {
  readonly elements: readonly ExplainedElement[];
}

export interface UnusedValue {
  readonly field: string;
  readonly count: number;
  readonly at: string;
  /** As it came, the first of them. */
  readonly raw: string | null;
}

type Locate = (where: string) => string;

/** Says of each element of a delivery, in the order of the body, which rule made it of which field. */
export function explainDelivery(delivery: JudgedDelivery, message: Message | null, locate: Locate): ExplainedElement[] {
  const elements = lastOfEach(delivery.trail.filter(({ isMaker }) => isMaker)).flatMap(
    ({ element, where, sources, rows }): ExplainedElement[] => {
      const value = valueAt(delivery.value, element);
      // A rule may have made something that was then left out with what it stood in.
      if (value === undefined) return [];
      return [
        {
          element,
          value,
          rule: locate(where),
          sources: sources.map((at) => ({ at, raw: message === null ? null : readLocation(message, at) })),
          rows: rows.map(locate),
        },
      ];
    },
  );
  return inBodyOrder(elements, delivery.value);
}

/** The fields that no rule of any mapping read. */
export function listUnused({ explanation }: Judged): UnusedValue[] {
  const message = explanation?.message ?? null;
  if (message === null || explanation === null) return [];
  return listUnusedFields(message, explanation.used).map((unused) => ({
    ...unused,
    raw: readLocation(message, unused.at),
  }));
}

/** `file:line:col` of the rule that made an element, or the nearest thing around it. */
export function findRule(delivery: JudgedDelivery, element: string, locate: Locate): string {
  const maker = findMaker(element, entriesByElement(delivery.trail));
  return locate(maker?.where ?? delivery.where);
}

/** `file:line:col` of the rule that is there for an element and made nothing; null = there is none. */
export function findSilentRule(delivery: JudgedDelivery, element: string, locate: Locate): string | null {
  const entry = delivery.trail.findLast((one) => !one.isMaker && one.element === element);
  return entry === undefined ? null : locate(entry.where);
}

/** An element that several rules tried (`first:`) is the last one's. */
function lastOfEach(trail: readonly TrailEntry[]): TrailEntry[] {
  return [...new Map(trail.map((entry) => [entry.element, entry])).values()];
}

function inBodyOrder(elements: readonly ExplainedElement[], body: unknown): ExplainedElement[] {
  const places = new Map<string, number>();
  const visit = (value: unknown, path: string) => {
    places.set(path, places.size);
    if (isLeaf(value)) return;
    if (Array.isArray(value)) for (const [index, item] of value.entries()) visit(item, `${path}[${index}]`);
    else for (const [key, item] of Object.entries(value as object)) visit(item, path === '' ? key : `${path}.${key}`);
  };
  visit(body, '');
  return [...elements].sort((a, b) => (places.get(a.element) ?? 0) - (places.get(b.element) ?? 0));
}
