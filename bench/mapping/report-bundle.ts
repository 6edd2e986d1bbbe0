import type { FaultRecord } from '../../src/contracts/fault.ts';
import { deriveKey } from '../../src/fhir/identifier.ts';
import { exactNumber } from '../../src/fhir/json.ts';
import { formatDate, parseDateTime } from '../../src/hl7/datetime.ts';
import { SECRET } from './engine.ts';
import { type Line, Lines, readTable } from './lines.ts';

const CODING_SYSTEMS = readTable('coding-systems');
const AUTHORITIES = readTable('identifier-authorities');
const GENDERS = readTable('administrative-sex');
const CLASS_STATUSES = readTable('patient-class-status');
const CLASSES = readTable('patient-class');
const CLASS_SYSTEMS = readTable('patient-class-systems');
const ORDER_STATUSES = readTable('order-status');
const ORDER_CONTROLS = readTable('order-control');
const PRIORITIES = readTable('request-priority');
const REPORT_STATUSES = readTable('report-status');
const OBSERVATION_STATUSES = readTable('observation-status');
const ABSENT_REASONS = readTable('absent-reasons');
const INTERPRETATION_SYSTEMS = readTable('interpretation-systems');
const NAME_USES = readTable('name-use');
const ADDRESS_USES = readTable('address-use');
const ADDRESS_TYPES = readTable('address-type');
const PLACE_TYPES = readTable('person-location-types');
const AVAILABILITIES = readTable('specimen-availability');
const TERMINOLOGY = 'http://terminology.hl7.org/CodeSystem';
const UCUM = 'http://unitsofmeasure.org';
const ORIGINAL_TEXT = 'http://hl7.org/fhir/StructureDefinition/originalText';
const TELECOM_USES: Record<string, string> = { PRN: 'home', WPN: 'work', PRS: 'mobile' };

type Json = Record<string, unknown>;

interface Result {
  readonly number: number;
  readonly obx: Line;
  readonly notes: Line[];
  url: string;
}

interface Order {
  orc: Line | null;
  obr: Line | null;
  readonly notes: Line[];
  readonly results: Result[];
  readonly specimens: { readonly spm: Line; readonly notes: Line[]; url: string }[];
  request: string;
  report: string;
}

interface Entry {
  readonly hash: string;
  readonly write: 'create' | 'update';
  resource: Json | null;
}

/** One message's bundle, made by hand. */
export class ReportBundle {
  readonly lines: Lines;
  readonly pid: Line | null;
  readonly pv1: Line | null;
  readonly orders: Order[] = [];
  readonly sender: string;
  readonly warnings: FaultRecord[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #patientKey: string;
  readonly #person: string;
  #patient = '';
  #encounter = '';

  constructor(bytes: Uint8Array) {
    const lines = new Lines(bytes);
    this.lines = lines;
    let [pid, pv1]: (Line | null)[] = [null, null];
    let order: Order | null = null;
    let notes: Line[] = [];
    let results = 0;
    for (const line of lines.rest) {
      switch (line[0]) {
        case 'PID':
          pid = line;
          break;
        case 'PV1':
          pv1 = line;
          break;
        case 'ORC':
          order = this.#openOrder(line, null);
          notes = order.notes;
          break;
        case 'OBR':
          if (order === null || order.obr !== null || order.results.length > 0) order = this.#openOrder(null, line);
          order.obr = line;
          notes = order.notes;
          break;
        case 'OBX':
          order ??= this.#openOrder(null, null);
          notes = [];
          results += 1;
          order.results.push({ number: results, obx: line, notes, url: '' });
          break;
        case 'SPM':
          order ??= this.#openOrder(null, null);
          notes = [];
          order.specimens.push({ spm: line, notes, url: '' });
          break;
        case 'NTE':
          notes.push(line);
          break;
      }
    }
    this.pid = pid ?? null;
    this.pv1 = pv1 ?? null;
    this.sender = lines.text(lines.msh, 4, 1) || lines.text(lines.msh, 3, 1) || lines.text(lines.msh, 4, 2);
    this.#patientKey = this.#keyOf(this.pid, [3, 2, 5]);
    this.#person =
      lines.text(this.pid, 3, 1) ||
      lines.text(this.pid, 2, 1) ||
      this.#keyOf(this.pid, [5]) ||
      lines.text(lines.msh, 10, 1);
  }

  make(): { body: Json; lasting: unknown } {
    const { lines, pid, pv1, sender, orders } = this;
    const header = this.#open('message-header', 'update', [sender, lines.unescape(lines.raw(lines.msh, 10))]);
    const patient =
      this.#patientKey === ''
        ? null
        : this.#open('patient', 'create', [sender, this.#patientKey, lines.unescape(lines.raw(pid, 7))]);
    this.#patient = patient === null ? '' : urlOf(patient.hash);
    const said = [2, 3, 7, 19, 44].some((field) => lines.isValued(lines.raw(pv1, field)));
    const visit = said
      ? this.#open('encounter', 'update', [
          sender,
          this.#person,
          lines.text(pv1, 19, 1) || lines.text(pv1, 50, 1) || this.#keyOf(pv1, [44, 2]),
        ])
      : null;
    this.#encounter = visit === null ? '' : urlOf(visit.hash);
    const keys = orders.map((order) => this.#orderKey(order));
    const requests = orders.map((order, index) => {
      if (patient === null || !lines.isValued(lines.raw(order.obr, 4))) return null;
      const entry = this.#open('service-request', 'update', keys[index] ?? []);
      order.request = urlOf(entry.hash);
      return entry;
    });
    const reports = orders.map((order, index) => {
      const entry = this.#open('report', 'update', keys[index] ?? []);
      order.report = urlOf(entry.hash);
      return entry;
    });
    const results = orders.map((order, index) =>
      order.results.map((result) => {
        const key = [...(keys[index] ?? []), this.#coded(result.obx, 3), lines.unescape(lines.raw(result.obx, 4))];
        const entry = this.#open('observation', 'update', key);
        result.url = urlOf(entry.hash);
        return entry;
      }),
    );
    const specimens = orders.map((order, index) =>
      order.specimens.map((specimen) => {
        const number =
          lines.text(specimen.spm, 2, 2, 1) || lines.text(specimen.spm, 2, 1, 1) || (keys[index]?.[2] ?? '');
        const key = [number, this.#coded(specimen.spm, 4), lines.text(specimen.spm, 17, 1)];
        const entry = this.#open('specimen', 'update', [sender, this.#person, ...key]);
        specimen.url = urlOf(entry.hash);
        return entry;
      }),
    );
    header.resource = this.#header();
    if (patient !== null) patient.resource = this.#patientOf();
    if (visit !== null) visit.resource = this.#encounterOf();
    for (const [index, order] of orders.entries()) {
      const request = requests[index] ?? null;
      if (request !== null) request.resource = this.#requestOf(order);
      for (const [at, result] of order.results.entries()) {
        const entry = results[index]?.[at];
        if (entry !== undefined) entry.resource = this.#resultOf(order, result);
      }
      for (const [at, specimen] of order.specimens.entries()) {
        const entry = specimens[index]?.[at];
        if (entry !== undefined) entry.resource = this.#specimenOf(order, specimen);
      }
      const report = reports[index];
      if (report !== undefined) report.resource = this.#reportOf(order);
    }
    const [first, ...lasting] = [...this.#entries.values()].map(entryOf);
    const identifier = { value: lines.text(lines.msh, 10, 1) };
    const sent = lines.dateTime(lines.text(lines.msh, 7, 1));
    const head = { resourceType: 'Bundle', identifier, ...(sent.includes('T') ? { timestamp: sent } : {}) };
    return { body: { ...head, type: 'transaction', entry: [first, ...lasting] }, lasting };
  }

  #openOrder(orc: Line | null, obr: Line | null): Order {
    const order: Order = { orc, obr, notes: [], results: [], specimens: [], request: '', report: '' };
    this.orders.push(order);
    return order;
  }

  #keyOf(line: Line | null, fields: readonly number[]): string {
    for (const field of fields) {
      const raw = this.lines.raw(line, field);
      if (this.lines.isValued(raw)) return raw === '""' ? '' : this.lines.unescape(raw);
    }
    return '';
  }

  /** What tells an order from others of the sender. */
  #orderKey({ orc, obr }: Order): string[] {
    const { lines } = this;
    const number =
      lines.text(obr, 3, 1) ||
      lines.text(orc, 3, 1) ||
      lines.text(obr, 2, 1) ||
      lines.text(orc, 2, 1) ||
      this.#keyOf(obr, [7]) ||
      lines.text(lines.msh, 10, 1);
    return [this.sender, this.#person, number, this.#coded(obr, 4)];
  }

  #coded(line: Line | null, field: number): string {
    const { lines } = this;
    return lines.text(line, field, 1) || lines.text(line, field, 4) || lines.text(line, field, 2);
  }

  #open(name: string, write: Entry['write'], key: readonly string[]): Entry {
    let hash = deriveKey(SECRET, ['entry', name, ...key]);
    for (let ordinal = 2; this.#entries.has(hash); ordinal += 1)
      hash = deriveKey(SECRET, ['entry', name, ...key, `#${ordinal}`]);
    const entry: Entry = { hash, write, resource: null };
    this.#entries.set(hash, entry);
    return entry;
  }

  /** A resource that is made where something refers to it; the same one said twice is one. */
  #refer(name: string, write: Entry['write'], key: readonly string[], make: () => Json): Json {
    const hash = deriveKey(SECRET, ['entry', name, ...key]);
    if (!this.#entries.has(hash)) {
      const entry: Entry = { hash, write, resource: null };
      this.#entries.set(hash, entry);
      entry.resource = make();
    }
    return { reference: urlOf(hash) };
  }

  #header(): Json {
    const { lines } = this;
    const { msh } = lines;
    const [message, event, structure] = [lines.text(msh, 9, 1), lines.text(msh, 9, 2), lines.text(msh, 9, 3)];
    const made: Json = { resourceType: 'MessageHeader' };
    const tag: Json[] = [];
    for (const [component, table] of [
      [1, '0103'],
      [2, '0207'],
    ] as const) {
      const code = lines.text(msh, 11, component);
      if (code !== '') tag.push({ system: `${TERMINOLOGY}/v2-${table}`, code });
    }
    if (tag.length > 0) made.meta = { tag };
    made.eventCoding = {
      system: `${TERMINOLOGY}/v2-0003`,
      code: event || message,
      display: [message, event, structure].filter((part) => part !== '').join('^'),
    };
    const destination: Json = {};
    const [application, facility] = [lines.raw(msh, 5), lines.raw(msh, 6)];
    const name = lines.part(application, 1);
    if (name !== '') destination.name = name;
    const endpoint = this.#endpoint(application);
    if (endpoint !== null) destination.endpoint = endpoint;
    else if (lines.isValued(application) || lines.isValued(facility)) destination._endpoint = UNKNOWN_CODE;
    if (lines.isValued(facility)) destination.receiver = this.#facility(facility);
    if (Object.keys(destination).length > 0) made.destination = [destination];
    const home = lines.raw(msh, 4);
    if (lines.isValued(home)) made.sender = this.#facility(home);
    const source: Json = {};
    const sender = lines.text(msh, 3, 1) || lines.text(msh, 3, 2);
    if (sender !== '') source.name = sender;
    const from = this.#endpoint(lines.raw(msh, 3));
    if (from !== null) source.endpoint = from;
    else source._endpoint = UNKNOWN_CODE;
    made.source = source;
    if (this.orders.length > 0) made.focus = this.orders.map(({ report }) => ({ reference: report }));
    return made;
  }

  /** The URI of an application, an HD. */
  #endpoint(raw: string): string | null {
    const [id, type] = [this.lines.part(raw, 2), this.lines.part(raw, 3).toUpperCase()];
    if (type === 'ISO') return /^[0-2](?:\.(?:0|[1-9]\d*))+$/.test(id) ? `urn:oid:${id}` : null;
    if (type === 'UUID') return `urn:uuid:${id.toLowerCase()}`;
    if (type === 'DNS') return /^[a-z0-9.-]+$/i.test(id) ? `urn:dns:${id}` : null;
    return type === 'URI' && /^[a-z][a-z0-9+.-]*:[!-~]+$/i.test(id) ? id : null;
  }

  #facility(raw: string): Json {
    const { lines } = this;
    const key = [1, 2].map((component) => lines.unescape(componentOf(raw, component)));
    return this.#refer('facility', 'create', key, () => {
      const [name, id, type] = [lines.part(raw, 1), lines.part(raw, 2), lines.part(raw, 3)];
      const identifier: Json[] = [];
      if (name !== '') identifier.push({ value: name });
      const uri = this.#uri(id, type);
      if (uri !== null) identifier.push({ system: 'urn:ietf:rfc:3986', value: uri });
      else if (id !== '' || type !== '')
        identifier.push({
          ...(type === '' ? {} : { type: { coding: [{ system: `${TERMINOLOGY}/v2-0301`, code: type }] } }),
          ...(id === '' ? {} : { value: id }),
        });
      return { resourceType: 'Organization', identifier, name: name || id };
    });
  }

  #patientOf(): Json {
    const { lines, pid } = this;
    const made: Json = { resourceType: 'Patient' };
    const identifiers = [...lines.all(pid, 3), lines.raw(pid, 2), ...lines.all(pid, 4)]
      .map((raw) => this.#identifier(raw))
      .filter((one) => one !== null);
    if (identifiers.length > 0) made.identifier = identifiers;
    const names = lines
      .all(pid, 5)
      .map((raw) => this.#name(raw))
      .filter((one) => one !== null);
    if (names.length > 0) made.name = names;
    const telecoms = [
      ...lines.all(pid, 13).map((raw) => this.#telecom(raw, 'home')),
      ...lines.all(pid, 14).map((raw) => this.#telecom(raw, 'work')),
    ].filter((one) => one !== null);
    if (telecoms.length > 0) made.telecom = telecoms;
    const gender = GENDERS.get(lines.text(pid, 8, 1));
    if (gender !== undefined) made.gender = gender;
    const born = lines.text(pid, 7, 1);
    const date = born === '' ? null : parseDateTime(born);
    if (date !== null) made.birthDate = formatDate(date);
    else if (born !== '') this.#warn('field-type', 'PID-7');
    this.#setTime(made, 'deceasedDateTime', pid, 29, 'PID-29');
    const addresses = lines
      .all(pid, 11)
      .map((raw) => this.#address(raw))
      .filter((one) => one !== null);
    if (addresses.length > 0) made.address = addresses;
    const marital = this.#concept(lines.raw(pid, 16));
    if (marital !== null) made.maritalStatus = marital;
    const language = this.#concept(lines.raw(pid, 15));
    if (language !== null) made.communication = [{ language }];
    return made;
  }

  #encounterOf(): Json {
    const { lines, pv1 } = this;
    const letter = lines.text(pv1, 2, 1);
    const made: Json = { resourceType: 'Encounter' };
    const ended = lines.isValued(lines.raw(pv1, 45));
    made.status = ended ? 'finished' : (CLASS_STATUSES.get(letter) ?? 'unknown');
    made.class =
      letter === ''
        ? UNKNOWN_CODE
        : { system: CLASS_SYSTEMS.get(letter) ?? `${TERMINOLOGY}/v2-0004`, code: CLASSES.get(letter) ?? letter };
    const service = this.#concept(lines.raw(pv1, 10));
    if (service !== null) made.serviceType = service;
    if (this.#patient !== '') made.subject = { reference: this.#patient };
    const participants: Json[] = [];
    for (const [field, code, display, text] of [
      [7, 'ATND', 'attender', ''],
      [8, 'REF', '', 'referrer'],
      [9, 'CON', '', 'consultant'],
      [17, 'ADM', '', 'admitter'],
    ] as const)
      for (const raw of lines.all(pv1, field)) {
        const coding: Json = { system: `${TERMINOLOGY}/v3-ParticipationType`, code };
        if (display !== '') coding.display = display;
        const type: Json = { coding: [coding] };
        if (text !== '') type.text = text;
        participants.push({ type: [type], individual: this.#practitioner(raw) });
      }
    if (participants.length > 0) made.participant = participants;
    const period: Json = {};
    this.#setTime(period, 'start', pv1, 44, 'PV1-44');
    this.#setTime(period, 'end', pv1, 45, 'PV1-45');
    if (Object.keys(period).length > 0) made.period = period;
    const place = lines.raw(pv1, 3);
    if (lines.isValued(place))
      made.location = [{ location: this.#place(place), status: letter === 'P' ? 'planned' : 'active' }];
    return made;
  }

  /** A point of care at a site; this sender names neither rooms nor beds. */
  #place(raw: string): Json {
    const { lines } = this;
    const [site = '', building = '', floor = '', point = ''] = [4, 7, 8, 1].map((component) =>
      lines.unescape(componentOf(raw, component)),
    );
    if (lines.part(raw, 1, 1) === '') return this.#site(raw, site);
    return this.#refer('point-of-care', 'create', [this.sender, site, building, floor, point], () => {
      const made: Json = { resourceType: 'Location', name: lines.part(raw, 1, 1), mode: 'instance' };
      const code = PLACE_TYPES.get(lines.part(raw, 6));
      if (code !== undefined) made.physicalType = placeType(code);
      if (lines.isValued(site)) made.partOf = this.#site(raw, site);
      return made;
    });
  }

  #site(raw: string, key: string): Json {
    return this.#refer('site', 'create', [this.sender, key], () => ({
      resourceType: 'Location',
      name: this.lines.part(raw, 4, 1),
      mode: 'instance',
      physicalType: placeType('si'),
    }));
  }

  #practitioner(raw: string): Json {
    const { lines } = this;
    const key = [this.sender, ...[1, 9, 2, 3].map((component) => lines.unescape(componentOf(raw, component)))];
    return this.#refer('practitioner', 'create', key, () => {
      const made: Json = { resourceType: 'Practitioner' };
      const identifier: Json = {};
      const type = lines.part(raw, 13);
      if (type !== '') identifier.type = { coding: [{ system: `${TERMINOLOGY}/v2-0203`, code: type }] };
      const system = this.#authority(raw, 9);
      if (system !== null) identifier.system = system;
      const value = lines.part(raw, 1);
      if (value !== '') identifier.value = value;
      const assigner = lines.part(raw, 9, 1);
      if (assigner !== '') identifier.assigner = { display: assigner };
      if (Object.keys(identifier).length > 0) made.identifier = [identifier];
      const name: Json = {};
      const use = NAME_USES.get(lines.part(raw, 10));
      if (use !== undefined) name.use = use;
      this.#setName(name, lines.part(raw, 2, 1), raw, [3, 4], [6], [5, 7, 21]);
      if (Object.keys(name).length > 0) made.name = [name];
      return made;
    });
  }

  #requestOf(order: Order): Json {
    const { lines } = this;
    const { orc, obr } = order;
    const made: Json = { resourceType: 'ServiceRequest' };
    const identifiers = this.#orderIdentifiers(order);
    if (identifiers.length > 0) made.identifier = identifiers;
    const requisition = this.#entity(lines.raw(orc, 4), 'PGN');
    if (requisition !== null) made.requisition = requisition;
    made.status = ORDER_STATUSES.get(lines.text(orc, 5, 1)) ?? ORDER_CONTROLS.get(lines.text(orc, 1, 1)) ?? 'unknown';
    made.intent = 'order';
    const priority = PRIORITIES.get(lines.text(obr, 5, 1));
    if (priority !== undefined) made.priority = priority;
    const code = this.#concept(lines.raw(obr, 4));
    if (code !== null) made.code = code;
    if (this.#patient !== '') made.subject = { reference: this.#patient };
    if (this.#encounter !== '') made.encounter = { reference: this.#encounter };
    this.#setTime(made, 'occurrenceDateTime', obr, 6, 'OBR-6');
    if (lines.text(orc, 1, 1) === 'NW') this.#setTime(made, 'authoredOn', orc, 9, 'ORC-9');
    const requester = [lines.raw(orc, 12), lines.raw(obr, 16)].find((raw) => lines.isValued(raw));
    if (requester !== undefined) made.requester = this.#practitioner(requester);
    const reasons = lines
      .all(obr, 31)
      .map((raw) => this.#concept(raw))
      .filter((one) => one !== null);
    if (reasons.length > 0) made.reasonCode = reasons;
    const notes: Json[] = [];
    const text = this.#notesOf(order.notes);
    if (text !== '') notes.push({ text });
    const clinical = lines.text(obr, 13, 1);
    if (clinical !== '') notes.push({ text: clinical });
    if (notes.length > 0) made.note = notes;
    return made;
  }

  #reportOf(order: Order): Json {
    const { lines } = this;
    const { obr } = order;
    const made: Json = { resourceType: 'DiagnosticReport' };
    const identifiers = this.#orderIdentifiers(order);
    if (identifiers.length > 0) made.identifier = identifiers;
    if (order.request !== '') made.basedOn = [{ reference: order.request }];
    made.status = REPORT_STATUSES.get(lines.text(obr, 25, 1)) ?? 'unknown';
    const section = lines.text(obr, 24, 1);
    if (section !== '') made.category = [{ coding: [{ system: `${TERMINOLOGY}/v2-0074`, code: section }] }];
    made.code = this.#concept(lines.raw(obr, 4)) ?? UNKNOWN_CODE;
    if (this.#patient !== '') made.subject = { reference: this.#patient };
    if (this.#encounter !== '') made.encounter = { reference: this.#encounter };
    if (!lines.isValued(lines.raw(obr, 8))) this.#setTime(made, 'effectiveDateTime', obr, 7, 'OBR-7');
    else {
      const period: Json = {};
      this.#setTime(period, 'start', obr, 7, 'OBR-7');
      this.#setTime(period, 'end', obr, 8, 'OBR-8');
      if (Object.keys(period).length > 0) made.effectivePeriod = period;
    }
    const issued = lines.dateTime(lines.text(obr, 22, 1));
    if (issued.includes('T')) made.issued = issued;
    if (order.specimens.length > 0) made.specimen = order.specimens.map(({ url }) => ({ reference: url }));
    if (order.results.length > 0) made.result = order.results.map(({ url }) => ({ reference: url }));
    return made;
  }

  #resultOf(order: Order, { number, obx, notes }: Result): Json {
    const { lines } = this;
    const made: Json = { resourceType: 'Observation' };
    const at = `OBX[${number}]`;
    const analysed = lines.dateTime(lines.text(obx, 19, 1));
    if (analysed !== '')
      made.extension = [
        {
          url: 'http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time',
          valueDateTime: analysed,
        },
      ];
    const identifier = this.#entity(lines.raw(obx, 21), 'FILL');
    if (identifier !== null) made.identifier = [identifier];
    const status = lines.text(obx, 11, 1);
    made.status = OBSERVATION_STATUSES.get(status) ?? 'unknown';
    made.category = [{ coding: [{ system: `${TERMINOLOGY}/observation-category`, code: 'laboratory' }] }];
    made.code = this.#concept(lines.raw(obx, 3)) ?? this.#concept(lines.raw(order.obr, 4)) ?? UNKNOWN_CODE;
    if (this.#patient !== '') made.subject = { reference: this.#patient };
    if (this.#encounter !== '') made.encounter = { reference: this.#encounter };
    if (lines.isValued(lines.raw(obx, 14))) this.#setTime(made, 'effectiveDateTime', obx, 14, `${at}-14`);
    else this.#setTime(made, 'effectiveDateTime', order.obr, 7, 'OBR-7');
    const performers = lines.all(obx, 16).map((raw) => this.#practitioner(raw));
    if (performers.length > 0) made.performer = performers;
    const type = lines.text(obx, 2, 1);
    const values = lines.all(obx, 5);
    if (type === 'TX' || type === 'FT') {
      const text = values.map((raw) => lines.read(raw)).join('\n');
      if (values.length > 0) made.valueString = text;
    } else if (values.length > 0 && values[0] !== '""') {
      const [name, value] = this.#value(type, values[0] ?? '', obx, at);
      if (value !== null) made[name] = value;
      // A text has its unit beside it.
      const unit = type === 'NM' && name === 'valueString' ? this.#unitText(lines.raw(obx, 6)) : '';
      if (unit !== '') made._valueString = { extension: [{ url: ORIGINAL_TEXT, valueString: `${value} ${unit}` }] };
    }
    if (values.length === 0 || values[0] === '""') {
      const reason = ABSENT_REASONS.get(status);
      if (reason !== undefined)
        made.dataAbsentReason = { coding: [{ system: `${TERMINOLOGY}/data-absent-reason`, code: reason }] };
    }
    const flags = lines.all(obx, 8).map((raw) => this.#interpretation(raw));
    if (flags.length > 0) made.interpretation = flags;
    const note = this.#notesOf(notes);
    if (note !== '') made.note = [{ text: note }];
    const site = this.#concept(lines.raw(obx, 20));
    if (site !== null) made.bodySite = site;
    const method = this.#concept(lines.raw(obx, 17));
    if (method !== null) made.method = method;
    const [specimen] = order.specimens;
    if (specimen !== undefined) made.specimen = { reference: specimen.url };
    const range = lines.read(lines.raw(obx, 7));
    if (range !== '') made.referenceRange = [this.#range(range, obx)];
    return made;
  }

  /** The name and value of value[x]; what does not fit its type is kept as text, with a warning. */
  #value(type: string, raw: string, obx: Line, at: string): [name: string, value: unknown] {
    const { lines } = this;
    switch (type) {
      case 'NM': {
        const quantity = this.#quantity(lines.part(raw, 1), null, obx);
        if (quantity !== null) return ['valueQuantity', quantity];
        break;
      }
      case 'SN': {
        const [sign, first] = [lines.part(raw, 1), lines.part(raw, 2)];
        const [separator, second] = [lines.part(raw, 3), lines.part(raw, 4)];
        const comparator = sign === '' || sign === '=' ? null : sign;
        const low = this.#quantity(first, separator === '' ? comparator : null, obx);
        const high = this.#quantity(second, null, obx);
        if (comparator !== null && !['<', '<=', '>=', '>'].includes(comparator)) break;
        if (low !== null && separator === '' && second === '') return ['valueQuantity', low];
        if (low === null || high === null || comparator !== null) break;
        if (separator === '-' && Number(first) <= Number(second)) return ['valueRange', { low, high }];
        if (separator === ':' || separator === '/') return ['valueRatio', { numerator: low, denominator: high }];
        return ['valueString', [sign, first, separator, second].join('')];
      }
      case 'CE':
      case 'CWE':
      case 'CNE':
      case 'IS':
      case 'ID': {
        const concept = this.#concept(raw);
        if (concept !== null) return ['valueCodeableConcept', concept];
        break;
      }
      case 'DT':
      case 'TS':
      case 'DTM': {
        const time = lines.dateTime(lines.part(raw, 1));
        if (time !== '') return ['valueDateTime', time];
        break;
      }
      default:
        return ['valueString', lines.read(raw) || null];
    }
    this.#warn('value-unmapped', `${at}-5`);
    return ['valueString', lines.read(raw)];
  }

  #unitText(raw: string): string {
    const part = (component: number) => this.lines.part(raw, component);
    return part(2) || part(1) || part(9) || part(5) || part(4);
  }

  #quantity(text: string, comparator: string | null, obx: Line): Json | null {
    const parts = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text);
    if (parts === null) return null;
    const [, sign, whole = '', fraction = ''] = parts;
    if (whole === '' && fraction === '') return null;
    const digits = `${sign === '-' ? '-' : ''}${whole.replace(/^0+(?=\d)/, '') || '0'}${fraction === '' ? '' : `.${fraction}`}`;
    const made: Json = { value: exactNumber(digits) };
    if (comparator !== null) made.comparator = comparator;
    const raw = this.lines.raw(obx, 6);
    if (raw === '') return made;
    const part = (component: number) => this.lines.part(raw, component);
    for (const first of [1, 4]) {
      const code = part(first);
      if (code === '' || this.#system(part(first + 2)) !== UCUM) continue;
      made.unit = part(first + 1) || code;
      made.system = UCUM;
      made.code = code;
      return made;
    }
    const unit = this.#unitText(raw);
    if (unit !== '') made.unit = unit;
    return made;
  }

  #range(text: string, obx: Line): Json {
    const between = /^([+-]?[\d.]+)\s*(?:-|–|to)\s*([+-]?[\d.]+)$/.exec(text);
    if (between === null) return { text };
    const [low, high] = [this.#quantity(between[1] ?? '', null, obx), this.#quantity(between[2] ?? '', null, obx)];
    if (low === null || high === null || Number(between[1]) > Number(between[2])) return { text };
    return { low, high, text };
  }

  #interpretation(raw: string): Json {
    const { lines } = this;
    const made: Json = {};
    const [code, display] = [lines.part(raw, 1), lines.part(raw, 2)];
    const coding: Json = {};
    if (code !== '') {
      coding.system = INTERPRETATION_SYSTEMS.get(code) ?? `${TERMINOLOGY}/v2-0078`;
      coding.code = code;
    }
    if (display !== '') coding.display = display;
    if (code !== '' || display !== '') made.coding = [coding];
    const text = lines.part(raw, 9) || lines.part(raw, 5);
    if (text !== '') made.text = text;
    return made;
  }

  #specimenOf(order: Order, { spm, notes }: Order['specimens'][number]): Json {
    const { lines } = this;
    const made: Json = { resourceType: 'Specimen' };
    const identifiers: Json[] = [];
    for (const [component, code] of [
      [1, 'PGN'],
      [2, 'FGN'],
    ] as const) {
      const [value, assigner] = [lines.text(spm, 2, component, 1), lines.text(spm, 2, component, 2)];
      if (value === '' && assigner === '') continue;
      identifiers.push({
        type: { coding: [{ system: `${TERMINOLOGY}/v2-0203`, code }] },
        ...(value === '' ? {} : { value }),
        ...(assigner === '' ? {} : { assigner: { display: assigner } }),
      });
    }
    for (const raw of lines.all(spm, 31)) {
      const identifier = this.#identifier(raw);
      if (identifier !== null) identifiers.push(identifier);
    }
    if (identifiers.length > 0) made.identifier = identifiers;
    const accession = this.#identifier(lines.raw(spm, 30));
    if (accession !== null) made.accessionIdentifier = accession;
    const status = AVAILABILITIES.get(lines.text(spm, 20, 1));
    if (status !== undefined) made.status = status;
    const type = this.#concept(lines.raw(spm, 4));
    if (type !== null) made.type = type;
    if (this.#patient !== '') made.subject = { reference: this.#patient };
    this.#setTime(made, 'receivedTime', spm, 18, 'SPM-18');
    if (order.request !== '') made.request = [{ reference: order.request }];
    const collection: Json = {};
    if (lines.text(spm, 17, 2) !== '') {
      const period: Json = {};
      this.#setTime(period, 'start', spm, 17, 'SPM-17.1');
      const end = lines.dateTime(lines.text(spm, 17, 2));
      if (end !== '') period.end = end;
      collection.collectedPeriod = period;
    } else if (lines.isValued(lines.raw(spm, 17))) this.#setTime(collection, 'collectedDateTime', spm, 17, 'SPM-17.1');
    else this.#setTime(collection, 'collectedDateTime', order.obr, 7, 'OBR-7');
    const quantity = this.#amount(spm);
    if (quantity !== null) collection.quantity = quantity;
    const method = this.#concept(lines.raw(spm, 7));
    if (method !== null) collection.method = method;
    const site = this.#concept(lines.raw(spm, 8));
    if (site !== null) collection.bodySite = site;
    if (Object.keys(collection).length > 0) made.collection = collection;
    const container: Json = {};
    const kind = this.#concept(lines.raw(spm, 27));
    if (kind !== null) container.type = kind;
    const additive = this.#concept(lines.raw(spm, 6));
    if (additive !== null) container.additiveCodeableConcept = additive;
    if (Object.keys(container).length > 0) made.container = [container];
    const conditions = lines
      .all(spm, 24)
      .map((raw) => this.#concept(raw))
      .filter((one) => one !== null);
    if (conditions.length > 0) made.condition = conditions;
    const texts = lines.all(spm, 14).map((raw) => lines.read(raw));
    const note = this.#notesOf(notes);
    if (note !== '') texts.push(note);
    if (texts.length > 0) made.note = [{ text: texts.join('\n') }];
    return made;
  }

  #amount(spm: Line): Json | null {
    const number = this.lines.text(spm, 12, 1);
    return /^\d+(\.\d+)?$/.test(number) ? { value: exactNumber(number), unit: this.lines.text(spm, 12, 2, 1) } : null;
  }

  #orderIdentifiers({ orc, obr }: Order): Json[] {
    const { lines } = this;
    const said = (first: string, second: string) => (lines.isValued(first) ? first : second);
    return [
      this.#entity(said(lines.raw(orc, 2), lines.raw(obr, 2)), 'PLAC'),
      this.#entity(said(lines.raw(orc, 3), lines.raw(obr, 3)), 'FILL'),
    ].filter((one) => one !== null);
  }

  #entity(raw: string, code: string): Json | null {
    if (!this.lines.isValued(raw)) return null;
    const made: Json = { type: { coding: [{ system: `${TERMINOLOGY}/v2-0203`, code }] } };
    const system = this.#uri(this.lines.part(raw, 3), this.lines.part(raw, 4));
    if (system !== null) made.system = system;
    const [value, assigner] = [this.lines.part(raw, 1), this.lines.part(raw, 2)];
    if (value !== '') made.value = value;
    if (assigner !== '') made.assigner = { display: assigner };
    return made;
  }

  #identifier(raw: string): Json | null {
    const { lines } = this;
    if (!lines.isValued(raw) || raw === '""') return null;
    const made: Json = {};
    const type = lines.part(raw, 5);
    if (type !== '') made.type = { coding: [{ system: `${TERMINOLOGY}/v2-0203`, code: type }] };
    const system = this.#authority(raw, 4);
    if (system !== null) made.system = system;
    const value = lines.part(raw, 1);
    if (value !== '') made.value = value;
    const period: Json = {};
    const [start, end] = [lines.dateTime(lines.part(raw, 7)), lines.dateTime(lines.part(raw, 8))];
    if (start !== '') period.start = start;
    if (end !== '') period.end = end;
    if (start !== '' || end !== '') made.period = period;
    const assigner = lines.part(raw, 4, 1);
    if (assigner !== '') made.assigner = { display: assigner };
    return made;
  }

  /** The URI of an assigning authority, an HD at component level. */
  #authority(raw: string, component: number): string | null {
    const { lines } = this;
    const [namespace, id] = [lines.part(raw, component, 1), lines.part(raw, component, 2)];
    const known = AUTHORITIES.get(id) ?? AUTHORITIES.get(namespace);
    return known ?? this.#uri(id, lines.part(raw, component, 3));
  }

  #uri(id: string, type: string): string | null {
    if (id === '') return null;
    const known = this.#system(id);
    if (known !== null) return known;
    if (/^(?:UUID|GUID)$/i.test(type)) return `urn:uuid:${id.toLowerCase()}`;
    return /^DNS$/i.test(type) ? `http://${id}` : null;
  }

  #name(raw: string): Json | null {
    const { lines } = this;
    const made: Json = {};
    const use = NAME_USES.get(lines.part(raw, 7));
    if (use !== undefined) made.use = use;
    this.#setName(made, lines.part(raw, 1, 1), raw, [2, 3], [5], [4, 6, 14]);
    const period: Json = {};
    const [start, end] = [lines.dateTime(lines.part(raw, 12)), lines.dateTime(lines.part(raw, 13))];
    if (start !== '') period.start = start;
    if (end !== '') period.end = end;
    if (start !== '' || end !== '') made.period = period;
    return Object.keys(made).length === 0 ? null : made;
  }

  #setName(made: Json, family: string, raw: string, ...lists: readonly (readonly number[])[]): void {
    if (family !== '') made.family = family;
    for (const [index, name] of ['given', 'prefix', 'suffix'].entries()) {
      const parts = (lists[index] ?? []).map((component) => this.lines.part(raw, component));
      const said = parts.filter((part) => part !== '');
      if (said.length > 0) made[name] = said;
    }
  }

  #address(raw: string): Json | null {
    const { lines } = this;
    const made: Json = {};
    const kind = lines.part(raw, 7);
    const [use, type] = [ADDRESS_USES.get(kind), ADDRESS_TYPES.get(kind)];
    if (use !== undefined) made.use = use;
    if (type !== undefined) made.type = type;
    const line = [
      lines.part(raw, 1, 1),
      lines.part(raw, 1, 2),
      lines.part(raw, 1, 3),
      lines.part(raw, 2),
      lines.part(raw, 19),
    ].filter((part) => part !== '');
    if (line.length > 0) made.line = line;
    for (const [name, component] of [
      ['city', 3],
      ['district', 9],
      ['state', 4],
      ['postalCode', 5],
      ['country', 6],
    ] as const) {
      const text = lines.part(raw, component);
      if (text !== '') made[name] = text;
    }
    return Object.keys(made).length === 0 ? null : made;
  }

  #telecom(raw: string, use: string): Json | null {
    const { lines } = this;
    const equipment = lines.part(raw, 3).toUpperCase();
    const isMail = equipment === 'INTERNET' || lines.part(raw, 4).includes('@');
    const number = [lines.part(raw, 6), lines.part(raw, 7)].filter((part) => part !== '').join(' ');
    const value = isMail ? lines.part(raw, 4) : lines.part(raw, 12) || number || lines.part(raw, 1);
    if (value === '') return null;
    return {
      system: isMail ? 'email' : equipment === 'FX' ? 'fax' : 'phone',
      value,
      use: TELECOM_USES[lines.part(raw, 2)] ?? (equipment === 'CP' ? 'mobile' : use),
    };
  }

  #concept(raw: string): Json | null {
    if (raw === '' || raw === '""') return null;
    const part = (component: number) => this.lines.part(raw, component);
    const coding: Json[] = [];
    for (const [code, display, system, version] of CODINGS) {
      const text = part(code);
      if (text === '') continue;
      const one: Json = {};
      const uri = this.#system(part(system));
      if (uri !== null) one.system = uri;
      const edition = part(version);
      if (edition !== '' && uri !== null) one.version = edition;
      one.code = text.replace(/\s+/g, ' ');
      const words = part(display);
      if (words !== '') one.display = words;
      coding.push(one);
    }
    const text = part(9) || (part(1) === '' ? part(2) : '') || (part(4) === '' ? part(5) : '');
    if (coding.length === 0 && text === '') return null;
    const made: Json = {};
    if (coding.length > 0) made.coding = coding;
    if (text !== '') made.text = text;
    return made;
  }

  /** URI of a coding system; null = local or unknown. */
  #system(name: string): string | null {
    if (name === '') return null;
    const known = CODING_SYSTEMS.get(name.toLowerCase());
    if (known !== undefined) return known;
    if (/^(?:https?:\/\/|urn:)\S+$/.test(name)) return name;
    if (/^[0-2](?:\.(?:0|[1-9]\d*))+$/.test(name)) return `urn:oid:${name}`;
    const table = /^HL7(\d{4})$/i.exec(name)?.[1] ?? /^(\d{4})$/.exec(name)?.[1];
    return table === undefined ? null : `${TERMINOLOGY}/v2-${table}`;
  }

  #notesOf(notes: readonly Line[]): string {
    return notes
      .flatMap((line) => this.lines.all(line, 3))
      .map((raw) => this.lines.read(raw))
      .filter((text) => text !== '')
      .join('\n');
  }

  #setTime(made: Json, name: string, line: Line | null, field: number, at: string): void {
    const text = this.lines.text(line, field, 1);
    if (text === '') return;
    const time = this.lines.dateTime(text);
    if (time !== '') made[name] = time;
    else this.#warn('field-type', at);
  }

  #warn(code: 'field-type' | 'value-unmapped', at: string): void {
    this.warnings.push({ code, at, where: null, detail: null });
  }
}

const CODINGS = [
  [1, 2, 3, 7],
  [4, 5, 6, 8],
  [10, 11, 12, 13],
] as const;

const UNKNOWN_CODE: Json = {
  extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
};

function placeType(code: string): Json {
  return { coding: [{ system: `${TERMINOLOGY}/location-physical-type`, code }] };
}

function componentOf(raw: string, number: number): string {
  return raw.split('^')[number - 1] ?? '';
}

function urlOf(hash: string): string {
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 3) | 8).toString(16);
  return `urn:uuid:${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

function entryOf({ hash, write, resource }: Entry): Json {
  const { resourceType, ...elements } = resource ?? {};
  const type = String(resourceType);
  const fullUrl = urlOf(hash);
  const identifiers = (elements.identifier ?? []) as { system?: string; value?: string }[];
  const known =
    write === 'create'
      ? identifiers.find(({ system, value }) => system !== undefined && value !== undefined)
      : undefined;
  if (known !== undefined) {
    const ifNoneExist = `identifier=${encodeURIComponent(`${known.system}|${known.value}`)}`;
    return { fullUrl, resource, request: { method: 'POST', url: type, ifNoneExist } };
  }
  const id = hash.slice(0, 32);
  return {
    fullUrl,
    resource: { resourceType: type, id, ...elements },
    request: { method: 'PUT', url: `${type}/${id}` },
  };
}
