import { z } from 'zod';
import { byteSize } from '../contracts/byte-size.ts';
import { duration, durationOr, durationOrZero } from '../contracts/duration.ts';
import { secretReference } from '../contracts/secret-reference.ts';
import type { AckCode } from '../contracts/source.ts';
import { rate } from './rate.ts';
import { alarms, retention } from './upkeep.ts';

/** What begins so is a database, and no file. */
export const POSTGRES_URL = /^postgres(ql)?:\/\//;

/** Names stand in logs, metrics and URLs. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
export const name = z
  .string()
  .regex(NAME, 'must begin with a letter or digit and hold at most 64 of letters, digits, "-", "_" and "."');

const path = (describe: string) =>
  z.string().min(1).describe(`${describe} Relative paths start at this file's folder.`);

const installationSecret = z.union([
  z.strictObject({ env: z.string().min(1).describe('Environment variable that holds it.') }),
  z.strictObject({
    file: path('File that holds it; white space at its end is dropped.'),
    create: z.literal(true).optional().describe('Make the file at the first start, for its owner alone.'),
  }),
]);

export const journalFile = z.strictObject({
  file: path('File of the embedded journal.'),
  reserve: byteSize(
    'Less than this free on its disk, and nothing more is taken in, while deliveries go on; 0 = the disk is filled.',
    '200 MB',
    { least: '0 kB' },
  ),
  queue: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Messages that may wait to be stored; further ones are answered AR (journal-busy).'),
  queueSize: byteSize('Their size together; a single message may be larger.', '128 MB', { least: '1 MB' }),
});

const queue = {
  queue: journalFile.shape.queue,
  queueSize: journalFile.shape.queueSize,
};

export const journalServer = z.strictObject({
  url: z
    .string()
    .regex(POSTGRES_URL, 'must begin with postgres://')
    .describe(
      'Database of the shared journal, in the words of libpq: postgres://user@host1:5432,host2/database?sslmode=verify-full&sslrootcert=ca.pem&target_session_attrs=read-write. Without sslmode it is verify-full, but on this machine; several hosts are tried in turn.',
    ),
  password: secretReference.optional().describe('The user’s password, where it is not in the URL.'),
  node: name.optional().describe('Name of this node among those that share the journal. Absent = the machine’s.'),
  lease: duration('After so long without a sign of life from a node the others see its deliveries through.', '15s'),
  socket: path(
    'Where sluss on this machine speaks to the running engine. Absent = this file’s path with .sock.',
  ).optional(),
  ...queue,
});

/** MSA-1, table 0008. */
const ACK_CODES = ['AA', 'AE', 'AR', 'CA', 'CE', 'CR'] as const satisfies readonly AckCode[];

/** What every target understands, whatever its kind. */
export const targetLimits = z.object({
  concurrency: z.int().min(1).max(256).default(8).describe('Attempts at the same time for one party.'),
  rate: rate('Attempts that may begin in any such span for one party, however many wait; absent = no limit.'),
  timeout: duration(
    'Longest time one attempt may take, from connecting to the last byte of the answer; then it is aborted.',
    '60s',
  ),
  retry: z
    .strictObject({
      min: duration('Wait after the first failure; it doubles from one to the next.', '1s'),
      max: duration('Longest wait between two attempts.', '15m'),
    })
    .prefault({})
    .describe('When a delivery that failed by no fault of its own is tried again.'),
  giveUpAfter: duration('A delivery that keeps failing this long while others succeed is held for a person.', '24h'),
  giveUpFailures: z.int().min(2).max(1_000).default(5).describe('It has to fail at least this often for that.'),
  breaker: z
    .strictObject({
      deliveries: z
        .int()
        .min(2)
        .max(1_000)
        .default(5)
        .describe('So many different deliveries failing in a row open it.'),
      probe: duration('While it is open, one delivery is tried this often.', '15s'),
    })
    .prefault({})
    .describe('Spares a receiver that is down.'),
  pauseProbe: duration('While the receiver does not accept a party, one delivery of it is tried this often.', '5m'),
});

/** A target's or a source's own keys are left for its plugin's schema. */
export const target = z.looseObject({ kind: z.string().describe('Which kind of target.'), ...targetLimits.shape });
export const source = z.looseObject({ kind: z.string().describe('Which kind of source.') });

export const channel = z.strictObject({
  source: source.describe('Where its messages come from.'),
  mappings: z.array(z.string().min(1)).min(1).describe('Names of the mappings that its messages go through.'),
  parties: z.array(name).min(1).describe('The parties it may speak for; anything else is held.'),
  charset: z
    .strictObject({
      default: z.string().optional().describe('Character set where MSH-18 is empty.'),
      force: z.string().optional().describe('Character set whatever MSH-18 says.'),
    })
    .prefault({})
    .describe('Names as MSH-18 would hold them, such as 8859/1 or UNICODE UTF-8.'),
  zone: z.string().optional().describe('Time zone of times without offset, such as Europe/Stockholm.'),
  limits: z
    .strictObject({
      segments: z.int().min(1).default(20_000).describe('Segments of a message.'),
      fields: z.int().min(1).default(1_000).describe('Fields of a segment.'),
      repetitions: z.int().min(1).default(10_000).describe('Repetitions of a field.'),
    })
    .prefault({})
    .describe('A message of more parts is refused (AR) before it is mapped, and kept whole.'),
  acknowledge: z
    .enum(['stored', 'taken', 'settled'])
    .default('taken')
    .describe(
      'When the sender is answered: stored = on disk, wrong content is held; taken = on disk and accepted by the mapping; settled = everything made of it has ended.',
    ),
  answerWithin: duration('With settled: the sender is told to ask again after this long.', '30s'),
  targets: z
    .record(name, z.union([name, z.null()], { error: 'must be the name of a target, or null' }))
    .default({})
    .describe(
      'What its mappings call a target, and which target that is for this channel; null = none, where they can do without.',
    ),
  return: name
    .optional()
    .describe('Target for application acknowledgements whose connection is gone; it has to take acknowledgements.'),
  ackDialect: z
    .strictObject({
      codes: z
        .partialRecord(z.enum(ACK_CODES), z.enum(ACK_CODES))
        .default({})
        .describe('MSA-1 to be written instead of another, such as AE: AR.'),
      err: z
        .enum(['auto', 'none', 'old', 'new'])
        .default('auto')
        .describe('ERR: as the sender’s version has it, none, as up to v2.4, or as from v2.5.'),
      msa3: z.boolean().default(true).describe('A text in MSA-3 of negative answers, up to v2.6.'),
    })
    .prefault({})
    .describe('How answers are written where the senders understand the standard otherwise.'),
  quietAfter: durationOr(
    ['never', 'usual'],
    'Silence after which an alarm is raised: usual = what is usual at that time of the week decides; never = none is.',
    'usual',
  ),
  with: z.unknown().optional().describe('What its mappings ask to be told; their own documentation says which keys.'),
});

/** `sluss.yaml`, but for what plugins add. `party` is the schema of one care provider, with its certificate. */
export function configurationSchema<Party extends z.ZodType>(party: Party) {
  return z.strictObject({
    journal: z
      .union([path('File of the embedded journal, or the URL of a shared one.'), journalFile, journalServer])
      .describe('The journal: its file, or a PostgreSQL database that several nodes share; or either with more keys.'),
    secret: installationSecret.describe(
      'The installation’s secret, at least 32 bytes. Identifiers are derived from it: keep it.',
    ),
    mappings: z.array(path('Folder of mapping files.')).min(1).describe('Folders of mapping files.'),
    console: z
      .strictObject({
        host: z.string().default('127.0.0.1').describe('Address to listen on.'),
        port: z.int().min(0).max(65_535).describe('Port; 0 = any that is free.'),
      })
      .optional()
      .describe('Health, readiness and metrics over HTTP.'),
    log: z
      .strictObject({
        level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least level that is written.'),
        pretty: z.boolean().default(false).describe('Lines for people instead of JSON.'),
      })
      .prefault({})
      .describe('The log on standard output, one JSON object a line.'),
    engine: z
      .strictObject({
        storeFirst: byteSize('Messages larger than this are on disk before they are mapped.', '1 MB', {
          least: '1 kB',
        }),
        grace: durationOrZero(
          'How long a stop waits for attempts under way before it aborts them; 0 = not at all.',
          '10s',
        ),
      })
      .prefault({})
      .describe('What holds for all channels and targets.'),
    alarms: alarms.prefault({}).describe('What is told to people, and when.'),
    retention: retention.prefault({}).describe('How long things are kept, and known.'),
    parties: z.record(name, party).describe('Care providers, each with its own client certificate.'),
    targets: z.record(name, target).describe('Where deliveries go.'),
    channels: z.record(name, channel).describe('Where messages come from, and what becomes of them.'),
    plugins: z
      .array(z.string().min(1))
      .default([])
      .describe('Outside plugins: a path that begins with ./ or ../, or the name of an installed package.'),
  });
}
