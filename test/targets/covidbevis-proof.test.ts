import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDccSigner, type DccSigner } from '../../src/simulators/covidbevis/dcc.ts';
import { compareProof, type ProofDemands } from '../../src/targets/covidbevis-proof.ts';
import {
  type CertificateRequest,
  recoveryCertificateRequest,
  testCertificateRequest,
} from '../../src/targets/covidbevis-request.ts';
import { readHealthCertificate, readTrustList } from '../../src/targets/health-certificate.ts';
import {
  createTarget,
  createWorld,
  hostOf,
  makeDelivery,
  makeObservation,
  NORTH,
  partiesOf,
  type TestCase,
  untilDone,
  type World,
} from './covid-world.ts';

const signer = createDccSigner();
const pemOf = (one: DccSigner) => one.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const NOW = Date.parse('2026-11-22T10:00:00Z');
const UVCI = 'URN:UVCI:01:SE:EHM/TNOA1';

/** A test certificate that is right for `makeObservation()`; then changed. */
function testText(change: (dcc: Dcc) => void = () => {}, by = signer): string {
  const dcc: Dcc = {
    ver: '1.3.0',
    nam: { fn: 'Åkesson', fnt: 'AAKESSON', gn: 'Eva', gnt: 'EVA' },
    dob: '1997-08-06',
    t: [
      {
        tg: '840539006',
        tt: 'LP6464-4',
        tr: '260415000',
        sc: '2026-11-21T09:28:00Z',
        co: 'SE',
        is: 'Swedish eHealth Agency',
        ci: UVCI,
      },
    ],
  };
  change(dcc);
  return by.sign(dcc, NOW / 1000, NOW / 1000 + 3600);
}
interface Dcc extends Record<string, unknown> {
  nam: Record<string, string>;
  dob: string;
  t?: Record<string, unknown>[];
  r?: Record<string, unknown>[];
}

const requestOf = (one: TestCase = {}): CertificateRequest =>
  (one.positive ? recoveryCertificateRequest : testCertificateRequest).parse(makeObservation(one));
const subject = { identity: '199708062386', givenName: 'Eva', familyName: 'Åkesson' };
const compare = (text: string, more: Partial<ProofDemands> = {}, request = requestOf(), about = subject) =>
  compareProof(text, request, { uvci: UVCI, subject: about }, { kind: 'test', trusted: [], ...more });
const entryOf = (dcc: Dcc) => (dcc.t ?? [])[0] as Record<string, unknown>;

describe('a certificate’s QR code beside what was asked for', () => {
  it('is right where all of it is', () => {
    expect(compare(testText())).toBeNull();
    expect(compare(testText(), { trusted: readTrustList(pemOf(signer)) })).toBeNull();
  });

  it.each<[string, (dcc: Dcc) => void, string]>([
    [
      'another certificate',
      (dcc) => {
        entryOf(dcc).ci = `${UVCI}X`;
      },
      'ci',
    ],
    [
      'another disease',
      (dcc) => {
        entryOf(dcc).tg = '1';
      },
      'tg',
    ],
    [
      'another country',
      (dcc) => {
        entryOf(dcc).co = 'DK';
      },
      'co',
    ],
    [
      'another kind of test',
      (dcc) => {
        entryOf(dcc).tt = 'LP217198-3';
      },
      'tt',
    ],
    [
      'another result',
      (dcc) => {
        entryOf(dcc).tr = '260373001';
      },
      'tr',
    ],
    [
      'another time',
      (dcc) => {
        entryOf(dcc).sc = '2026-11-21T10:28:00Z';
      },
      'sc',
    ],
    [
      'no time',
      (dcc) => {
        delete entryOf(dcc).sc;
      },
      'sc',
    ],
    [
      'another birth date',
      (dcc) => {
        dcc.dob = '1997-08-07';
      },
      'dob',
    ],
    [
      'no birth date',
      (dcc) => {
        dcc.dob = '';
      },
      'dob',
    ],
    [
      'another family name',
      (dcc) => {
        dcc.nam.fnt = 'AKESSON';
      },
      'nam.fnt',
    ],
    [
      'another given name',
      (dcc) => {
        dcc.nam.gnt = 'EVE';
      },
      'nam.gnt',
    ],
  ])('of %s is told by its element', (_, change, element) => {
    expect(compare(testText(change))).toBe(`qrCode ${element} does not match`);
  });

  it('takes a birth date whose day is unknown', () => {
    expect(
      compare(
        testText((dcc) => {
          dcc.dob = '1997-08';
        }),
      ),
    ).toBeNull();
  });

  it('of a recovery is no test certificate, nor is one with both', () => {
    const both = testText((dcc) => {
      dcc.r = [{}];
    });
    expect(compare(both)).toBe('qrCode is no test certificate');
    expect(compare(testText(), { kind: 'recovery' })).toBe('qrCode is no recovery certificate');
  });

  it('of a recovery compares the Swedish day of the sample', () => {
    const recovery = (fr: string) =>
      testText((dcc) => {
        delete dcc.t;
        dcc.r = [{ tg: '840539006', co: 'SE', ci: UVCI, fr }];
      });
    const request = requestOf({ positive: true, sampledAt: '2026-10-01T23:30:00Z' });
    expect(compare(recovery('2026-10-02'), { kind: 'recovery' }, request)).toBeNull();
    expect(compare(recovery('2026-10-01'), { kind: 'recovery' }, request)).toBe('qrCode fr does not match');
  });

  it('of somebody else’s number is told, though the rest were right', () => {
    expect(compare(testText(), {}, requestOf(), { ...subject, identity: '199001010017' })).toBe(
      'qrCode subject.identity does not match',
    );
  });

  it('compares the day in a samordningsnummer less its 60', () => {
    const request = requestOf({ number: '198507722398' });
    const about = { ...subject, identity: '198507722398' };
    expect(
      compare(
        testText((dcc) => {
          dcc.dob = '1985-07-12';
        }),
        {},
        request,
        about,
      ),
    ).toBeNull();
  });

  it('signed by nobody on the trust list, or changed after it was signed, is told', () => {
    const others = readTrustList(pemOf(createDccSigner()));
    expect(compare(testText(), { trusted: others })).toBe('qrCode is not signed by a trusted key');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' });
    expect(compare(testText(), { trusted: readTrustList(String(rsa)) })).toBe('qrCode is not signed by a trusted key');
  });

  it.each(['', 'HC1:', 'HC1:!!!', 'HC2:ABC', 'https://example.org', `HC1:${'A'.repeat(5000)}`])(
    'with the text %j is no certificate, and breaks nothing',
    (text) => {
      expect(readHealthCertificate(text)).toBeNull();
      expect(compare(text)).toBe('qrCode is not a health certificate');
    },
  );

  it('says nothing of the person in what it tells', () => {
    const told = compare(
      testText((dcc) => {
        dcc.nam.fnt = 'NNPLANTED';
      }),
    );
    expect(told).not.toMatch(/PLANTED|KESSON|1997/);
  });
});

describe('a trust list', () => {
  it('without a key is a mistake', () => {
    expect(() => readTrustList('nothing')).toThrow('no certificate and no public key');
  });
});

describe('the certificate service’s answer', () => {
  let full: World;
  let canned: World;
  let folder: string;
  beforeAll(async () => {
    full = await createWorld({ answer: 'full' });
    canned = await createWorld();
    folder = await mkdtemp(join(tmpdir(), 'proof-'));
  });
  afterAll(async () => {
    await full.stop();
    await canned.stop();
    await rm(folder, { recursive: true });
  });

  async function open(world: World, config: object = {}) {
    const ca = join(folder, `${world === full ? 'full' : 'canned'}.pem`);
    await writeFile(ca, world.authority.cert);
    const issued = await world.authority.issueClient({ organisation: 'Nord AB', organisationNumber: NORTH });
    const parties = partiesOf({ north: { number: NORTH, issued } });
    return createTarget({ url: world.url, ca, readQr: true, ...config }, hostOf(parties));
  }
  const trust = async (one: DccSigner) => {
    const path = join(folder, 'trust.pem');
    await writeFile(path, pemOf(one));
    return path;
  };

  it('is read back from the picture: number, name and birth date, test and recovery', async () => {
    const target = await open(full, { trustList: await trust(full.service.signer) });
    const bodies = [
      [makeObservation({ identifier: 'Q1' }), 'test-certificate'],
      [makeObservation({ identifier: 'Q2', kind: 'rat' }), 'test-certificate'],
      [
        makeObservation({ identifier: 'Q3', positive: true, sampledAt: '2026-10-01T23:30:00Z' }),
        'recovery-certificate',
      ],
    ] as const;
    for (const [body, operation] of bodies) {
      const verdict = await target.send(makeDelivery('north', body, operation), untilDone());
      expect([verdict.ok, verdict.response?.fault?.detail]).toEqual([true, undefined]);
    }
    await target.stop();
  });

  it('that was signed with another key is delivered, and marked', async () => {
    const target = await open(full, { trustList: await trust(signer) });
    const verdict = await target.send(makeDelivery('north', makeObservation({ identifier: 'Q4' })), untilDone());
    expect(verdict).toMatchObject({
      ok: true,
      response: { fault: { code: 'answer-unreadable', detail: 'qrCode is not signed by a trusted key' } },
    });
    await target.stop();
  });

  it('with the QR code of somebody else is delivered, and marked', async () => {
    const target = await open(canned);
    const send = (identifier: string) =>
      target.send(makeDelivery('north', makeObservation({ identifier })), untilDone());
    expect((await send('Q5')).response?.fault).toBeNull();
    expect((await send('Q6')).response?.fault?.detail).toBe('qrCode ci does not match');
    await target.stop();
  });
});
