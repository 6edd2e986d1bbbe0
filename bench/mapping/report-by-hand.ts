import type { Mapped } from '../../src/contracts/mapper.ts';
import { checkResource } from '../../src/fhir/check-resource.ts';
import { deriveKey } from '../../src/fhir/identifier.ts';
import { PARTY, SECRET } from './engine.ts';
import { ReportBundle } from './report-bundle.ts';

/**
 * ORU^R01 of a chemistry laboratory → transaction bundle, as a careful programmer writes it who knows this one sender:
 * equal to what `oru-r01` makes of such messages. What the guide has beyond that (relatives, documents, questions asked
 * at order, devices, performing organizations) it does not know.
 */
export function mapReport(bytes: Uint8Array): Mapped {
  const bundle = new ReportBundle(bytes);
  const { lines, pid, orders, sender } = bundle;
  const person = lines.text(pid, 3, 1) || lines.text(pid, 2, 1) || lines.unescape(lines.raw(pid, 5));
  const fillers = orders.map(({ obr }) => lines.text(obr, 3, 1)).filter((text) => text !== '');
  const orcs = orders.map(({ orc }) => lines.text(orc, 3, 1)).filter((text) => text !== '');
  const placers = orders.map(({ obr }) => lines.text(obr, 2, 1)).filter((text) => text !== '');
  const resultKey = deriveKey(SECRET, [
    'result',
    'oru-r01',
    PARTY.id,
    sender,
    person,
    JSON.stringify([...fillers, ...orcs, ...placers]),
  ]);
  const { body, lasting } = bundle.make();
  if (checkResource(body).length > 0) throw new Error('mapping-incomplete');
  const text = JSON.stringify(body);
  return {
    statements: [
      {
        resultKey,
        rank: lines.instant(lines.text(lines.msh, 7, 1)),
        digest: deriveKey(SECRET, ['digest', '', `fhir/transaction ${JSON.stringify(lasting)}`]),
      },
    ],
    drafts: [
      {
        resultKey,
        target: 'fhir',
        operation: 'transaction',
        party: PARTY.id,
        laneKey: deriveKey(SECRET, ['lane', person]).slice(0, 32),
        body: Buffer.from(text),
        notBefore: null,
        notAfter: null,
        once: null,
        waived: null,
        needs: null,
        flaw: null,
      },
    ],
    skipped: [],
    provides: [],
    faults: [],
    warnings: bundle.warnings,
  };
}
