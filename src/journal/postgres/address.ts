/** Where a PostgreSQL journal is, as its URL says it. */
export interface PostgresAddress {
  /** Tried in turn. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly user: string | null;
  readonly password: string | null;
  readonly tls: Tls;
  /** `read-write`: a server that only follows another is passed over. */
  readonly wants: 'any' | 'read-write';
}

/** As libpq's `sslmode`: `verify-full` = the certificate has to be of the root's and of this host's. */
export interface Tls {
  readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  /** PEM files; null = the system's roots, no certificate of our own. */
  readonly rootFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

const MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
const KEYS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'target_session_attrs'];

/**
 * Reads `postgres://user:password@host1:5432,host2/database?sslmode=verify-full&sslrootcert=ca.pem&target_session_attrs=read-write`,
 * in the words of libpq. Without `sslmode` it is `verify-full`, but for hosts on this machine.
 * @throws Error in words, without the URL's password
 */
export function parsePostgresUrl(url: string, more: { readonly password?: string | null } = {}): PostgresAddress {
  // Several hosts are not for URL to read, and neither is a message of its that quotes the whole.
  const [, userinfo, places, path, search] =
    /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url) ?? [];
  if (places === undefined) throw new Error('the URL is not of the form postgres://user@host:5432/database');
  const [user = '', password = null] = (userinfo ?? '').split(/:(.*)/s);
  const query = new URLSearchParams(search ?? '');
  for (const key of query.keys()) {
    if (!KEYS.includes(key))
      throw new Error(`the URL has a parameter ${key} that is not known; there are ${KEYS.join(', ')}`);
  }
  const hosts = (places === '' ? 'localhost' : places).split(',').map(readHost);
  const database = decode(path ?? '');
  if (database === '') throw new Error('the URL names no database');
  const isHere = hosts.every(({ host }) => ['localhost', '127.0.0.1', '::1'].includes(host) || host.startsWith('/'));
  const mode = query.get('sslmode') ?? (isHere ? 'disable' : 'verify-full');
  if (!isOneOf(MODES, mode)) throw new Error(`sslmode is one of ${MODES.join(', ')}`);
  const wants = query.get('target_session_attrs') ?? (hosts.length > 1 ? 'read-write' : 'any');
  if (!isOneOf(['any', 'read-write'] as const, wants)) throw new Error('target_session_attrs is any or read-write');
  return {
    hosts,
    database,
    user: user === '' ? null : decode(user),
    password: more.password ?? (password === null ? null : decode(password)),
    tls: { mode, rootFile: query.get('sslrootcert'), certFile: query.get('sslcert'), keyFile: query.get('sslkey') },
    wants,
  };
}

function readHost(text: string): { host: string; port: number } {
  const [, v6, host, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const name = v6 ?? decode(host ?? '');
  if (name === '')
    throw new Error(
      'the URL has a host that is not of the form name:port (in a user or password, / is written %2F and @ %40)',
    );
  return { host: name, port: Number(port ?? 5432) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('the URL has a % that begins no encoded character');
  }
}

function isOneOf<Word extends string>(words: readonly Word[], word: string): word is Word {
  return words.includes(word as Word);
}
