import { Fault } from '../contracts/fault.ts';
import type { ResourceIssue } from '../fhir/resource-issue.ts';
import type { TrailEntry } from './trail.ts';

/** Of a body that is wrong in more places than this, the rest helps nobody. */
const MAX_FAULTS = 20;

/**
 * What is wrong with a body, as faults of the mapping: each names the line that made the element, or the nearest one
 * around it, and the field it was made of.
 * @param where the delivery's own line, for what no rule made
 */
export function resourceFaults(issues: readonly ResourceIssue[], trail: readonly TrailEntry[], where: string): Fault[] {
  const byElement = entriesByElement(trail);
  return issues.slice(0, MAX_FAULTS).map(({ path, message }) => {
    const entry = findMaker(path, byElement);
    return new Fault('mapping-incomplete', {
      at: entry?.sources[0] ?? null,
      where: entry?.where ?? where,
      detail: path === '' ? message : `${path}: ${message}`,
    });
  });
}

/** The trail as `findMaker` reads it: what made an element goes before what only has its parts made. */
export function entriesByElement(trail: readonly TrailEntry[]): Map<string, TrailEntry> {
  const ordered = [...trail.filter(({ isMaker }) => !isMaker), ...trail.filter(({ isMaker }) => isMaker)];
  return new Map(ordered.map((entry) => [entry.element, entry]));
}

/** The entry of the element, or of the nearest one around it that a rule made; null = no rule did. */
export function findMaker(path: string, byElement: ReadonlyMap<string, TrailEntry>): TrailEntry | null {
  for (let element = path; element !== ''; element = element.slice(0, Math.max(0, element.search(/[.[][^.[]*$/)))) {
    const entry = byElement.get(element) ?? makerOfMany(element, byElement);
    if (entry !== null) return entry;
  }
  return null;
}

/** A rule that finds many (`all:`) in a list is noted at the first of them. */
function makerOfMany(element: string, byElement: ReadonlyMap<string, TrailEntry>): TrailEntry | null {
  const [, list, last] = /^(.*)\[(\d+)\]$/.exec(element) ?? [];
  for (let index = Number(last ?? 0) - 1; index >= 0; index -= 1) {
    const entry = byElement.get(`${list}[${index}]`);
    if (entry !== undefined) return entry;
  }
  return null;
}
