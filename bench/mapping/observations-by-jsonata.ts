import jsonata from 'jsonata';
import { unescapeText } from '../../src/hl7/escape.ts';
import { readHeader } from '../../src/hl7/header.ts';
import { readTable } from './lines.ts';
import { REPORT_MESSAGE } from './messages.ts';

/**
 * The Observations of a chemistry report, without ids, references, checks, and with one fixed offset for local times:
 * JSONata has no way to any of them. What is not measured is parsing: the message is an object already.
 */
const EXPRESSION = `(
  $coding := function($code, $display, $system) {
    $code ? { 'system': $lookup($systems, $lowercase($system)), 'code': $code, 'display': $display }
  };
  $concept := function($f) {
    { 'coding': [$coding($f[0], $f[1], $f[2]), $coding($f[3], $f[4], $f[5])] }
  };
  $quantity := function($digits, $comparator, $unit) {
    $merge([
      { 'value': $number($digits) },
      $comparator ? { 'comparator': $comparator } : {},
      $lookup($systems, $lowercase($unit[2])) = 'http://unitsofmeasure.org'
        ? { 'unit': $unit[1] ? $unit[1] : $unit[0], 'system': 'http://unitsofmeasure.org', 'code': $unit[0] }
        : $unit[0] ? { 'unit': $unit[1] ? $unit[1] : $unit[0] } : {}
    ])
  };
  $time := function($t) {
    $substring($t, 0, 4) & '-' & $substring($t, 4, 2) & '-' & $substring($t, 6, 2) &
      'T' & $substring($t, 8, 2) & ':' & $substring($t, 10, 2) & ':00+01:00'
  };
  $range := function($text, $unit) {(
    $limits := $match($text, /^([0-9.]+) *- *([0-9.]+)$/);
    $merge([
      $limits ? { 'low': $quantity($limits.groups[0], '', $unit), 'high': $quantity($limits.groups[1], '', $unit) } : {},
      { 'text': $text }
    ])
  )};
  [OBX.(
    $type := f2[0];
    $unit := f6;
    $sign := f5[0];
    $merge([
      {
        'resourceType': 'Observation',
        'status': $lookup($statuses, f11[0]),
        'category': [{ 'coding': [{
          'system': 'http://terminology.hl7.org/CodeSystem/observation-category', 'code': 'laboratory'
        }] }],
        'code': $concept(f3),
        'effectiveDateTime': $time(f14[0] ? f14[0] : $$.OBR.f7[0])
      },
      $type = 'NM' ? { 'valueQuantity': $quantity(f5[0], '', $unit) } :
      $type = 'SN' ? { 'valueQuantity': $quantity(f5[1], $sign = '=' ? '' : $sign, $unit) } :
      $type in ['CE', 'CWE', 'CNE', 'IS', 'ID'] ? { 'valueCodeableConcept': $concept(f5) } :
      { 'valueString': f5[0] },
      f8[0] ? { 'interpretation': [{ 'coding': [{ 'system': $lookup($flags, f8[0]), 'code': f8[0] }] }] } : {},
      f7[0] ? { 'referenceRange': [$range(f7[0], $unit)] } : {},
      NTE ? { 'note': [{ 'text': $join(NTE.f3[0], '\\n') }] } : {}
    ])
  )]
)`;

const BINDINGS = {
  systems: Object.fromEntries(readTable('coding-systems')),
  statuses: Object.fromEntries(readTable('observation-status')),
  flags: Object.fromEntries(readTable('interpretation-systems')),
};

type Fields = Record<string, unknown>;

/** A report as a parser would hand it over: fields by number, each with its components as texts. */
export const PARSED_REPORT: Fields = parseReport(REPORT_MESSAGE);

/** Makes the Observations of the parsed report. */
export function evaluateObservations(): () => Promise<unknown> {
  const expression = jsonata(EXPRESSION);
  return () => expression.evaluate(PARSED_REPORT, BINDINGS);
}

function parseReport(bytes: Uint8Array): Fields {
  const { delimiters } = readHeader(bytes);
  const report: Fields & { OBX: Fields[] } = { OBX: [] };
  const read = (raw: string) => unescapeText(raw, delimiters, () => '').trim();
  for (const line of Buffer.from(bytes).toString('utf8').split('\r')) {
    const [name = '', ...fields] = line.split('|');
    const segment: Fields = Object.fromEntries(
      fields.map((field, index) => [`f${index + 1}`, field.split('^').map(read)]),
    );
    if (name === 'OBX') report.OBX.push(segment);
    else if (name === 'OBR') report.OBR = segment;
    else if (name === 'NTE') Object.assign(report.OBX.at(-1) ?? {}, { NTE: [segment] });
  }
  return report;
}
