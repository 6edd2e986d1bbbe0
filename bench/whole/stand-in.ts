/**
 * The certificate service at its fastest: mutual TLS, one canned answer, no question asked; below `/fhir` a FHIR server
 * that takes every transaction. Says how many it answered.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { readOrder, say } from './child.ts';

export interface StandInOrder {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  /** `small` = 2 kB; `certificate` = 100 kB, as with a PDF and a QR image. */
  readonly answer: 'small' | 'certificate';
}

export type StandInSaid = { readonly url: string } | { readonly answered: number };

/** While requests come, how many were answered is said this often. */
const SAY_MS = 10;

const order = readOrder<StandInOrder>();
const [beforeCode = '', betweenCodeAndUvci = '', afterUvci = ''] = makeAnswer().split(/@CODE@|@UVCI@/);
let answered = 0;
let said = 0;

const server = createServer(
  { cert: order.cert, key: order.key, ca: order.clientCa, requestCert: true, rejectUnauthorized: true },
  (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString('utf8');
      const isFhir = request.url?.startsWith('/fhir') === true;
      const text = isFhir ? answerTransaction(body) : answerCertificate(body);
      const contentType = isFhir ? 'application/fhir+json' : 'application/json';
      response.writeHead(200, { 'content-type': contentType, 'content-length': text.length }).end(text, 'latin1');
      answered += 1;
    });
  },
);
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => say({ url: `https://localhost:${(server.address() as AddressInfo).port}` }));
setInterval(() => {
  if (answered !== said) say({ answered });
  said = answered;
}, SAY_MS);
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));

function answerCertificate(body: string): string {
  const { identifier, code } = JSON.parse(body) as {
    identifier: [{ value: string }];
    code: { coding: [{ code: string }] };
  };
  const uvci = `URN:UVCI:01:SE:EHM/T${identifier[0].value}`;
  return beforeCode + code.coding[0].code + betweenCodeAndUvci + uvci + afterUvci;
}

/** With `return=minimal`: a status for each entry. */
function answerTransaction(body: string): string {
  const { entry } = JSON.parse(body) as { entry: readonly unknown[] };
  const answers = entry.map(() => '{"response":{"status":"201 Created"}}');
  return `{"resourceType":"Bundle","type":"transaction-response","entry":[${answers.join()}]}`;
}

function makeAnswer(): string {
  const [imageBytes, documentBytes] = order.answer === 'small' ? [450, 450] : [6_000, 68_000];
  return JSON.stringify({
    testProof: {
      test: {
        id: '1',
        typeOfTest: { code: '@CODE@', display: 'Nucleic acid amplification with probe detection' },
        testResult: { code: '260415000', display: 'Not detected' },
        targetDisease: { code: '840539006', display: 'COVID-19' },
      },
      metadata: {
        uvci: '@UVCI@',
        issuanceDate: '2022-11-14',
        validThrough: '2022-11-17T08:30:00Z',
        issuer: 'E-health agency',
        country: 'SE',
      },
      subject: { identity: null, givenName: 'A', familyName: 'B', birthDate: '1930-01-01' },
      qrCode: { mimetype: 'image/png', width: 300, height: 300, image: randomBytes(imageBytes).toString('base64') },
    },
    proofTypes: [{ mimetype: 'application/pdf', content: randomBytes(documentBytes).toString('base64') }],
  });
}
