import { exactNumber } from '../../src/fhir/json.ts';

/** Valid R4 resources, one or more a type, with as many different elements as fit; all persons and places are made up. */

export type Resource = { readonly resourceType: string; readonly [name: string]: unknown };

const UCUM = 'http://unitsofmeasure.org';
const LOINC = 'http://loinc.org';
const uuid = (number: number): string => `urn:uuid:0b8d3c1e-3f43-4a51-9d4e-${String(number).padStart(12, '0')}`;
const quantity = (value: unknown): object => ({ value, unit: 'g/L', system: UCUM, code: 'g/L' });
const loinc = (code: string): object => ({ coding: [{ system: LOINC, code, display: 'Haemoglobin' }], text: 'B-Hb' });

const observation: Resource = {
  resourceType: 'Observation',
  id: 'hb-1',
  meta: { profile: ['http://example.org/StructureDefinition/lab'], tag: [{ system: 'urn:oid:1.2.3', code: 'x' }] },
  language: 'sv',
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>Hb 141.50 g/L</p></div>' },
  contained: [{ resourceType: 'Device', id: 'analyser', deviceName: [{ name: 'X1', type: 'model-name' }] }],
  extension: [{ url: 'http://example.org/plain', valueString: 'text' }],
  identifier: [
    {
      use: 'official',
      system: 'urn:oid:1.2.752.1',
      value: 'F-1',
      assigner: { display: 'Lab' },
      period: { start: '2024' },
    },
  ],
  basedOn: [{ reference: 'ServiceRequest/order-1' }],
  status: 'final',
  category: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
  ],
  code: loinc('718-7'),
  subject: { reference: 'Patient/p1', type: 'Patient', display: 'a person' },
  encounter: { reference: 'https://example.org/fhir/Encounter/e1/_history/2' },
  effectiveDateTime: '2024-02-29T23:59:60.125+14:00',
  issued: '2024-03-01T10:00:00Z',
  performer: [{ reference: 'Organization?identifier=urn:oid:1.2|3' }, { identifier: { value: '7' } }],
  valueQuantity: { ...quantity(exactNumber('141.50')), comparator: '<' },
  interpretation: [{ text: 'low' }],
  note: [{ authorReference: { reference: 'Practitioner/x' }, time: '2024-03', text: 'Repeated.\n\tSee below.' }],
  bodySite: { text: 'arm' },
  method: { text: 'photometry' },
  specimen: { reference: 'Specimen/s1' },
  device: { reference: '#analyser' },
  referenceRange: [
    { low: quantity(134), high: quantity(170), text: '134-170', age: { low: quantity(1), high: quantity(2) } },
  ],
  hasMember: [{ reference: 'Observation/hb-2' }],
};

const panel: Resource = {
  resourceType: 'Observation',
  status: 'amended',
  _status: { id: 's1', extension: [{ url: 'http://example.org/why', valueCode: 'corrected' }] },
  code: loinc('24323-8'),
  effectivePeriod: { start: '2024-02-28', end: '2024-02-28T08:00:00+01:00' },
  dataAbsentReason: { coding: [{ code: 'not-performed' }] },
  component: [
    { code: loinc('1-1'), valueRange: { low: quantity(1), high: quantity(exactNumber('1.0')) } },
    { code: loinc('1-2'), valueRatio: { numerator: quantity(1), denominator: quantity(exactNumber('1e2')) } },
    { code: loinc('1-3'), valueInteger: -7 },
    { code: loinc('1-4'), valueTime: '07:30:00' },
    { code: loinc('1-5'), valueBoolean: false },
    { code: loinc('1-6'), valueSampledData: { origin: quantity(0), period: 10, dimensions: 1, data: 'E 1 2 U' } },
    { code: loinc('1-7'), dataAbsentReason: { text: 'none' }, referenceRange: [{ text: 'neg' }] },
  ],
};

const patient: Resource = {
  resourceType: 'Patient',
  identifier: [{ use: 'usual', type: { text: 'local' }, system: 'https://example.org/id', value: '12-34' }],
  active: true,
  name: [
    {
      use: 'official',
      family: 'Marker',
      given: ['Mia', null],
      _given: [null, { extension: [{ url: 'http://example.org/absent', valueCode: 'masked' }] }],
    },
  ],
  telecom: [{ system: 'phone', value: '+46 8 000', use: 'mobile', rank: 1 }],
  gender: 'female',
  birthDate: '1990-12-31',
  deceasedBoolean: false,
  address: [{ use: 'home', type: 'both', line: ['Gatan 1'], city: 'Ort', postalCode: '123 45', country: 'SE' }],
  multipleBirthInteger: 2,
  photo: [{ contentType: 'image/png', data: 'aGVqIQ==', size: 4 }],
  contact: [{ relationship: [{ text: 'mother' }], name: { text: 'M' }, gender: 'unknown' }],
  communication: [{ language: { text: 'Swedish' }, preferred: true }],
  generalPractitioner: [{ reference: 'Practitioner/x' }],
  managingOrganization: { reference: 'Organization/o' },
  link: [{ other: { reference: 'Patient/p2' }, type: 'seealso' }],
};

const encounter: Resource = {
  resourceType: 'Encounter',
  identifier: [{ value: 'V1' }],
  status: 'in-progress',
  class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' },
  subject: { reference: 'Patient/p1' },
  participant: [
    {
      individual: { reference: 'Practitioner/x' },
      period: { start: '2024-01-01T10:00:00Z', end: '2024-01-01T10:00:00Z' },
    },
  ],
  period: { start: '2024-01-01', end: '2024-01-01' },
  hospitalization: { admitSource: { text: 'home' } },
  location: [{ location: { reference: 'Location/ward' }, status: 'active' }],
};

const serviceRequest: Resource = {
  resourceType: 'ServiceRequest',
  identifier: [{ value: 'P-1' }],
  requisition: { value: 'G-1' },
  status: 'active',
  intent: 'order',
  priority: 'stat',
  code: loinc('718-7'),
  orderDetail: [{ text: 'urgent' }],
  subject: { reference: 'Patient/p1' },
  occurrenceTiming: {
    event: ['2024-01-01'],
    repeat: {
      boundsPeriod: { start: '2024-01' },
      count: 2,
      countMax: 3,
      duration: 1,
      durationMax: 2,
      durationUnit: 'h',
      frequency: 1,
      period: exactNumber('1.0'),
      periodMax: 2,
      periodUnit: 'd',
      dayOfWeek: ['mon'],
      when: ['AC'],
      offset: 30,
    },
  },
  authoredOn: '2024-01-01T08:00:00+01:00',
  requester: { reference: 'PractitionerRole/r' },
  specimen: [{ reference: 'Specimen/s1' }],
};

const diagnosticReport: Resource = {
  resourceType: 'DiagnosticReport',
  identifier: [{ value: 'F-1' }],
  basedOn: [{ reference: 'ServiceRequest/order-1' }],
  status: 'partial',
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: 'LAB' }] }],
  code: loinc('58410-2'),
  subject: { reference: 'Patient/p1' },
  effectiveDateTime: '2024-02',
  issued: '2024-02-01T10:00:00.000-05:00',
  performer: [{ reference: 'Organization/o' }],
  result: [{ reference: 'Observation/hb-1' }],
  conclusion: 'Normal.',
  presentedForm: [{ contentType: 'application/pdf', data: 'JVBERi0xLjc=', title: 'Report', creation: '2024-02-01' }],
};

const specimen: Resource = {
  resourceType: 'Specimen',
  identifier: [{ value: 'S1' }],
  accessionIdentifier: { value: 'A1' },
  status: 'available',
  type: { text: 'blood' },
  subject: { reference: 'Patient/p1' },
  receivedTime: '2024-02-01T09:00:00Z',
  request: [{ reference: 'ServiceRequest/order-1' }],
  collection: {
    collectedDateTime: '2024-02-01T08:00:00Z',
    quantity: quantity(4),
    fastingStatusDuration: { value: 8, unit: 'h', system: UCUM, code: 'h' },
  },
  container: [{ type: { text: 'tube' }, capacity: quantity(5), additiveCodeableConcept: { text: 'EDTA' } }],
};

const condition: Resource = {
  resourceType: 'Condition',
  clinicalStatus: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'resolved' }],
  },
  verificationStatus: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: 'confirmed' }],
  },
  subject: { reference: 'Patient/p1' },
  onsetAge: { value: 30, unit: 'a', system: UCUM, code: 'a' },
  abatementDateTime: '2024',
  stage: [{ summary: { text: 'I' } }],
  evidence: [{ detail: [{ reference: 'Observation/hb-1' }] }],
};

const organization: Resource = {
  resourceType: 'Organization',
  identifier: [{ system: 'urn:oid:2.5.4.97', value: '556000-0000' }],
  name: 'Laboratory',
  telecom: [{ system: 'email', value: 'lab@example.org', use: 'work' }],
  address: [{ use: 'work', text: 'Gatan 2' }],
  partOf: { reference: 'Organization/parent' },
};

const entry = (number: number, resource: Resource, request: object): object => ({
  fullUrl: uuid(number),
  resource,
  request,
});

const transaction: Resource = {
  resourceType: 'Bundle',
  type: 'transaction',
  timestamp: '2024-02-01T10:00:00Z',
  entry: [
    entry(1, patient, { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=https://example.org/id|12-34' }),
    entry(2, { ...organization, id: 'o' }, { method: 'PUT', url: 'Organization/o' }),
    entry(
      3,
      { ...observation, subject: { reference: uuid(1) }, performer: [{ reference: uuid(2) }] },
      { method: 'PUT', url: 'Observation?identifier=F-1', ifMatch: 'W/"1"' },
    ),
    entry(
      4,
      { ...diagnosticReport, subject: { reference: uuid(1) }, result: [{ reference: uuid(3) }] },
      { method: 'POST', url: 'DiagnosticReport' },
    ),
    { request: { method: 'DELETE', url: 'Observation/old' } },
  ],
};

const messageHeader: Resource = {
  resourceType: 'MessageHeader',
  eventCoding: { system: 'http://terminology.hl7.org/CodeSystem/v2-0003', code: 'R01' },
  destination: [{ name: 'EHR', endpoint: 'urn:oid:1.2.3' }],
  source: { name: 'LIS', endpoint: 'https://example.org/lis' },
  focus: [{ reference: uuid(2) }],
};

const message: Resource = {
  resourceType: 'Bundle',
  identifier: { system: 'urn:oid:1.2', value: 'MSG1' },
  type: 'message',
  entry: [
    { fullUrl: uuid(1), resource: messageHeader },
    { fullUrl: uuid(2), resource: diagnosticReport },
  ],
};

/** Named as tests print them. */
export const VALID_RESOURCES = {
  observation,
  panel,
  patient,
  encounter,
  serviceRequest,
  diagnosticReport,
  specimen,
  condition,
  organization,
  practitioner: {
    resourceType: 'Practitioner',
    identifier: [{ value: 'D1' }],
    name: [{ family: 'Doctor', prefix: ['Dr'] }],
    gender: 'other',
    qualification: [{ code: { text: 'MD' } }],
  },
  practitionerRole: {
    resourceType: 'PractitionerRole',
    practitioner: { reference: 'Practitioner/x' },
    organization: { display: 'Ward 4' },
    availableTime: [{ daysOfWeek: ['fri'], availableStartTime: '08:00:00' }],
    notAvailable: [{ description: 'holiday' }],
  },
  location: {
    resourceType: 'Location',
    status: 'active',
    name: 'Ward',
    mode: 'instance',
    position: { longitude: exactNumber('18.0680'), latitude: 59 },
  },
  relatedPerson: {
    resourceType: 'RelatedPerson',
    patient: { reference: 'Patient/p1' },
    gender: 'male',
    birthDate: '1960',
  },
  device: {
    resourceType: 'Device',
    identifier: [{ value: 'X1' }],
    status: 'active',
    deviceName: [{ name: 'X1', type: 'user-friendly-name' }],
    version: [{ value: '1.0' }],
    udiCarrier: [{ deviceIdentifier: '123', entryType: 'barcode' }],
  },
  provenance: {
    resourceType: 'Provenance',
    target: [{ reference: 'Observation/hb-1/_history/1' }],
    recorded: '2024-02-01T10:00:00Z',
    agent: [{ who: { reference: 'Organization/o' }, onBehalfOf: { display: 'Region' } }],
    entity: [{ role: 'source', what: { identifier: { value: 'MSG1' } } }],
    signature: [{ type: [{ code: '1.2' }], when: '2024-02-01T10:00:00Z', who: { display: 'x' }, data: 'AAAA' }],
  },
  documentReference: {
    resourceType: 'DocumentReference',
    masterIdentifier: { value: 'DOC' },
    status: 'current',
    docStatus: 'final',
    date: '2024-02-01T10:00:00Z',
    relatesTo: [{ code: 'replaces', target: { reference: 'DocumentReference/old' } }],
    content: [{ attachment: { contentType: 'text/plain;charset=UTF-8', url: 'Binary/b1' } }],
  },
  binary: { resourceType: 'Binary', contentType: 'application/pdf', data: 'JVBERi0xLjc=' },
  medication: {
    resourceType: 'Medication',
    status: 'active',
    ingredient: [
      { itemCodeableConcept: { text: 'x' }, strength: { numerator: quantity(1), denominator: quantity(1) } },
    ],
  },
  messageHeader: { ...messageHeader, focus: [{ reference: 'DiagnosticReport/d1' }] },
  transaction,
  message,
} as const satisfies Record<string, Resource>;

export type ValidName = keyof typeof VALID_RESOURCES;
