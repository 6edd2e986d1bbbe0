import { createHash } from 'node:crypto';
import type { Stated, Subject } from './message-facts.ts';

/** A resource or part of one. Numbers are kept as they were written. */
export type Json = { readonly [name: string]: unknown };

/** Parses JSON with every number as its digits, so that `850.00` stays. */
export function parseExactly(text: string): unknown {
  const revive = (_: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? (context?.source ?? String(value)) : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

export const objectsIn = (value: unknown): Json[] =>
  (Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'object' && one !== null);
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
export const codesOf = (concept: unknown): string[] =>
  objectsIn(concept).flatMap(({ coding }) => objectsIn(coding).map(({ code }) => textOf(code).trim()));

/** One bundle with its resources found for what the message states, whichever of the two converters made it. */
export class BundleView {
  readonly bundle: Json;
  readonly #byUrl = new Map<string, Json>();
  readonly #resources: readonly Json[];
  readonly #reports: readonly (Json | null)[];
  readonly #observations: readonly (Json | null)[];
  readonly #specimens: readonly (Json | null)[];

  constructor(bundle: Json, stated: Stated) {
    this.bundle = bundle;
    const seen = new Map<string, Json>();
    for (const { fullUrl, resource } of objectsIn(bundle.entry)) {
      for (const one of objectsIn(resource)) {
        // The same resource said a hundred times is one, whatever its ids.
        const { id, meta: _, text: __, ...content } = one;
        const key = createHash('sha256').update(JSON.stringify(content)).digest('hex');
        const only = isReferredTo(one) ? one : (seen.get(key) ?? one);
        seen.set(key, only);
        if (typeof fullUrl === 'string') this.#byUrl.set(fullUrl, only);
        this.#byUrl.set(`${textOf(one.resourceType)}/${textOf(id)}`, only);
      }
    }
    this.#resources = [...new Set(this.#byUrl.values())];
    this.#reports = this.#alignReports(stated);
    this.#observations = this.#alignObservations(stated);
    this.#specimens = this.#alignSpecimens(stated);
  }

  all(type: string): Json[] {
    return this.#resources.filter((one) => one.resourceType === type);
  }

  /** The resources that speak of the subject. */
  find(subject: Subject): readonly Json[] {
    switch (subject.kind) {
      case 'message':
        return this.all('MessageHeader');
      case 'patient':
        return this.all('Patient');
      case 'report':
        return present(this.#reports[subject.index]);
      case 'observation':
        return present(this.#observations[subject.index]);
      case 'specimen':
        return present(this.#specimens[subject.index]);
    }
  }

  /** What an element of references refers to. */
  resolve(references: unknown): Json[] {
    return objectsIn(references).flatMap(({ reference }) => present(this.#byUrl.get(textOf(reference))));
  }

  /** The report an observation of the message belongs to, where there is one. */
  reportOf(index: number, stated: Stated): readonly Json[] {
    const report = stated.observations[index]?.report ?? null;
    return report === null ? [] : present(this.#reports[report]);
  }

  /** By an identifier, else by code, else by order. */
  #alignReports({ reports }: Stated): (Json | null)[] {
    const free = new Set(this.all('DiagnosticReport'));
    const take = (fits: (one: Json) => boolean) => takeFirst(free, fits);
    const byIdentifier = reports.map(({ identifiers }) => {
      const filler = identifiers.at(-1);
      return filler === undefined ? null : take((one) => identifiersOf(one).includes(filler));
    });
    const byCode = reports.map(
      ({ codes }, index) =>
        byIdentifier[index] ?? take((one) => codesOf(one.code).some((code) => codes.includes(code))),
    );
    return byCode.map((found) => found ?? take(() => true));
  }

  /** Within the report by code and order; what is asked at order, or of a specimen, among all. */
  #alignObservations({ observations }: Stated): (Json | null)[] {
    const free = new Set(this.all('Observation'));
    const isOf = (codes: readonly string[]) => (one: Json) =>
      codes.length === 0 ? codesOf(one.code).length === 0 : codesOf(one.code).some((code) => codes.includes(code));
    const results = this.#reports.map((report) => new Set(report === null ? [] : this.resolve(report.result)));
    const isResult = new Set(results.flatMap((one) => [...one]));
    const near = observations.map(({ report, codes }) => {
      const isNear = (one: Json) => (report === null ? !isResult.has(one) : results[report]?.has(one) === true);
      return takeFirst(free, (one) => isNear(one) && isOf(codes)(one));
    });
    return near.map((found, index) => found ?? takeFirst(free, isOf(observations[index]?.codes ?? [])));
  }

  /** Those of the report first, by identifier, else by type; then among all. A specimen may serve several orders. */
  #alignSpecimens({ specimens }: Stated): (Json | null)[] {
    return specimens.map(({ report, codes, identifiers }) => {
      const ofReport = this.resolve(this.#reports[report]?.specimen);
      const all = [...ofReport, ...this.all('Specimen')];
      const byIdentifier = all.find((one) => identifiersOf(one).some((value) => identifiers.includes(value)));
      const byType = all.find((one) => codesOf(one.type).some((code) => codes.includes(code)));
      return byIdentifier ?? byType ?? ofReport[0] ?? null;
    });
  }
}

export function identifiersOf(resource: Json): string[] {
  return objectsIn(resource.identifier).map(({ value }) => textOf(value).trim());
}

/** Equal ones of these are two all the same: two orders may report the same. */
function isReferredTo({ resourceType }: Json): boolean {
  return ['DiagnosticReport', 'Observation', 'ServiceRequest', 'Specimen'].includes(textOf(resourceType));
}

function takeFirst(free: Set<Json>, fits: (one: Json) => boolean): Json | null {
  for (const one of free) {
    if (!fits(one)) continue;
    free.delete(one);
    return one;
  }
  return null;
}

const present = <Value>(value: Value | null | undefined): Value[] =>
  value === null || value === undefined ? [] : [value];
