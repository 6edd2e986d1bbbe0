import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROOT, within } from './engine-process.ts';

const PAGE = readFileSync(join(ROOT, 'docs/covidbevis.md'), 'utf8');
const PATIENCE_MS = 60_000;

let folder = '';
let running: { readonly child: ChildProcess; readonly output: () => string }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluss-page-'));
});
afterEach(async () => {
  for (const { child } of running) {
    if (child.exitCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
  running = [];
  rmSync(folder, { recursive: true, force: true });
});

/** The pieces of code of a section, in order. */
function piecesOf(section: string): { language: string; text: string }[] {
  const text = new RegExp(`^## ${section}\n([\\s\\S]*?)(?=^## )`, 'm').exec(PAGE)?.[1] ?? '';
  return [...text.matchAll(/^( *)```(\S+).*\n([\s\S]*?)^ *```/gm)].map(([, indent = '', language = '', body = '']) => ({
    language,
    text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function start(line: string) {
  const args = [join(ROOT, 'src/cli/sluss.ts'), ...line.split(' ')];
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, NO_COLOR: '1' } });
  let text = '';
  let wake = () => {};
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      wake();
    });
  const output = () => text;
  running.push({ child, output });
  const look = async (words: string) => {
    while (!text.includes(words))
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const seen = (words: string) => within(PATIENCE_MS, look(words), () => `“${words}” of sluss ${line}: ${text}`);
  return { child, output, seen };
}

async function run(line: string): Promise<string> {
  const { child, output } = start(line);
  const [code] = await once(child, 'close');
  expect(code, `sluss ${line}: ${output()}`).toBe(0);
  return output();
}

const commandsOf = (text: string) =>
  [...text.matchAll(/^sluss (?!\()(.*)$/gm)].map(([, line = '']) => line).filter((line) => !line.startsWith('{'));

describe('docs/covidbevis.md', { timeout: 180_000 }, () => {
  it('can be followed to the letter, to a certificate and its way back', async () => {
    const [begin, configuration, sample, rest, ...more] = piecesOf('Try it here');
    expect(more).toEqual([]);
    const [service, lis, mllp] = [await freePort(), await freePort(), await freePort()];
    const onFreePorts = (text = '') =>
      text.replaceAll('8543', `${service}`).replaceAll('2600', `${lis}`).replaceAll('2575', `${mllp}`);
    const [standIn = '', inbox = ''] = commandsOf(begin?.text ?? '').map((line) => line.replace(' &', ''));
    expect([standIn, inbox]).toEqual(['simulate covidbevis', 'simulate lis']);
    const issuing = start(`${standIn} --port ${service}`);
    const receiving = start(`${inbox} --port ${lis}`);
    await issuing.seen('Ctrl-C');
    await receiving.seen('Ctrl-C');
    symlinkSync(join(ROOT, 'mappings'), join(folder, 'mappings'));
    const yaml = onFreePorts(configuration?.text).replace('../mappings', './mappings');
    writeFileSync(join(folder, 'sluss.yaml'), yaml);
    execFileSync('bash', ['-c', sample?.text ?? ''], { cwd: folder });

    const said = new Map<string, string>();
    for (const line of commandsOf(onFreePorts(rest?.text))) {
      if (line === 'run &') await start('run').seen('"engine-started"');
      else said.set(line.split(' ')[0] ?? '', await run(line));
      if (line.startsWith('send')) await receiving.seen('← ORU^R01  F1  URN:UVCI:');
    }
    expect([...said.keys()]).toEqual(['check', 'party', 'map', 'send', 'list', 'show', 'evidence']);
    expect(said.get('party')).toMatch(/ok +covidbevis +answered 200/);
    expect(said.get('send')).toContain('AA');
    expect(said.get('evidence')).toContain('1 certificate');
    expect(readdirSync(join(folder, 'certificates')).map((name) => name.split('.')[1])).toEqual(['json', 'pdf', 'png']);
  });

  it('makes a certificate that can be used, by the commands it gives', async () => {
    if (!existsSync('/usr/bin/openssl')) return console.warn('not tested: certificates, for there is no openssl');
    const pieces = piecesOf('The organisation.s server certificate');
    const commands = pieces.filter(({ language }) => language === 'sh').map(({ text }) => text);
    const [request = '', rehearsal = '', renewal = ''] = commands;
    const withoutSluss = rehearsal.replace(/^sluss .*$/m, '');
    execFileSync('bash', ['-ec', `${request}\n${withoutSluss}`], { cwd: folder, stdio: 'ignore' });
    const old = 'openssl pkcs12 -export -legacy -in pki/nord.crt -inkey pki/nord.key -out pki/old.p12';
    execFileSync('bash', ['-ec', `${old} -passout file:pki/nord.pass`], { cwd: folder, stdio: 'ignore' });

    const [configuration] = piecesOf('Try it here').filter(({ language }) => language === 'yaml');
    const forms =
      pieces
        .find(({ language }) => language === 'yaml')
        ?.text.trim()
        .split('\n') ?? [];
    expect(forms).toHaveLength(3);
    symlinkSync(join(ROOT, 'mappings'), join(folder, 'mappings'));
    const [command = ''] = commandsOf(rehearsal);
    expect(command).toBe('party check --offline');
    process.env.NORD_PASSPHRASE = readFileSync(join(folder, 'pki/nord.pass'), 'utf8').trim();
    const check = async (form: string) => {
      const text = (configuration?.text ?? '').replace(/certificate: .*/, form).replace(/, ca: \S+/, '');
      writeFileSync(join(folder, 'sluss.yaml'), text.replace('../mappings', './mappings'));
      return run(command);
    };
    for (const form of forms) expect(await check(form)).toMatch(/ok +organisation +2321000016/);
    await expect(check('certificate: { pkcs12: pki/old.p12, passphrase: { file: pki/nord.pass } }')).rejects.toThrow(
      'encrypted in an old way',
    );
    rmSync(join(folder, 'pki/nord.p12'));
    execFileSync('bash', ['-ec', renewal], { cwd: folder, stdio: 'ignore' });
    expect(await check(forms[1] ?? '')).toMatch(/ok +organisation +2321000016/);
  });
});
