import { personnummer, testMessage } from '../../test/whole/message.ts';
import { REPORT_MESSAGE } from '../mapping/messages.ts';

/**
 * `certificate`: 0.5 kB, one test that a certificate was asked for · `report`: as a chemistry laboratory sends it, 1.2 kB
 * and 6 results, or so many results, or one of so many bytes that is nearly all one document.
 */
export type MessageShape =
  | { readonly kind: 'certificate' }
  | { readonly kind: 'report'; readonly results?: number; readonly bytes?: number };

const REPORT = Buffer.from(REPORT_MESSAGE).toString('utf8');

/** Equal numbers make equal messages. Every message is a person of its own but for one in ten. */
export function benchMessage(number: number, shape: MessageShape): Buffer {
  const controlId = `W${number}`;
  const person = number - (number % 10 === 9 ? 1 : 0);
  if (shape.kind === 'certificate') return testMessage({ controlId, person, results: [controlId] });
  return Buffer.from(
    bodyOf(shape)
      .replace('BENCH0002', controlId)
      .replaceAll('F-200', `F-${number}`)
      .replaceAll('P-100', `P-${number}`)
      .replaceAll('S-300', `S-${number}`)
      .replace('191212121212', personnummer(person)),
  );
}

const bodies = new Map<string, string>();

function bodyOf({ results, bytes }: MessageShape & { readonly kind: 'report' }): string {
  const key = `${results} ${bytes}`;
  const known = bodies.get(key) ?? makeBody(results ?? null, bytes ?? null);
  bodies.set(key, known);
  return known;
}

function makeBody(results: number | null, bytes: number | null): string {
  if (results === null && bytes === null) return REPORT;
  const segments = REPORT.split('\r').filter((segment) => !/^(?:OBX|NTE|$)/.test(segment));
  const [specimen = ''] = segments.splice(-1);
  const observations = Array.from({ length: results ?? 0 }, (_, index) => {
    const number = index + 1;
    return `OBX|${number}|NM|T${number}^Analys ${number}^L||${number}.50|mmol/L^^UCUM|4.0-6.0|N|||F|||202403120815`;
  });
  const whole = (document: string[]) => `${[...segments, ...observations, ...document, specimen].join('\r')}\r`;
  if (bytes === null) return whole([]);
  const documentOf = (content: string) => [`OBX|1|ED|SVAR^Utlåtande^L||^application^pdf^Base64^${content}||||||F`];
  const rest = Math.max(0, bytes - Buffer.byteLength(whole(documentOf(''))));
  return whole(documentOf('SluS'.repeat(Math.floor(rest / 4))));
}
