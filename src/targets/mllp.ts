import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { duration } from '../contracts/duration.ts';
import { Fault } from '../contracts/fault.ts';
import type { Host, TargetPlugin } from '../contracts/plugin.ts';
import type { Delivery, Response, Target, Verdict } from '../contracts/target.ts';
import { readHeader } from '../hl7/header.ts';
import { parseAck } from '../hl7/parse-ack.ts';
import { classifyError } from './classify.ts';
import { type Line, type LineOptions, openLine } from './mllp-line.ts';

const config = z.strictObject({
  host: z.string().min(1).describe('Host of the receiving system.'),
  port: z.int().min(1).max(65_535).describe('Its MLLP port.'),
  tls: z
    .strictObject({
      ca: z
        .string()
        .min(1)
        .optional()
        .describe(
          "PEM file with the authorities that may have issued the receiver's certificate; else those of the system.",
        ),
      servername: z.string().min(1).optional().describe('Name its certificate must bear; else the host.'),
      clientCertificate: z
        .enum(['party', 'none'])
        .default('none')
        .describe("Whether the party's client certificate is shown; then each party has a connection of its own."),
    })
    .nullable()
    .default(null)
    .describe('TLS towards the receiver; absent = plain TCP.'),
  keepOpen: duration('A connection that was not used for this long is closed.', '1m', '1h'),
});

const operations = {
  message: {
    summary: 'Sends an HL7 v2 message and waits for its acknowledgement.',
    // The control id stays the same, so a receiver knows the repeated message again.
    inDoubt: 'repeat',
    onCorrection: 'update',
  },
  acknowledgement: {
    summary: 'Sends an acknowledgement, which nobody answers.',
    inDoubt: 'repeat',
    onCorrection: 'update',
  },
} as const;

/** Sends HL7 v2 messages over MLLP, one at a time, each correlated with its acknowledgement by MSA-2. */
export const mllpTarget: TargetPlugin<typeof config> = {
  kind: 'target',
  name: 'mllp',
  summary: 'A system that takes HL7 v2 over MLLP: results on their way back to the LIS, acknowledgements owed to it.',
  config,
  create: createMllpTarget,
};

/** One line and who waits for it: a message begins when the one before it has been answered. */
interface Queue {
  line: Line | null;
  last: Promise<unknown>;
  callOffIdle: () => void;
}

function createMllpTarget(settings: z.output<typeof config>, host: Host): Target {
  const ca = settings.tls?.ca === undefined ? null : readFileSync(host.resolvePath(settings.tls.ca), 'utf8');
  const queues = new Map<string, Queue>();
  let stopped = false;

  const queueOf = (party: string): Queue => {
    const name = settings.tls?.clientCertificate === 'party' ? party : '';
    const known = queues.get(name) ?? { line: null, last: Promise.resolve(), callOffIdle: () => {} };
    queues.set(name, known);
    return known;
  };

  const lineOptions = (party: string): LineOptions => {
    const { host: name, port, tls } = settings;
    if (tls === null) return { host: name, port, tls: null };
    const shown = tls.clientCertificate === 'party' ? host.parties.credentials(party).tls : {};
    const servername = tls.servername === undefined ? {} : { servername: tls.servername };
    return {
      host: name,
      port,
      tls: { minVersion: 'TLSv1.2', ...servername, ...(ca === null ? {} : { ca }), ...shown },
    };
  };

  function hangUp(queue: Queue): void {
    queue.callOffIdle();
    queue.line?.close();
    queue.line = null;
  }

  /** Has the line to itself. */
  async function exchange(queue: Queue, delivery: Delivery, signal: AbortSignal): Promise<Verdict> {
    // Called off while another message had the line: nothing was written, the line serves on.
    if (signal.aborted) return { ok: false, ...classifyError(signal.reason, signal), response: null };
    queue.callOffIdle();
    const callOff = () => hangUp(queue);
    try {
      if (queue.line === null || queue.line.isClosed) queue.line = await openLine(lineOptions(delivery.party), signal);
      // What is written after an answer that never came could be taken for the answer's cause: such a line is given up.
      signal.addEventListener('abort', callOff, { once: true });
      return delivery.operation === 'acknowledgement'
        ? await acknowledge(queue.line, delivery.body)
        : await ask(queue.line, delivery.body);
    } catch (error) {
      hangUp(queue);
      return { ok: false, ...classifyError(error, signal), response: null };
    } finally {
      signal.removeEventListener('abort', callOff);
      if (stopped) hangUp(queue);
      else queue.callOffIdle = host.clock.wakeAt(host.clock.now() + settings.keepOpen, () => hangUp(queue));
    }
  }

  return {
    operations,
    async send(delivery, signal) {
      if (!Object.hasOwn(operations, delivery.operation)) {
        const fault = new Fault('mapping-incomplete', { detail: `no operation ${delivery.operation}` });
        return { ok: false, fault, retryAfterMs: null, response: null };
      }
      const queue = queueOf(delivery.party);
      const verdict = queue.last.then(() => exchange(queue, delivery, signal));
      queue.last = verdict;
      return await verdict;
    },
    async stop() {
      stopped = true;
      await Promise.all([...queues.values()].map(({ last }) => last));
      for (const queue of queues.values()) hangUp(queue);
    },
  };
}

async function acknowledge(line: Line, body: Uint8Array): Promise<Verdict> {
  await line.write(body);
  return { ok: true, response: null };
}

async function ask(line: Line, body: Uint8Array): Promise<Verdict> {
  const { controlId } = readHeader(body);
  if (controlId === '') throw new Fault('mapping-incomplete', { at: 'MSH-10' });
  const frame = await line.ask(body, (bytes) => {
    const ack = parseAck(bytes);
    return ack !== null && (ack.controlId === controlId || ack.controlId === '');
  });
  return judge(frame);
}

/** AA and CA: taken. AE and CE: it wants other content. AR and CR: no custody; the same may be sent again. */
function judge(frame: Uint8Array): Verdict {
  const response: Response = { status: 0, contentType: 'x-application/hl7-v2+er7', body: frame, fault: null };
  const ack = parseAck(frame);
  const code = ack?.code ?? 'AR';
  if (code === 'AA' || code === 'CA') return { ok: true, response };
  const detail = [code, ack?.errors[0]?.condition ?? ''].filter((word) => /^\w{1,8}$/.test(word)).join(' ');
  const fault = new Fault(code === 'AE' || code === 'CE' ? 'target-refused' : 'target-busy', { detail });
  return { ok: false, fault, retryAfterMs: null, response };
}
