import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { basename } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { type Command, InvalidArgumentError } from 'commander';
import { readHeader } from '../hl7/header.ts';
import { frameMessage, MllpDecoder } from '../hl7/mllp.ts';
import { type ParsedAck, parseAck } from '../hl7/parse-ack.ts';
import { type FileMessage, readMessageFile } from './message-file.ts';
import { type ExitCode, paint, type Terminal } from './terminal.ts';

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

interface SendOptions {
  readonly to: { readonly host: string; readonly port: number };
  readonly tls?: true;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly timeout: number;
  readonly json?: true;
}

/** One message of a file, and what became of it. */
interface Sent {
  readonly file: string;
  readonly number: number;
  readonly controlId: string;
  readonly code: string | null;
  readonly errors: ParsedAck['errors'];
  readonly problem: string | null;
}

/** `sluss send`: sends the messages of files one after the other over one connection and prints the answers. */
export async function send(files: readonly string[], options: SendOptions, terminal: Terminal): Promise<ExitCode> {
  const messages = files.flatMap(readMessageFile);
  const line = await openLine(options);
  const results: Sent[] = [];
  try {
    for (const message of messages) {
      const sent = await sendOne(message, line);
      results.push(sent);
      if (!options.json) show(sent, terminal);
      if (sent.problem !== null && sent.code === null && line.isClosed()) break;
    }
  } finally {
    line.close();
  }
  const good = results.filter(({ code }) => code === 'AA' || code === 'CA').length;
  if (options.json) terminal.print(JSON.stringify(results, null, 2));
  else terminal.print(`${good} of ${messages.length} accepted`);
  return good === messages.length ? 0 : 1;
}

interface Line {
  /** Sends one frame and gives the next answer. @throws Error where none comes */
  ask(bytes: Uint8Array): Promise<Uint8Array>;
  isClosed(): boolean;
  close(): void;
}

async function openLine(options: SendOptions): Promise<Line> {
  const socket = openSocket(options);
  const decoder = new MllpDecoder(MAX_MESSAGE_BYTES);
  const answers: Uint8Array[] = [];
  let closedBy: string | null = null;
  let wake = () => {};
  socket.on('data', (chunk: Buffer) => {
    for (const event of decoder.push(chunk)) if (event.kind === 'message') answers.push(event.bytes);
    wake();
  });
  const end = (why: string) => {
    closedBy ??= why;
    wake();
  };
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  socket.on('close', () => end('the connection was closed'));
  await new Promise<void>((resolve, reject) => {
    wake = () => reject(new Error(`cannot connect to ${options.to.host}:${options.to.port}: ${closedBy}`));
    socket.once(options.tls ? 'secureConnect' : 'connect', () => resolve());
  });
  return {
    async ask(bytes) {
      if (closedBy === null) socket.write(frameMessage(bytes));
      const timer = setTimeout(() => end(`no answer within ${options.timeout} s`), options.timeout * 1_000);
      try {
        for (;;) {
          const answer = answers.shift();
          if (answer !== undefined) return answer;
          if (closedBy !== null) throw new Error(closedBy);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } finally {
        clearTimeout(timer);
      }
    },
    isClosed: () => closedBy !== null,
    close: () => socket.destroy(),
  };
}

function openSocket(options: SendOptions): Socket {
  const { host, port } = options.to;
  if (!options.tls) return connectTcp({ host, port });
  const read = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path));
  const material = { ca: read(options.ca), cert: read(options.cert), key: read(options.key) };
  const known = Object.fromEntries(Object.entries(material).filter(([, value]) => value !== undefined));
  return connectTls({ host, port, servername: options.servername ?? host, minVersion: 'TLSv1.2', ...known });
}

async function sendOne(message: FileMessage, line: Line): Promise<Sent> {
  const about = { file: message.file, number: message.number, controlId: controlIdOf(message.bytes) };
  try {
    const ack = parseAck(await line.ask(message.bytes));
    if (ack === null) return { ...about, code: null, errors: [], problem: 'the answer is no acknowledgement' };
    return { ...about, code: ack.code, errors: ack.errors, problem: null };
  } catch (error) {
    return { ...about, code: null, errors: [], problem: error instanceof Error ? error.message : String(error) };
  }
}

function controlIdOf(bytes: Uint8Array): string {
  try {
    return readHeader(bytes).controlId;
  } catch {
    return '';
  }
}

function show(sent: Sent, terminal: Terminal): void {
  const { code, errors, problem } = sent;
  const style = code === 'AA' || code === 'CA' ? 'green' : 'red';
  const name = `${basename(sent.file)} #${sent.number}`;
  terminal.print(`${paint(terminal, style, code ?? '--')}  ${name}  ${sent.controlId}`);
  if (problem !== null) terminal.print(`      ${problem}`);
  for (const error of errors) {
    const head = [error.condition, error.at].filter((part) => part !== '').join(' ');
    terminal.print(`      ${head === '' ? '' : `${head}: `}${error.text}`);
  }
}

function readAddress(text: string): SendOptions['to'] {
  const [, host, port] =
    /^(?:mllps?:\/\/)?(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)?.filter((part) => part) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new InvalidArgumentError('It must be host:port, such as localhost:2575.');
  }
  return { host, port: Number(port) };
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0)) throw new InvalidArgumentError('It must be a number of seconds.');
  return seconds;
}

export function addSend(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  program
    .command('send')
    .description('send HL7 files over MLLP and print the answers')
    .argument('<files...>', 'files of one or more messages, or of a batch')
    .requiredOption('--to <host:port>', 'listener', readAddress)
    .option('--tls', 'connect with TLS')
    .option('--ca <file>', 'authority of the listener’s certificate (PEM)')
    .option('--cert <file>', 'own client certificate (PEM)')
    .option('--key <file>', 'its private key (PEM)')
    .option('--servername <name>', 'name that the listener’s certificate must have')
    .option('--timeout <seconds>', 'wait this long for an answer', readSeconds, 30)
    .option('--json', 'print the answers as JSON')
    .addHelpText(
      'after',
      `
Each message is sent in a frame of its own, the next one after the answer. The
exit code is 0 only if every answer was AA or CA.

Examples:
  sluss send results.hl7 --to localhost:2575
  sluss send *.hl7 --to lab.example:2576 --tls --ca ca.pem \\
             --cert lis.cert.pem --key lis.key.pem
  sluss send results.hl7 --to localhost:2575 --json | jq '.[].code'`,
    )
    .action(async (files: string[], options: SendOptions) => finish(await send(files, options, terminal)));
}
