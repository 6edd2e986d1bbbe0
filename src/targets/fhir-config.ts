import { z } from 'zod';
import { byteSize } from '../contracts/byte-size.ts';
import { duration } from '../contracts/duration.ts';
import { secretReference } from '../contracts/secret-reference.ts';

/** Without TLS only to this machine, for a server somebody tries things on. */
const httpsUrl = z
  .url({ protocol: /^https?$/, error: 'must be https, as in https://host.example', abort: true })
  .refine((url) => /^(https:|http:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/])/i.test(`${url}/`), 'must be https')
  .refine((url) => !/[?#@]/.test(url), 'must have no query, no fragment and no credentials');

const oauth2 = z
  .strictObject({
    tokenUrl: httpsUrl.describe('Where access tokens are fetched.'),
    clientId: z.string().min(1).describe('Client id under which we are registered there.'),
    scope: z.string().min(1).describe('Scopes asked for, such as "system/*.write"; several are parted by blanks.'),
    key: z
      .strictObject({
        file: z.string().min(1).describe('Private key that signs the assertion: PEM, or a JWK.'),
        kid: z.string().min(1).describe('Name of the key in the key set that is registered there.'),
        alg: z.enum(['RS384', 'ES384']).optional().describe('Else by the kind of key.'),
      })
      .optional()
      .describe('Shows who we are by a signed assertion (SMART backend services).'),
    clientSecret: secretReference
      .optional()
      .describe('Shows who we are by a secret: where it is kept, never the secret itself.'),
    secretIn: z
      .enum(['header', 'body'])
      .default('header')
      .describe('Whether the secret goes as HTTP Basic or as a form field.'),
    audience: z.string().min(1).optional().describe('What the assertion names as its audience; else the tokenUrl.'),
  })
  .refine(
    ({ key, clientSecret }) => (key === undefined) !== (clientSecret === undefined),
    'needs either a key or a clientSecret',
  );

const auth = z
  .union([
    z.enum(['none', 'mtls']),
    z.strictObject({
      oauth2: oauth2.describe('Access tokens by client credentials.'),
      mtls: z.boolean().default(false).describe("Whether the party's certificate is shown besides."),
    }),
  ])
  .describe("How we show who we are: mtls = by the party's client certificate, oauth2 = by access tokens, none.");

/** These are ours to set. */
const OWN_HEADERS =
  /^(accept|accept-encoding|authorization|connection|content-.*|cookie|host|if-.*|prefer|transfer-encoding)$/i;

export const fhirConfig = z.strictObject({
  url: httpsUrl.describe('Base URL of the FHIR R4 server, such as https://fhir.example.org/r4.'),
  ca: z
    .string()
    .min(1)
    .optional()
    .describe(
      "PEM file with the authorities that may have issued the server's certificate (and the token server's); else those of the system.",
    ),
  auth: auth.default('mtls'),
  parties: z
    .record(z.string().min(1), z.strictObject({ auth: auth.describe('In place of the auth above, as a whole.') }))
    .default({})
    .describe('Parties that show who they are in another way, by id.'),
  prefer: z
    .enum(['return=minimal', 'return=representation', 'return=OperationOutcome'])
    .default('return=minimal')
    .describe('What the server is asked to send back; kept with the delivery.'),
  headers: z
    .record(
      z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/),
      z.string().regex(/^[\x20-\x7e]*$/, 'must be printable ASCII'),
    )
    .refine((headers) => !Object.keys(headers).some((name) => OWN_HEADERS.test(name)), 'sets a header that is ours')
    .default({})
    .describe('Headers sent with every request besides, such as a tenant.'),
  connectTimeout: duration('Longest time connecting may take.', '10s', '10m'),
  maxAnswer: byteSize('Largest answer that is read.', '4 MB', { least: '1 kB', most: '64 MB' }),
});

export type FhirConfig = z.output<typeof fhirConfig>;
export type Auth = z.output<typeof auth>;
export type Oauth2 = z.output<typeof oauth2>;
