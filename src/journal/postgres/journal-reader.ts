import type { RemoteJournalReader } from '../reader.ts';
import type { PostgresAddress } from './address.ts';
import { makeConnector } from './connection.ts';
import { POSTGRES_MIGRATIONS } from './migrations.ts';
import { makeReader } from './reader.ts';
import { refuseUnfit } from './schema.ts';

/** Of no node: it sees what each of them does. */
const NOBODY = 0;

const READS = [
  'listLast',
  'listHeld',
  'findMessages',
  'readMessage',
  'readDeliveries',
  'readHistory',
  'listPauses',
  'listActs',
  'listNodes',
] as const satisfies readonly (keyof RemoteJournalReader)[];

/** @throws Error in words if there is no journal, or another version of Sluss wrote it */
export async function openPostgresReader(address: PostgresAddress): Promise<RemoteJournalReader> {
  const connect = makeConnector(address);
  const client = await connect('reader');
  try {
    const { rows } = await client.query("select to_regclass('schema_version') is not null as is_there");
    const version = rows[0].is_there
      ? (await client.query<{ version: number }>('select version from schema_version')).rows[0]?.version
      : 0;
    if (version === undefined || version < POSTGRES_MIGRATIONS.length) {
      throw new Error('there is none of this version yet; start the engine once');
    }
    await refuseUnfit(client);
  } finally {
    await client.end();
  }
  const reader = makeReader(
    () => connect('reader'),
    () => NOBODY,
    () => {},
  );
  const reads = READS.map((name) => [name, (...args: unknown[]) => reader.call(name, ...args)]);
  return { ...Object.fromEntries(reads), close: reader.close } as RemoteJournalReader;
}
