import { describe, expect, it } from 'vitest';
import { parsePostgresUrl } from '../../src/journal/postgres/address.ts';

const VERIFIED = { mode: 'verify-full', rootFile: null, certFile: null, keyFile: null };

describe('the URL of a PostgreSQL journal', () => {
  it('names hosts, a database, who asks, and how the server proves who it is', () => {
    expect(
      parsePostgresUrl(
        'postgres://sl%75ss:p%40ss:word@db1:5433,db2/results?sslmode=verify-ca&sslrootcert=ca.pem&sslcert=c.pem&sslkey=k.pem',
      ),
    ).toEqual({
      hosts: [
        { host: 'db1', port: 5433 },
        { host: 'db2', port: 5432 },
      ],
      database: 'results',
      user: 'sluss',
      password: 'p@ss:word',
      tls: { mode: 'verify-ca', rootFile: 'ca.pem', certFile: 'c.pem', keyFile: 'k.pem' },
      wants: 'read-write',
    });
  });

  it('asks for a proof where it says nothing, but on this machine', () => {
    expect(parsePostgresUrl('postgresql://db.region.example/sluss')).toMatchObject({
      tls: VERIFIED,
      user: null,
      wants: 'any',
    });
    expect(parsePostgresUrl('postgres://127.0.0.1,db2/sluss').tls).toEqual(VERIFIED);
    expect(parsePostgresUrl('postgres://[::1]:5432/sluss')).toMatchObject({
      hosts: [{ host: '::1', port: 5432 }],
      tls: { mode: 'disable' },
    });
  });

  it('takes the password from elsewhere before its own', () => {
    expect(parsePostgresUrl('postgres://a:b@h/d', { password: 'c' }).password).toBe('c');
    expect(parsePostgresUrl('postgres://a:b@h/d', { password: null }).password).toBe('b');
  });

  it.each([
    ['postgres://h:5432', 'names no database'],
    ['postgres://h/d?sslmode=prefer', 'sslmode is one of disable, require, verify-ca, verify-full'],
    ['postgres://h/d?target_session_attrs=standby', 'target_session_attrs is any or read-write'],
    ['postgres://h/d?ssl=true', 'a parameter ssl that is not known'],
    ['postgres://a,/d', 'not of the form name:port'],
    ['postgres://u:secret%@h/d', 'begins no encoded character'],
    ['postgres://u:sec/ret@h/d', 'not of the form name:port'],
    ['mysql://u:secret@h/d', 'not of the form'],
  ])('is refused in words that hold nothing of it: %s', (url, words) => {
    let message = '';
    try {
      parsePostgresUrl(url);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain(words);
    expect(message).not.toMatch(/sec|ret@/);
  });
});
