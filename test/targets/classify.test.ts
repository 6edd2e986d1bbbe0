import { describe, expect, it } from 'vitest';
import { FAULTS, Fault } from '../../src/contracts/fault.ts';
import { classifyAnswer, classifyError, readRetryAfter } from '../../src/targets/classify.ts';

const NOW = Date.UTC(2026, 0, 15, 12, 0, 0);
const answer = (status: number, more: { retryAfter?: string; contentType?: string; body?: string } = {}) => ({
  status,
  contentType: more.contentType ?? 'application/json',
  retryAfter: more.retryAfter ?? null,
  body: Buffer.from(more.body ?? '{}'),
});
const failing = (code: string, cause?: Error) => Object.assign(new Error('x', { cause }), { code });

describe('classifyAnswer', () => {
  it.each([200, 201, 202, 204, 299])('takes HTTP %i as delivered', (status) => {
    expect(classifyAnswer(answer(status), NOW)).toBeNull();
  });

  it.each([
    [100, 'target-unexpected', 'mapping', null],
    [301, 'target-unexpected', 'mapping', null],
    [304, 'target-unexpected', 'mapping', null],
    [400, 'target-refused', 'message', null],
    [401, 'target-unauthorized', 'world', 'party'],
    [402, 'target-unexpected', 'mapping', null],
    [403, 'target-forbidden', 'world', 'operation'],
    [404, 'target-unexpected', 'mapping', null],
    [405, 'target-unexpected', 'mapping', null],
    [408, 'target-busy', 'world', null],
    [409, 'target-busy', 'world', null],
    [410, 'target-unexpected', 'mapping', null],
    [412, 'target-busy', 'world', null],
    [413, 'target-unexpected', 'mapping', null],
    [415, 'target-unexpected', 'mapping', null],
    [422, 'target-refused', 'message', null],
    [423, 'target-busy', 'world', null],
    [425, 'target-busy', 'world', null],
    [429, 'target-busy', 'world', null],
    [495, 'target-unauthorized', 'world', 'party'],
    [496, 'target-unauthorized', 'world', 'party'],
    [500, 'target-failing', 'world', null],
    [501, 'target-failing', 'world', null],
    [502, 'target-failing', 'world', null],
    [503, 'target-failing', 'world', null],
    [504, 'target-failing', 'world', null],
    [599, 'target-failing', 'world', null],
    [600, 'target-unexpected', 'mapping', null],
  ] as const)('judges HTTP %i as %s: blame %s, pauses %s', (status, code, blame, pauses) => {
    const failure = classifyAnswer(answer(status), NOW);
    expect(failure?.fault.record).toEqual({ code, at: null, where: null, detail: `HTTP ${status}` });
    expect([FAULTS[code].blame, FAULTS[code].pauses, failure?.retryAfterMs]).toEqual([blame, pauses, null]);
  });

  it('passes on how long the receiver wants to be left alone, where that means anything', () => {
    expect(classifyAnswer(answer(503, { retryAfter: '30' }), NOW)).toMatchObject({
      fault: { code: 'target-busy' },
      retryAfterMs: 30_000,
    });
    expect(classifyAnswer(answer(400, { retryAfter: '30' }), NOW)?.retryAfterMs).toBeNull();
  });

  it('tells a proxy’s refusal of the certificate from the receiver’s refusal of the content', () => {
    const body = '<html><head><title>400 No required SSL certificate was sent</title></head></html>';
    expect(classifyAnswer(answer(400, { contentType: 'text/html', body }), NOW)?.fault.code).toBe(
      'target-unauthorized',
    );
    expect(classifyAnswer(answer(400, { body }), NOW)?.fault.code).toBe('target-refused');
  });

  it('repeats nothing of the answer', () => {
    const failure = classifyAnswer(answer(400, { body: 'patient 199708062386 is unknown' }), NOW);
    expect(JSON.stringify([failure?.fault.record, failure?.fault.message])).not.toContain('1997');
  });
});

describe('readRetryAfter', () => {
  it.each([
    [null, null],
    ['0', 0],
    ['7', 7000],
    [' 120 ', 120_000],
    ['Thu, 15 Jan 2026 12:00:30 GMT', 30_000],
    ['Thu, 15 Jan 2026 11:00:00 GMT', 0],
    ['Thursday, 15-Jan-26 12:01:00 GMT', 60_000],
    ['-5', null],
    ['1.5', null],
    ['soon', null],
    ['2026-01-16', null],
    ['99999999999999999999', null],
  ])('reads %j as %s ms', (header, expected) => {
    expect(readRetryAfter(header, NOW)).toBe(expected);
  });
});

describe('classifyError', () => {
  it.each([
    ['ECONNREFUSED', 'target-unreachable'],
    ['ECONNRESET', 'target-unreachable'],
    ['ENOTFOUND', 'target-unreachable'],
    ['EAI_AGAIN', 'target-unreachable'],
    ['EPIPE', 'target-unreachable'],
    ['UND_ERR_SOCKET', 'target-unreachable'],
    ['UND_ERR_CONNECT_TIMEOUT', 'target-unreachable'],
    ['UND_ERR_HEADERS_TIMEOUT', 'target-timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'target-timeout'],
    ['HPE_INVALID_CONSTANT', 'target-failing'],
    ['UND_ERR_HEADERS_OVERFLOW', 'target-failing'],
    ['UND_ERR_INVALID_ARG', 'internal'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tls-refused'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'tls-refused'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls-refused'],
    ['CERT_HAS_EXPIRED', 'tls-refused'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls-refused'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls-refused'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls-refused'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls-refused'],
    ['EPROTO', 'tls-refused'],
  ] as const)('judges %s as %s', (code, expected) => {
    expect(classifyError(failing(code)).fault.record).toMatchObject({ code: expected, detail: code });
  });

  it('finds the TLS error under what wraps it', () => {
    expect(classifyError(failing('UND_ERR_SOCKET', failing('CERT_HAS_EXPIRED'))).fault.code).toBe('tls-refused');
    expect(classifyError(new AggregateError([failing('ECONNREFUSED')])).fault.detail).toBe('ECONNREFUSED');
  });

  it('passes a fault on', () => {
    const fault = new Fault('party-stopped');
    expect(classifyError(fault)).toEqual({ fault, retryAfterMs: null });
  });

  it('names an error without a code by its class and never by its text', () => {
    const { fault } = classifyError(new TypeError('199708062386'));
    expect(fault.record).toMatchObject({ code: 'internal', detail: 'TypeError' });
  });
});
