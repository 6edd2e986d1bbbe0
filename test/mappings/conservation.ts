import type { FaultRecord } from '../../src/contracts/fault.ts';
import { decodeText, resolveCharset } from '../../src/hl7/charset.ts';
import { unescapeText } from '../../src/hl7/escape.ts';
import { readHeader } from '../../src/hl7/header.ts';
import { HL7_NULL, type Message, parseMessage, type Segment } from '../../src/hl7/message.ts';
import { locateSegment } from '../../src/hl7/path.ts';

/** Components that carry what a coded value says; the others say where its codes come from. */
const CODED = [1, 2, 4, 5, 9, 10, 11];
const WITHOUT_UNIT = ['FT', 'TX', 'ED', 'RP'];
const TIMES = ['DT', 'TS', 'DTM', 'TM', 'DR'];

/** What the message says and neither the bundles nor a warning do: `OBX[3]-5 <text>`. Empty = nothing was lost. */
export function listLost(bytes: Uint8Array, bundles: readonly unknown[], warnings: readonly FaultRecord[]): string[] {
  const header = readHeader(bytes);
  const charset = resolveCharset(header.charset, { default: 'UNICODE UTF-8', force: null });
  const decode = (part: Uint8Array) => decodeText(part, charset);
  const message = parseMessage(decode(bytes), header.delimiters);
  const said = leavesOf(bundles).map(squeeze);
  const everything = said.join('\n');
  // Sampled data are one text with a number for each point.
  const numbers = new Set(leavesOf(bundles).flatMap((text) => text.split(' ').map(decimal)));
  numbers.delete('');
  const digits = said.map((text) => text.replaceAll(/[-:T]/g, '')).join('\n');
  const isThere = (text: string) =>
    everything.includes(squeeze(text)) ||
    // Documents leave as Base64.
    everything.includes(Buffer.from(text).toString('base64')) ||
    (/^[0-9A-F]{2,}$/i.test(text) && everything.includes(Buffer.from(text, 'hex').toString('base64'))) ||
    numbers.has(decimal(text)) ||
    (/\d{4}/.test(text) && digits.includes(withoutOffset(text)));
  // A segment that is named is named with all it says.
  const isNamed = (at: string) =>
    warnings.some((warning) => warning.at?.startsWith(at) === true || warning.at === at.replace(/-.*/, ''));
  // A unit has several codes and names, one of which is said.
  const isUnitThere = (at: string, text: string) =>
    /-6$/.test(at) && text.split('^').some((part) => part !== '' && everything.includes(squeeze(part)));
  const meaningOf = (raw: string) => (raw === HL7_NULL ? '' : unescapeText(raw, message.delimiters, decode));
  return message.segments.flatMap((segment) =>
    textsOf(segment, message)
      .map(({ at, raw }) => ({
        at,
        text: meaningOf(raw)
          .replaceAll(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, '')
          .trim(),
      }))
      .filter(({ at, text }) => !/^[&^]*$/.test(text) && !isThere(text) && !isNamed(at) && !isUnitThere(at, text))
      .map(({ at, text }) => `${at} ${text.slice(0, 80)}`),
  );
}

function textsOf(segment: Segment, message: Message): { at: string; raw: string }[] {
  const { component, subcomponent } = message.delimiters;
  const where = locateSegment(segment);
  const texts = (field: number, take: (raw: string) => string[]) =>
    segment
      .repetitions(field)
      .flatMap((raw, index) =>
        take(raw).map((text) => ({ at: `${where}-${field}${index > 0 ? `[${index + 1}]` : ''}`, raw: text })),
      );
  const parts = (numbers: readonly number[]) => (raw: string) => {
    const all = raw.split(component);
    return numbers.map((number) => all[number - 1] ?? '');
  };
  switch (segment.name) {
    case 'PID':
      return texts(3, parts([1]));
    case 'NTE':
      return texts(3, (raw) => [raw]);
    case 'OBX': {
      const type = (segment.field(2) ?? '').split(/\W/, 1)[0] ?? '';
      const every = (raw: string) =>
        raw.split(component).flatMap((part) => (subcomponent === null ? [part] : part.split(subcomponent)));
      const take = ['CE', 'CWE', 'CNE', 'CF', 'IS', 'ID'].includes(type)
        ? parts(CODED)
        : type === 'SN'
          ? parts([2, 4])
          : type === 'ED' || type === 'CQ'
            ? parts([type === 'ED' ? 5 : 1])
            : ['ST', 'TX', 'FT'].includes(type)
              ? (raw: string) => [raw]
              : TIMES.includes(type)
                ? parts([1, 2])
                : every;
      // Several lines, and documents, have no unit; without a value it is a unit of nothing.
      const hasUnit = (segment.field(5) ?? '').replaceAll(/[~^&"]/g, '') !== '' && !WITHOUT_UNIT.includes(type);
      return [
        ...texts(3, parts([1, 4, 10])),
        ...texts(5, take),
        ...(hasUnit ? texts(6, (raw) => [raw]).slice(0, 1) : []),
      ];
    }
    default:
      return [];
  }
}

function leavesOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(leavesOf);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(leavesOf);
  return [String(value)];
}

const squeeze = (text: string) => text.replaceAll(/\s+/g, '');
const withoutOffset = (text: string) =>
  text
    .replace(/[+-]\d{4}$/, '')
    .replace(/\.\d+$/, '')
    .replace(/^(\d{14})$/, '$1');

/** Without zeros that do not count; '' = no number. */
function decimal(text: string): string {
  const parts = /^([+-]?)0*(\d*)(?:\.(\d*?)0*)?$/.exec(text.trim());
  if (parts === null || text.trim() === '') return '';
  const digits = `${parts[2] || '0'}.${parts[3] ?? ''}`;
  return parts[1] === '-' && digits !== '0.' ? `-${digits}` : digits;
}
