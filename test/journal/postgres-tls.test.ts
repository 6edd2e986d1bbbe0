import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';
import { makeConnector } from '../../src/journal/postgres/connection.ts';
import { createAuthority } from '../../src/simulators/pki.ts';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

describe('TLS to the server', () => {
  let server: PostgresServer;
  let folder: string;
  let port: string;
  let password: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluss-postgres-tls-'));
    const now = Date.now();
    const [ours, others] = [
      await createAuthority({ name: 'Ours', now }),
      await createAuthority({ name: 'Others', now }),
    ];
    writeFileSync(join(folder, 'ours.pem'), ours.cert);
    writeFileSync(join(folder, 'others.pem'), others.cert);
    // Of this name, and not of the address.
    server = await startPostgres({ fsync: false, tls: await ours.issueServer({ names: ['localhost'] }) });
    ({ port, password } = new URL(server.url));
  });
  afterAll(async () => {
    await server.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const connect = async (host: string, parameters: string) => {
    const address = parsePostgresUrl(`postgres://sluss:${password}@${host}:${port}/postgres?${parameters}`);
    const client = await makeConnector(address)('test');
    try {
      const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      return rows[0].ssl as boolean;
    } finally {
      await client.end();
    }
  };
  const root = (name: string) => `sslrootcert=${join(folder, name)}`;

  it('is of the root’s making and of this host', async () => {
    expect(await connect('localhost', `sslmode=verify-full&${root('ours.pem')}`)).toBe(true);
  });

  it('is refused with a certificate of another root, or of a host that is not asked for', async () => {
    await expect(connect('localhost', `sslmode=verify-full&${root('others.pem')}`)).rejects.toThrow(
      /verify|certificate/,
    );
    await expect(connect('127.0.0.1', `sslmode=verify-full&${root('ours.pem')}`)).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    await expect(connect('localhost', 'sslmode=verify-full')).rejects.toThrow();
    expect(await connect('127.0.0.1', `sslmode=verify-ca&${root('ours.pem')}`)).toBe(true);
  });

  it('is asked for by the server, and never left out behind its back', async () => {
    await expect(connect('127.0.0.1', 'sslmode=disable')).rejects.toMatchObject({ code: '28000' });
    expect(await connect('127.0.0.1', 'sslmode=require')).toBe(true);
  });

  it('says nothing of the password where it is wrong', async () => {
    const address = parsePostgresUrl(`postgres://sluss:guess-me@127.0.0.1:${port}/postgres?sslmode=require`);
    const failure = await makeConnector(address)('test').catch((error: Error) => error);
    expect(failure).toMatchObject({ code: '28P01' });
    expect(String(failure)).not.toContain('guess-me');
  });

  it('goes to the next host where one does not answer', async () => {
    const hosts = `localhost:1,localhost:${port}`;
    const parameters = `sslmode=verify-full&${root('ours.pem')}&target_session_attrs=read-write`;
    const client = await makeConnector(
      parsePostgresUrl(`postgres://sluss:${password}@${hosts}/postgres?${parameters}`),
    )('test');
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await client.end();
  });
});
