import { dirname, resolve } from 'node:path';
import { assemble, type Surroundings } from './assembly.ts';
import { ConfigError, type Configuration, problemText } from './config/configuration.ts';
import type { AlarmReceiver } from './contracts/alarm.ts';
import type { Clock } from './contracts/clock.ts';
import type { Journal } from './contracts/journal.ts';
import type { Log } from './contracts/log.ts';
import type { Status } from './contracts/status.ts';
import { createControlSocket } from './control-socket.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { openJournal } from './open-journal.ts';
import { type Reloads, startReloads } from './reload.ts';
import { startFailureText } from './start-failure.ts';
import { createAlarmWebhook } from './targets/alarm-webhook.ts';
import type { PartyConfig } from './targets/parties.ts';
import { readVersion } from './version.ts';
import { stampOf } from './watch-quietly.ts';

/** Certificates are looked at this often. */
const CERTIFICATES_EVERY_MS = 5_000;

/** A running Sluss. */
export interface Sluss {
  readonly status: Status;
  /** Where it listens, by channel. */
  readonly sources: readonly { readonly channel: string; readonly address: string }[];
  /** What became of each message, to read. */
  readonly journal: Pick<Journal, 'readMessage' | 'readDeliveries' | 'readHistory' | 'readOverview'>;
  /** `http://127.0.0.1:9464`; null = there is no console. */
  readonly console: string | null;
  /** Reads the configuration again and puts it in force, or says in the log why not. True = it is in force. */
  readonly reload: Reloads['reload'];
  /** Takes nothing new, lets what is under way end, closes everything. Safe to call twice. */
  stop(): Promise<void>;
}

/** @throws ConfigError where the journal's path leaves no room for a socket's */
function makeControl(engine: Engine, configuration: Configuration<unknown>) {
  try {
    return createControlSocket(engine, configuration.control);
  } catch (error) {
    const text = `“journal”: ${error instanceof Error ? error.message : String(error)}.`;
    throw new ConfigError([configuration.problemAt(['journal'], text)]);
  }
}

/**
 * Starts Sluss: configuration, certificates and mappings first, then the journal, the console, the engine and, last of
 * all, the sources.
 * @throws ConfigError where nothing was started · Error where something could not start; all is stopped again by then
 */
export async function startSluss(file: string, around: Surroundings): Promise<Sluss> {
  const stamp = stampOf([resolve(file)]);
  const assembly = await assemble(file, around, true);
  const { configuration, log, clock, parties, reserve, targets, channels } = assembly;
  /** What has been started, to be undone in the opposite order. */
  const undo: (() => Promise<void>)[] = [() => assembly.dispose()];
  const stop = async () => {
    for (let next = undo.pop(); next !== undefined; next = undo.pop()) await next();
  };
  try {
    const stamps = { configuration: stamp, mappings: stampOf(configuration.mappings) };
    const { mapper, problems } = assembly.loadMappings();
    if (mapper === null) throw new ConfigError(problems);
    const facts = { version: readVersion(), configuration: configuration.version, mapping: mapper.version };
    const journal = await openJournal(configuration, { clock, log, facts });
    undo.push(() => journal.close());
    assembly.installation.share(journal);
    // The disk of a server is its own to watch: it refuses what it cannot store.
    if (configuration.journalServer === null) await reserve.start();
    undo.push(async () => reserve.stop());
    const engine = createEngine({
      version: readVersion(),
      journal,
      mapper,
      channels,
      targets,
      parties,
      clock,
      random: around.random ?? Math.random,
      log,
      settings: configuration.engine,
      upkeep: configuration.upkeep,
      alarmReceiver: makeAlarmReceiver(configuration, around, { clock, log }),
      reserve,
    });
    // From here on the engine stops the targets, after what is under way to them.
    undo.splice(0, 1, async () => parties.stop());
    const window = configuration.console;
    const page = window === null ? null : await openConsole({ ...window, status: engine, clock });
    const address =
      (await page?.start().catch((error: unknown) => {
        const text = `console: ${startFailureText(error)}.`;
        throw new Error(problemText(configuration.problemAt(['console'], text)), { cause: error });
      })) ?? null;
    if (page !== null) undo.push(() => page.stop());
    if (address !== null) log.info('console-open', { address });
    // Before the engine takes up what the last run left, which may be much: a person may want to pause something first.
    const control = makeControl(engine, configuration);
    await control.start();
    undo.push(() => control.stop());
    undo.push(() => engine.stop());
    await engine.start();
    parties.start(CERTIFICATES_EVERY_MS);
    const reloads = await startReloads({ file, around, assembly, mapper, engine, stamps });
    undo.push(() => reloads.stop());
    await journal.declare?.(() => ({
      version: readVersion(),
      configuration: reloads.configurationVersion(),
      mapping: engine.mappingVersion(),
    }));
    let stopped: Promise<void> | null = null;
    return {
      status: engine,
      journal,
      get sources() {
        return engine.sources();
      },
      console: address,
      reload: reloads.reload,
      stop() {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Null where the configuration names none. */
function makeAlarmReceiver(
  { webhook, file }: Configuration<PartyConfig>,
  { env }: Surroundings,
  parts: { readonly clock: Clock; readonly log: Log },
): AlarmReceiver | null {
  if (webhook === null) return null;
  return createAlarmWebhook(webhook, {
    ...parts,
    version: readVersion(),
    readVariable: (name) => env[name] ?? null,
    resolvePath: (path) => resolve(dirname(file), path),
  });
}

/** The web server and its metrics are loaded only where there is a console: they are a third of the start. */
async function openConsole(parts: Parameters<CreateConsole>[0]): Promise<ReturnType<CreateConsole>> {
  const { createConsole } = await import('./console/console.ts');
  return createConsole(parts);
}

type CreateConsole = typeof import('./console/console.ts').createConsole;
