import { describe, expect, it } from 'vitest';
import { fhirTarget } from '../../src/targets/fhir.ts';
import { hostOf, partiesOf, systemClock } from './covid-world.ts';

const config = fhirTarget.config.parse({ url: 'https://fhir.example.org/r4', auth: 'none' });
const open = (variables: Record<string, string>) =>
  fhirTarget.create(config, hostOf(partiesOf({}), systemClock, variables));

describe('the FHIR client’s own log, which holds tokens and answers', () => {
  it.each([
    'fhir-kit-client:*',
    'fhir-kit-client:info',
    'fhir-kit-client:error',
    '*',
    'fhir*',
    'other, fhir-kit-client:info',
    'other fhir-kit-client:*',
    '*,-other',
    '*,-fhir-kit-client:info',
  ])('is refused where DEBUG=%s would turn it on', (DEBUG) => {
    expect(() => open({ DEBUG })).toThrow(
      /^the environment variable DEBUG turns on the log of fhir-kit-client.*unset it/,
    );
  });

  it.each(['', 'other', 'fhir', 'fhir-kit-client', '*,-fhir-kit-client:*', '-fhir-kit-client:*,*', '*,-*'])(
    'is off with DEBUG=%s',
    async (DEBUG) => {
      await open({ DEBUG }).stop();
    },
  );

  it('is off without DEBUG', async () => {
    await open({}).stop();
  });
});
