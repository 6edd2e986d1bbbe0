import { describe, expect, it } from 'vitest';
import { CONTEXT, compile, HEADER, mapperOf, mappingFile, message } from './kit.ts';

describe('the time of several results', () => {
  const mapperIn = (zone: string) => {
    const deliver = '[{ to: t/op, body: { set: { a: { from: OBX-14, as: looseDateTime }, b: { from: OBX-5 } } } }]';
    return mapperOf(compile([mappingFile({ zone, deliver })]));
  };
  const timesOf = (mapper: ReturnType<typeof mapperIn>, ...times: readonly string[]) => {
    const results = times.map((time, index) => `OBX|${index + 1}|ST|X${index}||y|||||||||${time}`);
    const { drafts } = mapper.map(message([HEADER, 'PID|1', 'OBR|1||F', ...results]), CONTEXT);
    return drafts.map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { a?: string }).a);
  };

  it('is each one’s own, and that of the mapping’s zone, whatever was read before', () => {
    const [stockholm, london] = [mapperIn('Europe/Stockholm'), mapperIn('Europe/London')];
    for (let round = 0; round < 2; round += 1) {
      expect(timesOf(stockholm, '202203010815', '202203010815', '202207010815', '')).toEqual([
        '2022-03-01T08:15:00+01:00',
        '2022-03-01T08:15:00+01:00',
        '2022-07-01T08:15:00+02:00',
        undefined,
      ]);
      expect(timesOf(london, '202207010815', 'soon', '202203010815')).toEqual([
        '2022-07-01T08:15:00+01:00',
        undefined,
        '2022-03-01T08:15:00+00:00',
      ]);
    }
  });
});
