/**
 * An example for each section and each kind in `docs/configuration.md`. Together they are a whole configuration, which
 * a test loads: none of them can go stale.
 */
export const CONFIGURATION_EXAMPLES: Readonly<Record<string, string>> = {
  journal: `
journal:
  file: ./data/journal.db                       # or journal: ./data/journal.db, with the limits as they are
  reserve: 1 GB
  queue: 20000
`,
  secret: `
mappings: [./mappings]
secret: { file: ./data/secret, create: true }   # back it up: identifiers are derived with it
`,
  console: `
console: { port: 8080 }                         # on loopback; a proxy in front of it for anybody else
`,
  log: `
log: { level: info }
`,
  engine: `
engine:
  storeFirst: 2 MB
  grace: 30s
`,
  alarms: `
alarms:
  oldestWaiting: 30m
  queue: { floor: 500 }
  webhook:
    url: https://duty.example.org/sluss
    bearer: { file: ./data/duty-token }
`,
  retention: `
retention:
  delivered: 30d
  refused: 30d
  held: never                                   # a person decides
`,
  parties: `
parties:
  region-nord:
    name: Region Nord
    organisationsnummer: 232100-0016
    certificate:
      cert: ./pki/nord.crt
      key: ./pki/nord.key
      passphrase: { env: NORD_PASSPHRASE }
  klinik-syd:
    name: Klinik Syd
    organisationsnummer: 559999-9991
    certificate:
      pkcs12: ./pki/syd.p12
      passphrase: { file: ./pki/syd.pass }
`,
  'target covidbevis': `
targets:
  covidbevis:
    kind: covidbevis
    url: https://api.covidbevis.se
    ca: ./pki/service-ca.crt
    concurrency: 4
    timeout: 45s
    retry: { min: 2s, max: 10m }
    giveUpAfter: 72h
`,
  'target fhir': `
targets:
  record:
    kind: fhir
    url: https://fhir.example.org/r4
    headers: { X-Tenant: nord }
    auth:
      oauth2:
        tokenUrl: https://login.example.org/token
        clientId: sluss
        scope: system/*.write
        key: { file: ./pki/sluss-jwk.json, kid: sluss-1 }
    parties:
      klinik-syd: { auth: mtls }
`,
  'target folder': `
targets:
  certificates: { kind: folder, path: ./certificates }
`,
  'target mllp': `
targets:
  lis-nord:
    kind: mllp
    host: lis.nord.example.org
    port: 2576
    tls: { ca: ./pki/lis-ca.crt, clientCertificate: party }
`,
  channels: `
channels:
  lab-nord:
    source: { kind: mllp, port: 2575 }
    mappings: [se-covid-certificates]
    parties: [region-nord]
    charset: { default: 8859/1 }
    zone: Europe/Stockholm
`,
  'source mllp': `
channels:
  lab-syd:
    source:
      kind: mllp
      host: 0.0.0.0
      port: 2576
      tls: { cert: ./pki/listener.crt, key: ./pki/listener.key, ca: ./pki/laboratories.crt }
      maxMessage: 8 MB
      idleTimeout: 10m
    mappings: [se-covid-certificates]
    parties: [klinik-syd]
`,
  'source folder': `
channels:
  folder-nord:
    source:
      kind: folder
      path: /srv/lab/out
      patterns: ['*.hl7']
      poll: true                                # a network share
      pollInterval: 5s
      stable: 10s
    mappings: [se-covid-certificates]
    parties: [region-nord]
`,
  plugins: `
plugins: []                                     # such as [./plugins/kafka.js, sluss-sftp]
`,
};
