import { dirname } from 'node:path';
import { assemble, readInstallation } from '../assembly.ts';
import { ConfigError } from '../config/configuration.ts';
import type { Log } from '../contracts/log.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Operations } from '../contracts/operations.ts';
import { createOperations } from '../engine/operations.ts';
import { createPauses } from '../engine/pauses.ts';
import { type JournalPlace, openJournal, placeOf } from '../open-journal.ts';
import { callEngine, NobodyThere } from './control-line.ts';
import type { Terminal } from './terminal.ts';

export interface JournalOptions {
  readonly config: string;
  readonly journal?: string;
}

/** What acts on a journal may do, whoever has it. */
export interface OpenOperations extends AsyncDisposable {
  readonly operations: Omit<Operations, 'find' | 'show'>;
  /** An engine runs, and does it. */
  readonly isRunning: boolean;
}

interface EngineStatus {
  readonly version: string;
  readonly mappingVersion: string;
}

/** An engine takes what was saved after a moment; this many times, a second apart, it is asked whether it has. */
const ASK_AGAIN = 5;

/** The journal that a command is about. @throws ConfigError */
export async function findJournal({ config, journal }: JournalOptions, terminal: Terminal): Promise<JournalPlace> {
  if (journal !== undefined) return placeOf(journal);
  const { configuration, parties } = await readInstallation(config, quiet(terminal), false);
  parties.stop();
  return configuration;
}

/**
 * Speaks to the engine that has the journal; where none runs, takes the journal for this process.
 * @param needsMappings the act maps messages again, with the files as they are now
 * @throws ConfigError · Error where somebody has the journal and cannot be spoken to
 */
export async function openOperations(
  options: JournalOptions,
  terminal: Terminal,
  needsMappings: boolean,
): Promise<OpenOperations> {
  const place = await findJournal(options, terminal);
  const socket = place.control;
  try {
    const { mappingVersion } = await callEngine<EngineStatus>(socket, 'status', {});
    if (needsMappings) await awaitMappings(options, terminal, socket, mappingVersion);
    return { operations: remote(socket), isRunning: true, async [Symbol.asyncDispose]() {} };
  } catch (error) {
    if (!(error instanceof NobodyThere)) throw error;
    return await openHere(options, place, terminal, needsMappings);
  }
}

function remote(socket: string): OpenOperations['operations'] {
  const call = <Result>(name: string, body: object) => callEngine<Result>(socket, name, body);
  return {
    replay: (messages, by, onlyIfMended) => call('replay', { messages, onlyIfMended, ...by }),
    release: (things, by) => call('release', { things, ...by }),
    cancel: (things, by) => call('cancel', { things, ...by }),
    pause: (scope, by) => call('pause', { scope, ...by }),
    resume: (scope, by) => call('resume', { scope, ...by }),
    pauses: () => call('pauses', {}),
  };
}

/** A mapping that was saved a moment ago is not in force yet. @throws ConfigError where the files have mistakes */
async function awaitMappings(options: JournalOptions, terminal: Terminal, socket: string, first: string) {
  if (options.journal !== undefined) return;
  const assembly = await assemble(options.config, quiet(terminal), false);
  const { mapper, problems } = assembly.loadMappings();
  await assembly.dispose();
  if (mapper === null) throw new ConfigError(problems);
  let inForce = first;
  for (let asked = 0; inForce !== mapper.version && asked < ASK_AGAIN; asked++) {
    await new Promise((done) => setTimeout(done, 1_000));
    inForce = (await callEngine<EngineStatus>(socket, 'status', {})).mappingVersion;
  }
  if (inForce !== mapper.version) {
    terminal.complain(
      `the engine maps with version ${inForce}, the files here are ${mapper.version}: its log says why`,
    );
  }
}

async function openHere(
  options: JournalOptions,
  place: JournalPlace,
  terminal: Terminal,
  needsMappings: boolean,
): Promise<OpenOperations> {
  // Nothing lenient here: what is let go is sent, under targets and secrets as they are in truth.
  const assembly = await assemble(options.config, quiet(terminal), false);
  try {
    const { clock, channels, targets } = assembly;
    let mapper = needsMappings ? loadMapper(assembly) : null;
    // One that nodes share, we join for a moment as one of them.
    const journal = await openJournal(place, { clock }).catch((error: Error) => {
      const isTaken = error.message.includes('in use');
      throw isTaken ? new Error(`${error.message}, and it does not answer on ${place.control}`) : error;
    });
    const pauses = createPauses({ journal, log: SILENT, onResumed: () => {} });
    await pauses.load();
    const operations = createOperations({
      journal,
      channels,
      // A release maps only where something could not be made before.
      mapper: () => {
        mapper ??= loadMapper(assembly);
        return mapper;
      },
      findOperation: (target, operation) =>
        targets.find(({ name }) => name === target)?.target.operations[operation] ?? null,
      hasTarget: (name) => targets.some((target) => target.name === name),
      pauses,
      clock,
      log: SILENT,
      onActed: () => {},
    });
    return {
      operations,
      isRunning: false,
      async [Symbol.asyncDispose]() {
        await journal.close();
        await assembly.dispose();
      },
    };
  } catch (error) {
    await assembly.dispose();
    throw error;
  }
}

function loadMapper({ configuration, loadMappings }: Awaited<ReturnType<typeof assemble>>): Mapper {
  if (configuration.secret.every((byte) => byte === 0)) {
    const folder = dirname(configuration.file);
    throw new Error(`the installation’s secret is not in ${folder}: results would be identified by another one`);
  }
  const { mapper, problems } = loadMappings();
  if (mapper === null) throw new ConfigError(problems);
  return mapper;
}

const quiet = ({ env }: Terminal) => ({ env, colours: false, logTo: { write: () => {} } });

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
