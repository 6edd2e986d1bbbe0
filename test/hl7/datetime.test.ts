import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DateTime,
  findOffset,
  formatDate,
  formatDateTime,
  isAtLeast,
  parseDateTime,
  toInstant,
  writeDateTime,
} from '../../src/hl7/datetime.ts';

const read = (text: string): DateTime => {
  const value = parseDateTime(text);
  if (value === null) throw new Error(`not a date-time: ${text}`);
  return value;
};

describe('parseDateTime', () => {
  it.each([
    ['2022', 'year', '2022', '2022'],
    ['202203', 'month', '2022-03', '2022-03'],
    ['20220301', 'day', '2022-03-01', '2022-03-01'],
    ['2022030110', 'hour', '2022-03-01', '2022-03-01'],
    ['202203011015', 'minute', '2022-03-01', '2022-03-01T10:15:00+01:00'],
    ['20220301101530', 'second', '2022-03-01', '2022-03-01T10:15:30+01:00'],
    ['20220301101530.5', 'fraction', '2022-03-01', '2022-03-01T10:15:30.5+01:00'],
    ['20220301101530.1230', 'fraction', '2022-03-01', '2022-03-01T10:15:30.1230+01:00'],
    ['202203011015-0500', 'minute', '2022-03-01', '2022-03-01T10:15:00-05:00'],
    ['20220301101530.25+0545', 'fraction', '2022-03-01', '2022-03-01T10:15:30.25+05:45'],
    ['202203011015+0000', 'minute', '2022-03-01', '2022-03-01T10:15:00+00:00'],
    ['202203011015-0000', 'minute', '2022-03-01', '2022-03-01T10:15:00+00:00'],
    ['20240229', 'day', '2024-02-29', '2024-02-29'],
    ['20000229', 'day', '2000-02-29', '2000-02-29'],
  ])('reads %s to the %s', (text, precision, date, dateTime) => {
    expect(read(text).precision).toBe(precision);
    expect(formatDate(read(text))).toBe(date);
    expect(formatDateTime(read(text), 60)).toBe(dateTime);
  });

  it.each([
    '',
    '22',
    '20220',
    '2022030',
    '202203011',
    '20220301101',
    '00000101',
    '20221301',
    '20220001',
    '20220230',
    '20230229',
    '19000229',
    '20220431',
    '20220300',
    '2022030124',
    '202203011060',
    '20220301101560',
    '20220301101530.',
    '20220301101530.12345',
    '202203011015.5',
    '2022-03-01',
    '20220301T1015',
    '202203011015Z',
    '202203011015+01',
    '202203011015+1500',
    '202203011015+0160',
    '202203011015+0075',
    '202203011015+0107',
    ' 20220301',
    '20220301 ',
    '２０２２',
  ])('does not take %j', (text) => {
    expect(parseDateTime(text)).toBeNull();
  });

  it('keeps the offset apart from its absence', () => {
    expect(read('202203011015').offsetMinutes).toBeNull();
    expect(read('202203011015-0330').offsetMinutes).toBe(-210);
    expect(read('202203011015-0000').offsetMinutes).toBe(0);
  });

  it('never throws, and what it reads is written back with the same digits', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{4,14}(\.\d{1,4})?([+-]\d{4})?$/)), (text) => {
        const value = parseDateTime(text);
        if (value === null) return;
        const digits = formatDate(value).replaceAll('-', '');
        expect(text.startsWith(digits)).toBe(true);
      }),
    );
  });
});

describe('isAtLeast', () => {
  it('orders precisions', () => {
    expect(isAtLeast('minute', 'minute')).toBe(true);
    expect(isAtLeast('second', 'minute')).toBe(true);
    expect(isAtLeast('hour', 'minute')).toBe(false);
  });
});

describe('findOffset', () => {
  it.each([
    ['20220115120000', 'Europe/Stockholm', { kind: 'one', offsetMinutes: 60 }],
    ['20220715120000', 'Europe/Stockholm', { kind: 'one', offsetMinutes: 120 }],
    ['202203270159', 'Europe/Stockholm', { kind: 'one', offsetMinutes: 60 }],
    ['202203270200', 'Europe/Stockholm', { kind: 'gap', earlier: 60, later: 120 }],
    ['202203270230', 'Europe/Stockholm', { kind: 'gap', earlier: 60, later: 120 }],
    ['202203270259', 'Europe/Stockholm', { kind: 'gap', earlier: 60, later: 120 }],
    ['202203270300', 'Europe/Stockholm', { kind: 'one', offsetMinutes: 120 }],
    ['202210300159', 'Europe/Stockholm', { kind: 'one', offsetMinutes: 120 }],
    ['202210300200', 'Europe/Stockholm', { kind: 'overlap', earlier: 120, later: 60 }],
    ['202210300230', 'Europe/Stockholm', { kind: 'overlap', earlier: 120, later: 60 }],
    ['202210300300', 'Europe/Stockholm', { kind: 'one', offsetMinutes: 60 }],
    // Lord Howe Island moves by half an hour.
    ['202204030129', 'Australia/Lord_Howe', { kind: 'one', offsetMinutes: 660 }],
    ['202204030130', 'Australia/Lord_Howe', { kind: 'overlap', earlier: 660, later: 630 }],
    ['202204030159', 'Australia/Lord_Howe', { kind: 'overlap', earlier: 660, later: 630 }],
    ['202204030200', 'Australia/Lord_Howe', { kind: 'one', offsetMinutes: 630 }],
    ['202210020159', 'Australia/Lord_Howe', { kind: 'one', offsetMinutes: 630 }],
    ['202210020215', 'Australia/Lord_Howe', { kind: 'gap', earlier: 630, later: 660 }],
    ['202210020230', 'Australia/Lord_Howe', { kind: 'one', offsetMinutes: 660 }],
    ['202203011015', 'Asia/Kathmandu', { kind: 'one', offsetMinutes: 345 }],
    ['202203011015', 'UTC', { kind: 'one', offsetMinutes: 0 }],
  ])('of %s in %s', (text, zone, offset) => {
    // Twice, since the second answer is a remembered one.
    expect(findOffset(read(text), zone)).toEqual(offset);
    expect(findOffset(read(text), zone)).toEqual(offset);
  });

  it('does not know a zone that is none', () => {
    expect(() => findOffset(read('20220301'), 'Europe/Sundsvall')).toThrow(RangeError);
  });
});

describe('toInstant', () => {
  it('is the beginning of what was written', () => {
    expect(new Date(toInstant(read('202203011015'), 60)).toISOString()).toBe('2022-03-01T09:15:00.000Z');
    expect(new Date(toInstant(read('20220301101530.1259-0500'), 60)).toISOString()).toBe('2022-03-01T15:15:30.125Z');
    expect(new Date(toInstant(read('2022'), 0)).toISOString()).toBe('2022-01-01T00:00:00.000Z');
  });

  it('does not take the first century for the twentieth', () => {
    expect(new Date(toInstant(read('00500101'), 0)).toISOString()).toBe('0050-01-01T00:00:00.000Z');
  });
});

describe('writeDateTime', () => {
  it.each([
    ['2022-03-01T07:15:00Z', '20220301081500+0100'],
    ['2022-07-01T07:15:00.250Z', '20220701091500.250+0200'],
    ['2022-10-30T00:30:00Z', '20221030023000+0200'],
    ['2022-10-30T01:30:00Z', '20221030023000+0100'],
  ])('writes %s in Sweden as %s', (iso, text) => {
    expect(writeDateTime(Date.parse(iso), 'Europe/Stockholm')).toBe(text);
    expect(parseDateTime(text)).not.toBeNull();
  });
});
