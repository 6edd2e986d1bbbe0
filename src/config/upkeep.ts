import { z } from 'zod';
import { byteSize } from '../contracts/byte-size.ts';
import { duration, durationOr } from '../contracts/duration.ts';
import { secretReference } from '../contracts/secret-reference.ts';

const DAY_MS = 86_400_000;

/** `alarms:` of `sluss.yaml`. */
export const alarms = z.strictObject({
  queue: z
    .strictObject({
      floor: z.int().min(1).default(100).describe('So many deliveries have to wait for one receiver at least.'),
      window: duration('And more of them than so long ago.', '15m'),
    })
    .prefault({})
    .describe('When a queue is said to grow.'),
  oldestWaiting: duration('A delivery that is due has to be taken within this time.', '1h'),
  owedAcknowledgement: duration('An acknowledgement that is owed has to find its way within this time.', '1h'),
  certificateDays: z
    .array(z.int().min(1).max(3_650))
    .default([60, 30, 7])
    .describe('Days before the end of a certificate; each is told once.'),
  quiet: z
    .strictObject({
      factor: z.int().min(1).max(100).default(3).describe('So many times the longest silence usual at that time.'),
      atLeast: duration('And at least so long.', '30m'),
    })
    .prefault({})
    .describe('When a channel is said to be silent against its own rhythm; quietAfter of a channel overrides it.'),
  clearAfter: duration('What ceased has to stay so for this long before its alarm is cleared.', '2m'),
  gather: duration('Alarms of one kind are told at most once in this time, together.', '1m'),
  webhook: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }).describe('Address that reports are posted to, as JSON.'),
      bearer: secretReference.optional().describe('Where the token for its Authorization header is kept.'),
      timeout: duration('Longest time for one report.', '10s', '5m'),
    })
    .optional()
    .describe('Where alarms are told beside the log and the metrics.'),
});

const kept = (what: string) =>
  durationOr(['never'], `How long after its end ${what} is kept; never = it stays.`, '90d');

/** `retention:` of `sluss.yaml`. */
export const retention = z.strictObject({
  delivered: kept('a message of which something was delivered, or that said nothing new,'),
  skipped: kept('a message that was left out'),
  refused: kept('a message that was refused'),
  cancelled: kept('a message of which all deliveries were cancelled'),
  held: durationOr(
    ['never'],
    'How long what waits for a person is kept; then it is cancelled, and nobody will have decided about it; never = it waits.',
    'never',
  ),
  rememberDays: z
    .int()
    .min(1)
    .max(36_500)
    .default(400)
    .describe('Days for which a message is known after its end: as the same when it comes again, and in its history.'),
  owedAcknowledgement: duration('After this long an acknowledgement that nothing takes is given up.', '30d'),
  junk: z
    .strictObject({
      perAddress: byteSize('Of what is no message, so much is kept of one address in a day.', '4 MB', {
        least: '4 kB',
      }),
      total: byteSize('And so much of all addresses.', '100 MB', { least: '4 kB' }),
    })
    .prefault({})
    .describe('What is no message is answered all the same.'),
});

/** How the engine looks after itself. Times in ms, sizes in bytes. */
export interface UpkeepConfiguration {
  readonly alarms: {
    readonly queue: { readonly floor: number; readonly windowMs: number };
    readonly oldestWaitingMs: number;
    readonly ackOwedMs: number;
    readonly certificateDays: readonly number[];
    readonly quiet: { readonly factor: number; readonly atLeastMs: number };
    readonly telling: { readonly gatherMs: number; readonly clearAfterMs: number; readonly tellTimeoutMs: number };
  };
  readonly retention: {
    readonly keepMs: Readonly<Record<'held' | 'refused' | 'skipped' | 'delivered' | 'cancelled', number | null>>;
    readonly rememberMs: number;
    readonly owedAckMs: number;
  };
  readonly junk: { readonly perAddressBytes: number; readonly totalBytes: number };
}

export interface WebhookConfiguration {
  readonly url: string;
  readonly bearer: z.output<typeof secretReference> | null;
}

export function readUpkeep(told: z.output<typeof alarms>, keeping: z.output<typeof retention>): UpkeepConfiguration {
  const { delivered, skipped, refused, cancelled, held } = keeping;
  return {
    alarms: {
      queue: { floor: told.queue.floor, windowMs: told.queue.window },
      oldestWaitingMs: told.oldestWaiting,
      ackOwedMs: told.owedAcknowledgement,
      certificateDays: told.certificateDays,
      quiet: { factor: told.quiet.factor, atLeastMs: told.quiet.atLeast },
      telling: {
        gatherMs: told.gather,
        clearAfterMs: told.clearAfter,
        tellTimeoutMs: told.webhook?.timeout ?? 10_000,
      },
    },
    retention: {
      keepMs: {
        delivered: orForEver(delivered),
        skipped: orForEver(skipped),
        refused: orForEver(refused),
        cancelled: orForEver(cancelled),
        held: orForEver(held),
      },
      rememberMs: keeping.rememberDays * DAY_MS,
      owedAckMs: keeping.owedAcknowledgement,
    },
    junk: { perAddressBytes: keeping.junk.perAddress, totalBytes: keeping.junk.total },
  };
}

export function readWebhook({ webhook }: z.output<typeof alarms>): WebhookConfiguration | null {
  return webhook === undefined ? null : { url: webhook.url, bearer: webhook.bearer ?? null };
}

function orForEver(lengthMs: number | 'never'): number | null {
  return lengthMs === 'never' ? null : lengthMs;
}
