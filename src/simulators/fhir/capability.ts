import type { Json } from './outcome.ts';
import { TYPES } from './validate.ts';

/** What this server can do, as it states it itself. */
export function makeCapabilityStatement(facts: {
  readonly baseUrl: string;
  /** null = no tokens are asked for. */
  readonly tokenUrl: string | null;
  readonly date: string;
}): Json {
  const interactions = ['read', 'vread', 'update', 'delete', 'history-instance', 'create', 'search-type'];
  const oauth = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris';
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: facts.date,
    kind: 'instance',
    software: { name: 'FHIR server for tests' },
    implementation: { description: 'In memory; forgets everything', url: facts.baseUrl },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    rest: [
      {
        mode: 'server',
        ...(facts.tokenUrl === null
          ? {}
          : {
              security: {
                extension: [{ url: oauth, extension: [{ url: 'token', valueUri: facts.tokenUrl }] }],
              },
            }),
        resource: Object.keys(TYPES)
          .filter((type) => type !== 'Bundle')
          .map((type) => ({
            type,
            interaction: interactions.map((code) => ({ code })),
            versioning: 'versioned-update',
            readHistory: true,
            updateCreate: true,
            conditionalCreate: true,
            conditionalUpdate: true,
            conditionalDelete: 'single',
            searchParam: [
              { name: '_id', type: 'token' },
              { name: 'identifier', type: 'token' },
              { name: 'code', type: 'token' },
              { name: 'status', type: 'token' },
              { name: 'patient', type: 'reference' },
              { name: 'subject', type: 'reference' },
            ],
          })),
        interaction: [{ code: 'transaction' }, { code: 'batch' }],
      },
    ],
  };
}
