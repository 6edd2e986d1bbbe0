import { describe, expect, it } from 'vitest';
import type { LogFields } from '../src/contracts/log.ts';
import { createLog } from '../src/log.ts';
import { createManualClock } from './engine/kit.ts';

function open(options: { level?: 'debug' | 'info' | 'warn'; pretty?: boolean; colours?: boolean } = {}) {
  const lines: string[] = [];
  const log = createLog({
    level: 'info',
    pretty: false,
    colours: false,
    ...options,
    destination: { write: (line) => lines.push(line) },
    clock: createManualClock(),
  });
  return { log, lines };
}

describe('the log', () => {
  it('writes one JSON object a line', () => {
    const { log, lines } = open();
    log.warn('message-held', { channel: 'lab', messageId: 7, fault: 'code-unmapped' });
    expect(lines[0]?.endsWith('}\n')).toBe(true);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'warn',
      // The clock's time, not the machine's.
      time: '2021-06-01T08:00:00.000Z',
      event: 'message-held',
      channel: 'lab',
      messageId: 7,
      fault: 'code-unmapped',
    });
  });

  it('writes lines for people', () => {
    const { log, lines } = open({ pretty: true });
    log.error('party-paused', { party: 'nord', detail: 'HTTP 401 again' });
    expect(lines).toEqual(['08:00:00.000 error party-paused party=nord detail="HTTP 401 again"\n']);
    const coloured = open({ pretty: true, colours: true });
    coloured.log.info('x');
    expect(coloured.lines[0]).toContain('\x1b[32m');
  });

  it.each([false, true])('drops every field that is not on the list (pretty: %s)', (pretty) => {
    const { log, lines } = open({ pretty });
    log.info('x', { channel: 'lab', patient: 'Alva Berg' } as LogFields);
    expect(lines[0]).toContain('lab');
    expect(lines[0]).not.toMatch(/patient|Alva/);
  });

  it.each([false, true])('leaves out what is below its level (pretty: %s)', (pretty) => {
    const { log, lines } = open({ pretty, level: 'warn' });
    log.debug('x');
    log.info('x');
    log.warn('y');
    expect(lines).toHaveLength(1);
  });
});
