import { readFile } from 'node:fs/promises';
import { createSecureContext, type Server, type TlsOptions } from 'node:tls';
import { z } from 'zod';
import type { Host } from '../contracts/plugin.ts';
import { type SecretReference, secretReference } from '../contracts/secret-reference.ts';

/** The files are looked at this often. */
const LOOK_EVERY_MS = 5_000;

export const tlsConfig = z.strictObject({
  cert: z.string().describe('Path of the listener’s certificate with its chain, PEM.'),
  key: z.string().describe('Path of its private key, PEM.'),
  passphrase: secretReference
    .nullable()
    .default(null)
    .describe('Where the passphrase of the private key is kept; never the passphrase itself.'),
  ca: z
    .string()
    .nullable()
    .default(null)
    .describe('Path of the authorities that issue the senders’ certificates, PEM; required to check them.'),
  requireClientCertificate: z
    .boolean()
    .default(true)
    .describe(
      'Refuse senders without a certificate of `ca`. If false, one that is shown and valid still names the sender.',
    ),
});

type TlsConfig = z.output<typeof tlsConfig>;

/** What the files of a listener hold, as `node:tls` takes it. */
export async function readIdentity(config: TlsConfig, host: Host): Promise<TlsOptions> {
  const read = (path: string): Promise<Buffer> => readFile(host.resolvePath(path));
  const identity: TlsOptions = { cert: await read(config.cert), key: await read(config.key), minVersion: 'TLSv1.2' };
  if (config.ca !== null) identity.ca = await read(config.ca);
  if (config.passphrase !== null) identity.passphrase = await readPassphrase(config.passphrase, host);
  return identity;
}

/**
 * Puts changed files in force for the connections that come from then on; those that are there keep theirs. Files that
 * cannot be used, or do not belong together, are told once, and what serves goes on serving.
 * @returns ends it
 */
export function followIdentity(server: Server, config: TlsConfig, host: Host, atFirst: TlsOptions): () => void {
  let inForce = textOf(atFirst);
  let refused = '';
  let hasEnded = false;
  let callOff = (): void => {};

  async function look(): Promise<void> {
    let found = '';
    try {
      const identity = await readIdentity(config, host);
      found = textOf(identity);
      if (hasEnded || found === inForce) return;
      // First on its own: a listener must not be left with half of it.
      createSecureContext(identity);
      server.setSecureContext(identity);
      inForce = found;
      host.log.info('listener-certificate-renewed', { channel: host.name, file: config.cert });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'error';
      if (refused === found + code) return;
      refused = found + code;
      host.log.error('listener-certificate-refused', { channel: host.name, file: config.cert, error: code });
    }
  }

  function lookLater(): void {
    callOff = host.clock.wakeAt(host.clock.now() + LOOK_EVERY_MS, () => {
      void look().finally(() => {
        if (!hasEnded) lookLater();
      });
    });
  }

  lookLater();
  return () => {
    hasEnded = true;
    callOff();
  };
}

function textOf({ cert, key, ca, passphrase }: TlsOptions): string {
  return [cert, key, ca, passphrase].map((part) => String(part ?? '')).join('\n');
}

async function readPassphrase(reference: SecretReference, host: Host): Promise<string> {
  if ('file' in reference) {
    return (await readFile(host.resolvePath(reference.file), 'utf8')).replace(/\r?\n$/, '');
  }
  const passphrase = host.readVariable(reference.env);
  if (passphrase === null) throw new Error(`the environment variable ${reference.env} is not set`);
  return passphrase;
}
