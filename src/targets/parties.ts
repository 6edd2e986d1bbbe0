import type { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Clock } from '../contracts/clock.ts';
import { Fault } from '../contracts/fault.ts';
import type { Log } from '../contracts/log.ts';
import type { Credentials, Parties, Party, PartyStatus } from '../contracts/party.ts';
import { secretReference } from '../contracts/secret-reference.ts';
import { type KeyFiles, type KeyMaterial, readKeyMaterial, UnusableKey, versionOf } from './key-material.ts';
import { organisationNumbersOf, readOrganisationNumber } from './organisation-number.ts';

const DAY_MS = 86_400_000;

const passphrase = secretReference.describe('Where the passphrase is kept; never the passphrase itself.');

/** One entry of `parties:` in sluss.yaml. */
export const partyConfig = z.strictObject({
  name: z.string().min(1).max(80).describe('Name of the care provider as it shall print.'),
  organisationsnummer: z
    .string()
    .transform((text, context) => {
      const number = readOrganisationNumber(text);
      if (number === null) context.addIssue('must be an organisationsnummer: ten digits with a valid check digit');
      return number ?? '';
    })
    .describe('Organisationsnummer, such as 232100-0016; the client certificate must state the same.'),
  certificate: z
    .union([
      z.strictObject({
        cert: z.string().min(1).describe('PEM file: the client certificate, followed by its intermediates.'),
        key: z.string().min(1).describe('PEM file: its key.'),
        passphrase: passphrase.optional(),
      }),
      z.strictObject({
        pkcs12: z.string().min(1).describe('PKCS#12 file (.p12, .pfx) with certificate and key.'),
        passphrase: passphrase.optional(),
      }),
    ])
    .describe('The client certificate under which everything of this party leaves, as PEM files or as PKCS#12.'),
});

export type PartyConfig = z.output<typeof partyConfig>;

export interface PartiesHost {
  readonly clock: Clock;
  readonly log: Log;
  /** Reads a file of the configuration; its path is as configured. @throws Error */
  readFile(path: string): Uint8Array;
  /** An environment variable; null = not set. */
  readVariable(name: string): string | null;
  /** Where the configuration names this file of a party, `sluss.yaml:12:5`, for the log; absent = nobody knows. */
  locate?(party: string, file: string): string;
}

/** Parties that look after their certificate files. */
export interface LiveParties extends Parties {
  /** From now on there are these; one whose entry is the same keeps what it has. */
  configure(config: Readonly<Record<string, PartyConfig>>): void;
  /**
   * Reads the certificate files again. A renewal that cannot be used is logged as an error, and the certificate in
   * force goes on serving while it is valid.
   */
  refresh(): void;
  /** The certificate that serves, or would if its dates allowed it; null = none could be read, or there is no such party. */
  certificate(id: string): X509Certificate | null;
  /** Refreshes from time to time until stopped. */
  start(everyMs: number): void;
  stop(): void;
}

interface Entry {
  party: Party;
  readonly config: PartyConfig['certificate'];
  /** What serves; null = nothing usable was ever read. */
  material: KeyMaterial | null;
  /** What is wrong with the files as they are now; null = nothing. */
  problem: Problem | null;
  /** Version of the files that were found good; '' = none. */
  judged: string;
  /** What was last said to be wrong, so that it is said once. */
  complaint: string | null;
}

interface Problem {
  readonly file: string;
  readonly why: string;
}

/** Loads the parties of a configuration, by id; a certificate that cannot be used stops its party and no other. */
export function createParties(config: Readonly<Record<string, PartyConfig>>, host: PartiesHost): LiveParties {
  const entries = new Map<string, Entry>();
  const configure = (next: Readonly<Record<string, PartyConfig>>) => {
    for (const id of entries.keys()) if (!Object.hasOwn(next, id)) entries.delete(id);
    for (const [id, one] of Object.entries(next)) {
      const party: Party = { id, name: one.name, organisationNumber: one.organisationsnummer };
      const known = entries.get(id);
      const isSame =
        known?.party.organisationNumber === party.organisationNumber &&
        isDeepStrictEqual(known.config, one.certificate);
      if (isSame) known.party = party;
      else
        entries.set(id, { party, config: one.certificate, material: null, problem: null, judged: '', complaint: null });
    }
  };
  configure(config);
  const refresh = () => {
    for (const entry of entries.values()) refreshEntry(entry, host);
  };
  refresh();

  let callOff: (() => void) | null = null;
  return {
    list: () =>
      [...entries.values()].map((entry): PartyStatus => {
        const validTo = entry.material?.validTo ?? null;
        return { party: entry.party, fault: faultOf(entry, host.clock.now()), validTo };
      }),
    get: (id) => entries.get(id)?.party ?? null,
    credentials(id): Credentials {
      const entry = entries.get(id);
      if (entry === undefined) throw new Fault('party-stopped', { detail: 'no such party is configured' });
      const fault = faultOf(entry, host.clock.now());
      if (fault !== null || entry.material === null) throw fault ?? new Fault('party-stopped');
      return entry.material.credentials;
    },
    certificate: (id) => entries.get(id)?.material?.leaf ?? null,
    configure(next) {
      configure(next);
      refresh();
    },
    refresh,
    start(everyMs) {
      callOff?.();
      const next = () => {
        callOff = host.clock.wakeAt(host.clock.now() + everyMs, () => {
          refresh();
          next();
        });
      };
      next();
    },
    stop() {
      callOff?.();
      callOff = null;
    },
  };
}

function refreshEntry(entry: Entry, host: PartiesHost): void {
  const now = host.clock.now();
  try {
    const files = readKeyFiles(entry.config, host);
    const version = versionOf(files);
    if (version !== entry.judged) adopt(entry, judge(files, entry), now, host.log);
    entry.judged = version;
    entry.problem = null;
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error;
    entry.problem = { file: error.file ?? fileOf(entry), why: error.message };
    entry.judged = '';
  }
  announce(entry, now, host);
}

/** Puts a certificate in force, unless its dates forbid it and another one serves. */
function adopt(entry: Entry, material: KeyMaterial, now: number, log: Log): void {
  const serving = entry.material;
  if (!isInForce(material, now) && serving !== null && isInForce(serving, now)) {
    throw new UnusableFile(describeSpan(material, now));
  }
  entry.material = material;
  if (!isInForce(material, now)) return;
  const daysLeft = Math.floor((material.validTo - now) / DAY_MS);
  const event = serving === null ? 'certificate-loaded' : 'certificate-renewed';
  log.info(event, { party: entry.party.id, file: fileOf(entry), daysLeft });
}

/** Says loudly, and once, what is wrong with the files or with what serves. */
function announce(entry: Entry, now: number, host: PartiesHost): void {
  const fault = faultOf(entry, now);
  const wrong = fault === null ? entry.problem : { file: fault.where ?? '', why: fault.detail ?? '' };
  const complaint = wrong === null ? null : `${wrong.file}: ${wrong.why}`;
  if (wrong !== null && complaint !== entry.complaint) {
    const event = fault === null ? 'certificate-renewal-refused' : 'certificate-unusable';
    const where = host.locate?.(entry.party.id, wrong.file);
    const place = where === undefined ? {} : { where };
    host.log.error(event, { party: entry.party.id, file: wrong.file, detail: wrong.why, ...place });
  }
  entry.complaint = complaint;
}

/** A certificate or key file that cannot be used; `file` null = the certificate file. */
class UnusableFile extends Error {
  readonly file: string | null;
  constructor(why: string, file: string | null = null) {
    super(why);
    this.file = file;
  }
}

function readKeyFiles(config: PartyConfig['certificate'], host: PartiesHost): KeyFiles {
  const read = (path: string): Uint8Array => {
    try {
      return host.readFile(path);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      throw new UnusableFile(`the file cannot be read (${code})`, path);
    }
  };
  let secret: string | null = null;
  if (config.passphrase !== undefined && 'env' in config.passphrase) {
    secret = host.readVariable(config.passphrase.env);
    if (secret === null) throw new UnusableFile(`the environment variable ${config.passphrase.env} is not set`);
  } else if (config.passphrase !== undefined) {
    secret = Buffer.from(read(config.passphrase.file))
      .toString('utf8')
      .replace(/\r?\n$/, '');
  }
  return 'pkcs12' in config
    ? { pkcs12: read(config.pkcs12), passphrase: secret }
    : { cert: read(config.cert), key: read(config.key), passphrase: secret };
}

function judge(files: KeyFiles, { party, config }: Entry): KeyMaterial {
  let material: KeyMaterial;
  try {
    material = readKeyMaterial(files);
  } catch (error) {
    if (error instanceof UnusableKey) throw unusableFile(error, config);
    throw error;
  }
  const stated = organisationNumbersOf(material.leaf);
  if (stated.length === 0) throw new UnusableFile('the certificate states no organisationsnummer');
  if (stated.some((number) => number !== party.organisationNumber)) {
    throw new UnusableFile(`the certificate is of organisationsnummer ${stated.join(' and ')}, not of the party's`);
  }
  return material;
}

function unusableFile(error: UnusableKey, config: PartyConfig['certificate']): UnusableFile {
  if (!('key' in config) || error.part === 'certificate') return new UnusableFile(error.message);
  if (error.part === 'key') return new UnusableFile(error.message, config.key);
  return new UnusableFile(`the key in ${config.key} does not belong to the certificate in ${config.cert}`);
}

const isInForce = (material: KeyMaterial, now: number): boolean => now >= material.validFrom && now < material.validTo;

function describeSpan(material: KeyMaterial, now: number): string {
  const early = now < material.validFrom;
  const time = new Date(early ? material.validFrom : material.validTo).toISOString();
  return early ? `the certificate is not valid before ${time}` : `the certificate expired on ${time}`;
}

function faultOf(entry: Entry, now: number): Fault | null {
  const { material, problem } = entry;
  if (material !== null && isInForce(material, now)) return null;
  if (problem !== null) return new Fault('party-stopped', { detail: problem.why, where: problem.file });
  const why = material === null ? 'no certificate could be read' : describeSpan(material, now);
  return new Fault('party-stopped', { detail: why, where: fileOf(entry) });
}

const fileOf = ({ config }: Entry): string => ('cert' in config ? config.cert : config.pkcs12);
