import { z } from 'zod';

/**
 * The rules of the certificate service's request, as far as they are public, so that a mapping's mistake is found here
 * and not by the receiver. Elements that the specification leaves open for recovery are optional there.
 * @see docs: reconstructed specification §3.2
 */
const LOINC = 'http://loinc.org';
const SNOMED = 'http://snomed.info/sct';
const NAAT = 'LP6464-4';
const RAT = 'LP217198-3';
const RAT_DEVICES = 'https://covid-19-diagnostics.jrc.ec.europa.eu/devices/hsc-common-recognition-rat';

const text = z.string().regex(/\S/);
const id = z.string().regex(/^[A-Za-z0-9\-.]{1,64}$/);
const meta = z.unknown().optional();
const reference = z.strictObject({ reference: z.string().regex(/^#[A-Za-z0-9\-.]{1,64}$/) });
const personNumber = z
  .string()
  .regex(/^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])\d{4}$/)
  .refine(hasCheckDigit, 'check digit');

const numberedPatient = z.strictObject({
  resourceType: z.literal('Patient'),
  id,
  meta,
  identifier: z.tuple([
    z.strictObject({
      system: z.enum([
        'http://electronichealth.se/identifier/personnummer',
        'http://electronichealth.se/identifier/samordningsnummer',
      ]),
      value: personNumber,
    }),
  ]),
  contact: z.array(z.unknown()).min(1).optional(),
});
const namedPatient = z.strictObject({
  resourceType: z.literal('Patient'),
  id,
  meta,
  name: z.tuple([z.object({ family: text, given: z.array(text).min(1) })]),
  birthDate: z.iso.date(),
  contact: z.array(z.unknown()).min(1).optional(),
});
const organization = z.strictObject({
  resourceType: z.literal('Organization'),
  id,
  meta,
  name: text.max(80),
});
const device = z.strictObject({
  resourceType: z.literal('Device'),
  id,
  meta,
  identifier: z
    .tuple([z.strictObject({ system: z.literal(RAT_DEVICES), value: z.string().regex(/^\d{1,10}$/) })])
    .optional(),
  deviceName: z.tuple([z.strictObject({ name: text.max(80), type: z.literal('manufacturer-name') })]).optional(),
});
const contained = z
  .array(z.unknown())
  .min(1)
  .max(3)
  .transform((list, context) =>
    list.map((one, index) => {
      const read = schemaOf(one).safeParse(one);
      for (const issue of read.error?.issues ?? []) {
        context.addIssue({ code: 'custom', path: [index, ...issue.path], message: 'breaks a rule' });
      }
      return read.success ? (read.data as Contained) : null;
    }),
  );
type Contained =
  | z.output<typeof numberedPatient>
  | z.output<typeof namedPatient>
  | z.output<typeof organization>
  | z.output<typeof device>;

/** Picked by hand, because the issues of a union do not say which member was meant. */
function schemaOf(resource: unknown): z.ZodType {
  const { resourceType, identifier } = (resource ?? {}) as { resourceType?: unknown; identifier?: unknown };
  if (resourceType === 'Organization') return organization;
  if (resourceType === 'Device') return device;
  return identifier === undefined ? namedPatient : numberedPatient;
}

const typeOfTest = z.object({ system: z.literal(LOINC), code: z.enum([NAAT, RAT]) });
const disease = z.object({ system: z.literal(SNOMED), code: z.literal('840539006') });

const makeRequest = (result: string) =>
  z
    .strictObject({
      resourceType: z.literal('Observation'),
      id: id.optional(),
      meta,
      contained,
      identifier: z.tuple([
        z.strictObject({ use: z.literal('temp').optional(), value: z.string().regex(/^[0-9A-Z]{1,38}$/) }),
      ]),
      status: z.literal('final'),
      code: z.object({ coding: z.tuple([typeOfTest, disease]) }),
      subject: reference,
      effectiveDateTime: z.iso.datetime({ offset: true }).regex(/T\d{2}:\d{2}:\d{2}/),
      performer: z.tuple([reference]).optional(),
      valueCodeableConcept: z.object({
        coding: z.tuple([z.object({ system: z.literal(SNOMED), code: z.literal(result) })]),
      }),
      device: reference.optional(),
    })
    .superRefine((observation, context) => {
      const fail = (...path: (string | number)[]) =>
        context.addIssue({ code: 'custom', path, message: 'breaks a rule' });
      const byId = new Map(observation.contained.map((one, index) => [`#${one?.id}`, { one, index }]));
      if (byId.size !== observation.contained.length) fail('contained');
      const used = new Set<string>();
      const follow = (target: { reference: string } | undefined) => {
        if (target === undefined) return null;
        used.add(target.reference);
        return byId.get(target.reference) ?? null;
      };
      if (follow(observation.subject)?.one?.resourceType !== 'Patient') fail('subject', 'reference');
      const performer = follow(observation.performer?.[0]);
      if (observation.performer && performer?.one?.resourceType !== 'Organization') fail('performer', 0, 'reference');
      const tested = follow(observation.device);
      if (observation.device && tested?.one?.resourceType !== 'Device') fail('device', 'reference');
      for (const [reference, { index }] of byId) if (!used.has(reference)) fail('contained', index);

      const rapid = observation.code.coding[0].code === RAT;
      const named = tested?.one?.resourceType === 'Device' ? tested.one : null;
      if (rapid && result === POSITIVE) fail('code', 'coding', 0, 'code');
      if (!rapid && result === NEGATIVE && !observation.performer) fail('performer');
      if (rapid && named?.identifier === undefined) fail('device');
      if (!rapid && tested && named?.identifier !== undefined) fail('contained', tested.index, 'identifier');
      if (!rapid && tested && named?.deviceName === undefined) fail('contained', tested.index, 'deviceName');
    });

const NEGATIVE = '260415000';
const POSITIVE = '260373001';

export const testCertificateRequest = makeRequest(NEGATIVE);
export const recoveryCertificateRequest = makeRequest(POSITIVE);

export type CertificateRequest = z.output<typeof testCertificateRequest>;

function hasCheckDigit(number: string): boolean {
  let sum = 0;
  for (let index = 2; index < 12; index++) {
    const weighted = Number(number[index]) * (index % 2 === 0 ? 2 : 1);
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
