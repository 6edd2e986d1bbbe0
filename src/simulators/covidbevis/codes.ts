/** Codes and systems of the service's requests; see the specification's §3.2. */
export const CODES = {
  loinc: 'http://loinc.org',
  snomed: 'http://snomed.info/sct',
  naat: 'LP6464-4',
  rat: 'LP217198-3',
  covid19: '840539006',
  negative: '260415000',
  positive: '260373001',
  personnummer: 'http://electronichealth.se/identifier/personnummer',
  samordningsnummer: 'http://electronichealth.se/identifier/samordningsnummer',
  ratDevice: 'https://covid-19-diagnostics.jrc.ec.europa.eu/devices/hsc-common-recognition-rat',
} as const;
