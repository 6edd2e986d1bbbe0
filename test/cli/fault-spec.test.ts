import { describe, expect, it } from 'vitest';
import { type FaultTerms, readFaultSpec } from '../../src/cli/fault-spec.ts';

const TERMS: FaultTerms<'drop' | 'stall', 'party'> = {
  plain: ['drop', 'stall'],
  where: { party: { 'region-nord': '2321000016' } },
};
const read = (text: string) => readFaultSpec(text, TERMS);

describe('readFaultSpec', () => {
  it.each([
    ['drop', { fault: { kind: 'drop' }, times: null, probability: 1, where: {} }],
    ['status=503,times=3', { fault: { kind: 'status', status: 503, headers: {} }, times: 3 }],
    ['times=3, status=503', { fault: { kind: 'status', status: 503, headers: {} }, times: 3 }],
    ['status=429,retry-after=1500ms', { fault: { kind: 'status', status: 429, headers: { 'retry-after': '2' } } }],
    ['delay=250ms', { fault: { kind: 'delay', delayMs: 250 } }],
    ['delay=2s', { fault: { kind: 'delay', delayMs: 2000 } }],
    ['stall,probability=0.05', { fault: { kind: 'stall' }, probability: 0.05 }],
    ['drop,party=region-nord', { where: { party: '2321000016' } }],
  ])('reads %s', (text, expected) => {
    expect(read(text)).toMatchObject(expected);
  });

  it.each([
    ['dorp', '“dorp” is not known. Faults: status=<code>, delay=<time>, drop, stall. With: times, probability'],
    ['', '“” is not known'],
    ['times=3', 'It must say what goes wrong: status=<code>'],
    ['drop,stall', 'It names drop and stall; one --fail orders one fault.'],
    ['drop,drop', '“drop” stands there twice.'],
    ['drop=1', '“drop” takes no value.'],
    ['drop,retry-after=5s', '“retry-after” goes with status only.'],
    ['drop,party=elsewhere', 'party=elsewhere is not known: region-nord.'],
    ['drop,party=toString', 'party=toString is not known'],
    ['status', 'status= takes a status'],
    ['status=200', 'from 300 to 599'],
    ['delay=2', 'such as 250ms, 2s, 1m'],
    ['delay=0s', 'delay= takes a time'],
    ['delay=61m', 'up to 60m'],
    ['drop,times=0', 'a whole number from 1'],
    ['drop,probability=0', 'above 0 and up to 1'],
    ['drop,probability=5%', 'above 0 and up to 1'],
  ])('refuses “%s” and says why', (text, why) => {
    expect(() => read(text)).toThrow(why);
  });
});
