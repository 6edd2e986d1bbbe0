import { Fault } from '../contracts/fault.ts';
import type { Draft, Need, Once } from '../contracts/mapper.ts';
import { checkResource } from '../fhir/check-resource.ts';
import { deriveIdentifier, deriveKey } from '../fhir/identifier.ts';
import { encodePieces, LONG_CHARACTERS, type Pieces, writeJsonPieces } from '../fhir/json-pieces.ts';
import type { ResourceIssue } from '../fhir/resource-issue.ts';
import { bodyText } from './body-text.ts';
import { writeBody } from './bundle.ts';
import type { Deliver, OnceRule } from './deliver.ts';
import { readInstant } from './instant.ts';
import { writeMessage } from './message.ts';
import { OutgoingMessage } from './outgoing-message.ts';
import { readParts } from './parts.ts';
import type { MadeBody } from './result-outcome.ts';
import { foundText, type Scope } from './scope.ts';
import type { Evaluate } from './surroundings.ts';
import { orOnFault } from './try-to.ts';

export interface MadeDraft {
  readonly draft: Draft;
  /** What it says of the result, for the digest. */
  readonly states: string | Pieces;
  readonly body: MadeBody;
  /** What makes its body invalid FHIR. */
  readonly issues: readonly ResourceIssue[];
}

/** MSH-10 is ST of 20 characters up to v2.6. */
const MAX_CONTROL_ID = 20;

/** What becomes of a result at each entry of `deliver:` and `then:`, made or left out. @param lane what `lane:` is made of */
export function makeDrafts(lane: readonly Evaluate[], secret: Uint8Array) {
  const readOnce = (one: Deliver, { key: common, at, until, where }: OnceRule, scope: Scope): Once => {
    const found = at(scope);
    const end = until(scope);
    const instant = found === null ? null : readInstant(foundText(found, scope.run));
    if (end === null || instant === null)
      throw new Fault('mapping-incomplete', { at: found?.at ?? null, where, detail: 'a time with offset is needed' });
    // What one care provider knows decides nothing for another.
    const parts = [one.called, one.operation, scope.party?.id ?? '', ...readParts(common, scope)];
    return { key: deriveKey(secret, ['once', ...parts]), at: instant, until: end };
  };

  /** What one care provider was asked for is asked of no other. */
  const readNeed = (parts: readonly Evaluate[], scope: Scope): string => {
    const said = ['need', scope.party?.id ?? '', ...readParts(parts, scope)];
    // What a message provides is mostly what its own results need.
    const isSame = said.length === lastNeed.said.length && said.every((part, index) => part === lastNeed.said[index]);
    if (!isSame) lastNeed = { said, key: deriveKey(secret, said) };
    return lastNeed.key;
  };
  let lastNeed: { readonly said: readonly string[]; readonly key: string } = { said: [], key: '' };

  const readNeeds = ({ needs }: Deliver, scope: Scope): Need | null =>
    needs === null ? null : { key: readNeed(needs.key, scope), reason: needs.reason };

  const makeDraft = (one: Deliver, resultKey: string, identifiedBy: string, scope: Scope): MadeDraft | null => {
    if (scope.party === null || (one.holds !== null && !one.holds(scope))) return null;
    scope.identifier = deriveIdentifier(secret, ['identifier', resultKey, identifiedBy]);
    const body = one.body(scope);
    if (body === null) {
      if (scope.faults.size > 0) return null;
      throw new Fault('mapping-incomplete', { where: one.where, detail: 'empty body' });
    }
    const written = writeAny(body.value, one, resultKey, scope);
    // What lacks an element because of a fault does not leave; that it is incomplete need not be said as well.
    const issues = scope.faults.size === 0 && isResource(body.value) ? checkResource(body.value) : [];
    const draft: Draft = {
      resultKey,
      target: one.target,
      operation: one.operation,
      party: scope.party.id,
      laneKey: deriveKey(secret, ['lane', ...readParts(lane, scope)]).slice(0, 32),
      body: written.bytes,
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
      states: written.states,
      body: {
        target,
        operation,
        party,
        // Only who asks why reads it. (An accessor here would give each of these objects a shape of its own.)
        body: scope.run.trail === null ? '' : written.text(),
        trail: scope.run.trail?.takeEntries() ?? [],
        lacks: null,
        where: one.where,
      },
      issues,
    };
  };

  /** An HL7 message of the same content is the same one, under the same control id, however often it is made. */
  const writeAny = (body: unknown, one: Deliver, resultKey: string, { run }: Scope) => {
    const what = `${one.called}/${one.operation} `;
    if (!(body instanceof OutgoingMessage)) {
      if (run.message.segments.some((segment) => segment.text.length >= LONG_CHARACTERS)) {
        const { text, lasting } = writeBody(body, writeJsonPieces);
        return { bytes: encodePieces(text), text: () => text.join(''), states: [what, ...lasting] };
      }
      const { text: pieces, lasting } = writeBody(body);
      const text = pieces.join('');
      // Several times faster than a TextEncoder where the text is long.
      return { bytes: Buffer.from(text), text: () => text, states: what + lasting.join('') };
    }
    const { lasting } = body;
    const key = ['control-id', resultKey, one.called, one.operation, lasting];
    const bytes = writeMessage(body, deriveIdentifier(secret, key).slice(-MAX_CONTROL_ID), one.where);
    return { bytes, text: () => bodyText(bytes), states: what + lasting };
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
    const laneKey = deriveKey(secret, ['lane', ...readParts(lane, scope)]).slice(0, 32);
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

  return { readNeed, readNeeds, makeDraft, waive, makeUnsent };
}

function isResource(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'resourceType' in body;
}
