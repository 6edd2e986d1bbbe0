import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { Clock } from '../../src/contracts/clock.ts';
import type { Host } from '../../src/contracts/plugin.ts';
import type { Target } from '../../src/contracts/target.ts';
import { createFhirServer, type FhirServer, type FhirServerOptions } from '../../src/simulators/fhir/stand-in.ts';
import { createAuthority, type IssuedCertificate } from '../../src/simulators/pki.ts';
import { fhirTarget } from '../../src/targets/fhir.ts';
import { hostOf, NORTH, partiesOf, SOUTH, systemClock } from './covid-world.ts';

type Json = Record<string, unknown>;

/** A FHIR server, two parties with certificates, and a folder for files of the configuration. */
export interface FhirTargetWorld {
  readonly server: FhirServer;
  readonly folder: string;
  readonly host: Host;
  /** Makes a target at this world's server. */
  open(config?: Json, host?: Host): Target;
  /** Writes a file and gives its path. */
  write(name: string, text: string): Promise<string>;
  /** Looks at the server as the party north does. */
  ask(method: 'GET' | 'POST', path: string, body?: Json): Promise<{ status: number; text: string }>;
  stop(): Promise<void>;
}

export async function createFhirTargetWorld(
  options: Partial<FhirServerOptions> & { mtls?: boolean; clock?: Clock } = {},
): Promise<FhirTargetWorld> {
  const { mtls = true, clock = systemClock, ...more } = options;
  const authority = await createAuthority({ name: 'FHIR world', now: Date.now() });
  const issue = (organisation: string, organisationNumber: string): Promise<IssuedCertificate> =>
    authority.issueClient({ organisation, organisationNumber });
  const north = await issue('Nord AB', NORTH);
  const parties = partiesOf({
    north: { number: NORTH, issued: north },
    south: { number: SOUTH, issued: await issue('Syd AB', SOUTH) },
  });
  const server = createFhirServer({
    server: await authority.issueServer({ names: ['localhost'] }),
    clientCa: mtls ? authority.cert : null,
    clock,
    ...more,
  });
  await server.start();
  const folder = await mkdtemp(join(tmpdir(), 'fhir-'));
  const write = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };
  const ca = await write('ca.pem', authority.cert);
  const host = hostOf(parties, clock);
  const dispatcher = new Agent({ connect: { ca: authority.cert, cert: north.cert, key: north.key } });
  const opened: Target[] = [];
  return {
    server,
    folder,
    host,
    write,
    open(config = {}, own = host) {
      const target = fhirTarget.create(fhirTarget.config.parse({ url: server.url, ca, ...config }), own);
      opened.push(target);
      return target;
    },
    async ask(method, path, body) {
      const headers = { 'content-type': 'application/fhir+json' };
      const text = body === undefined ? null : JSON.stringify(body);
      const answer = await request(`${server.url}${path}`, { dispatcher, method, headers, body: text });
      return { status: answer.statusCode, text: await answer.body.text() };
    },
    async stop() {
      await Promise.all(opened.map((one) => one.stop()));
      await dispatcher.close();
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly jwk: Json;
}

export function makeSigningKey(kind: 'rsa' | 'ec', kid: string): SigningKey {
  const { privateKey, publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-384' });
  return { privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid } };
}
