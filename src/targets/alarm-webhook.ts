import { ALARMS, type Alarm, type AlarmReceiver, type AlarmReport } from '../contracts/alarm.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Log } from '../contracts/log.ts';
import type { Host } from '../contracts/plugin.ts';
import type { SecretReference } from '../contracts/secret-reference.ts';
import { readSecret } from './read-secret.ts';
import { loadUndici } from './undici.ts';

export interface WebhookConfig {
  readonly url: string;
  /** Null = no Authorization header. */
  readonly bearer: SecretReference | null;
}

/**
 * Posts reports of alarms as JSON. Any 2xx is taken for an answer, nothing is read of it, and no redirect is followed:
 * an alarm bears no patient data, but a token goes with it.
 */
export function createAlarmWebhook(
  { url, bearer }: WebhookConfig,
  host: Pick<Host, 'readVariable' | 'resolvePath'> & {
    readonly version: string;
    readonly clock: Clock;
    readonly log: Log;
  },
): AlarmReceiver {
  const fail = (fields: { status?: number; error?: string }) => {
    host.log.warn('alarms-not-told', fields);
    return false;
  };
  return {
    async tell(report, signal) {
      try {
        const headers = {
          'content-type': 'application/json',
          'user-agent': `sluss/${host.version}`,
          ...(bearer === null ? {} : { authorization: `Bearer ${readSecret(bearer, host)}` }),
        };
        const body = JSON.stringify(toJson(report, host.clock.now(), host.version));
        const { statusCode, body: answer } = await loadUndici().request(url, { method: 'POST', headers, body, signal });
        await answer.dump({ limit: 65_536, signal });
        return statusCode >= 200 && statusCode < 300 ? true : fail({ status: statusCode });
      } catch (error) {
        return fail({ error: nameOf(error) });
      }
    },
  };
}

/** The shape is that of `docs/alarms.md`. */
function toJson({ raised, cleared, open }: AlarmReport, now: number, version: string) {
  return {
    product: 'sluss',
    version,
    sentAt: new Date(now).toISOString(),
    raised: raised.map(alarmToJson),
    cleared: cleared.map(alarmToJson),
    open,
  };
}

function alarmToJson({ name, subject, severity, since, fields }: Alarm) {
  const { means, toDo } = ALARMS[name];
  const named = Object.fromEntries(Object.entries(subject).filter(([, value]) => value !== null));
  return { name, severity, since: new Date(since).toISOString(), about: named, ...fields, means, toDo };
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
