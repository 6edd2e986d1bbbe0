import { expect, it } from 'vitest';
import { readHeader } from '../../src/hl7/header.ts';
import { parseMessage } from '../../src/hl7/message.ts';
import { listUnusedFields, readLocation } from '../../src/mapping/unused-fields.ts';

const text = [
  'MSH|^~\\&|LIS|LAB|||20220301||ORU^R01|T1|P|2.5.1',
  'PID|1||A1^^^X~B2^^^Y||Doe^Jane',
  'OBX|1|ST|X1^Name^L||""||||||F',
  'OBX|2|ST|X2^^L||||||||F',
].join('\r');
const message = parseMessage(text, readHeader(new TextEncoder().encode(text)).delimiters);

it('a field nobody read is unused, and of a field read in part its other components', () => {
  const used = new Set(['MSH-3', 'MSH-4', 'MSH-7', 'PID-3.1', 'PID-3[2]', 'PID-5.1.1', 'OBX[1]-3.1', 'OBX[2]-3']);
  expect(listUnusedFields(message, used)).toEqual([
    { field: 'PID-1', count: 1, at: 'PID-1' },
    { field: 'PID-3.4', count: 1, at: 'PID-3.4' },
    { field: 'PID-5.2', count: 1, at: 'PID-5.2' },
    { field: 'OBX-1', count: 2, at: 'OBX[1]-1' },
    { field: 'OBX-2', count: 2, at: 'OBX[1]-2' },
    { field: 'OBX-3.2', count: 1, at: 'OBX[1]-3.2' },
    { field: 'OBX-3.3', count: 1, at: 'OBX[1]-3.3' },
    { field: 'OBX-5', count: 1, at: 'OBX[1]-5' },
    { field: 'OBX-11', count: 2, at: 'OBX[1]-11' },
  ]);
});

it('a location gives what stands there', () => {
  expect(readLocation(message, 'PID-3[2].4')).toBe('Y');
  expect(readLocation(message, 'OBX[2]-3.1')).toBe('X2');
  expect(readLocation(message, 'OBX[3]-3.1')).toBe(null);
  expect(readLocation(message, 'OBX[1]')).toBe(null);
});
