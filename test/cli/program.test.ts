import { describe, expect, it } from 'vitest';
import { runCommand } from './kit.ts';

const OPERATORS = ['list', 'show', 'replay', 'release', 'cancel', 'pause', 'resume', 'pauses', 'backup'].map((one) => [
  one,
]);

describe('the command line', () => {
  it('tells what there is, in lines of at most 80 columns, with examples', async () => {
    const { out, code } = await runCommand(['--help']).done;
    expect(code).toBe(0);
    for (const command of ['run', 'check', 'send', 'simulate']) {
      expect(out).toContain(`  ${command} `);
      const help = await runCommand([command, '--help']).done;
      expect(help.code).toBe(0);
    }
    for (const args of [['run'], ['check'], ['send'], ['simulate', 'covidbevis'], ['journal', 'copy'], ...OPERATORS]) {
      const help = await runCommand([...args, '--help']).done;
      expect(help.out).toContain('Examples:');
      expect(Math.max(...help.out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    }
  });

  it('answers a mistake in a line or two, and exit code 1', async () => {
    expect(await runCommand(['frob']).done).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining("unknown command 'frob'"),
    });
    const address = await runCommand(['send', 'x', '--to', 'nowhere']).done;
    expect(address.code).toBe(1);
    expect(address.err).toContain('It must be host:port');
    const file = await runCommand(['send', '/none.hl7', '--to', 'localhost:1']).done;
    expect(file.code).toBe(1);
    expect(file.err.split('\n')).toHaveLength(1);
    expect(file.err).toContain('ENOENT');
  });

  it('shows a stack only where it is asked for', async () => {
    const { err } = await runCommand(['--debug', 'send', '/none.hl7', '--to', 'localhost:1']).done;
    expect(err).toContain('    at ');
  });
});
