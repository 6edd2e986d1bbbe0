import { z } from 'zod';

/**
 * The certificate service's answers, as its published interface description draws them; what is beyond that is let
 * through.
 * @see reconstructed specification §4
 */
const filled = z.string().min(1);
const coding = z.looseObject({ code: filled, display: z.string() });
const qrCode = z.looseObject({
  mimetype: z.string().min(3),
  width: z.int(),
  height: z.int(),
  image: z.base64().min(1),
});
const metadata = z.looseObject({
  uvci: filled,
  issuanceDate: z.iso.date(),
  validThrough: z.iso.datetime({ offset: true }),
  issuer: z.string(),
  country: z.string().min(2),
});
const subject = z.looseObject({
  identity: z.string().nullish(),
  givenName: z.string().nullish(),
  familyName: z.string().nullish(),
  birthDate: z.string().nullish(),
  birthDateString: z.string().max(10).nullish(),
});
const test = z.looseObject({ id: z.string(), typeOfTest: coding, testResult: coding, targetDisease: coding });
const recovery = z.looseObject({ positiveTestResultDate: z.iso.date() });
const proof = z.looseObject({
  mimetype: z.string().min(3),
  content: z.base64().min(1),
  fileName: z.string().nullish(),
  delivery: z
    .looseObject({ serviceSupplier: z.string(), delivered: z.boolean().nullish(), message: z.string().nullish() })
    .nullish(),
});

export const testCertificateAnswer = z.looseObject({
  testProof: z.looseObject({ qrCode, metadata, subject, test }),
  proofTypes: z.array(proof).min(1),
});

export const recoveryCertificateAnswer = z.looseObject({
  recoveryProof: z.looseObject({ qrCode, metadata, subject, recovery }),
  proofTypes: z.array(proof).min(1),
});
