/** When a test stood on the EU common list: from a day on (null = nobody says since when), until the first day off it. */
export interface ListedTime {
  /** YYYY-MM-DD. */
  readonly from: string | null;
  readonly until: string | null;
}

export interface ListedDevice {
  readonly id: string;
  readonly name: string;
  readonly times: readonly ListedTime[];
}

export interface DeviceList {
  /** The day the list is of, YYYY-MM-DD; null = it does not say. */
  readonly date: string | null;
  readonly devices: readonly ListedDevice[];
}

const VALUE_SET = 'covid-19-lab-test-manufacturer-and-name';

/**
 * Reads the EU common list of antigen tests out of the Joint Research Centre's JSON (`deviceList` with the history of
 * each device), or out of the value set of the digital covid certificate, alone or in a list of value sets. The value set
 * says of a device that was withdrawn only when its entry changed last, and nothing of when it came: that day is taken
 * for its first day off the list.
 * @throws Error if it is neither, or a device of it cannot be read
 */
export function readDeviceList(json: string): DeviceList {
  let content: unknown;
  try {
    // A byte order mark is no part of JSON.
    content = JSON.parse(json.replace(/^\uFEFF/, ''));
  } catch {
    throw new Error('the file is no JSON');
  }
  const sets = Array.isArray(content) ? content : [content];
  for (const one of sets) {
    if (!isMap(one)) continue;
    if (Array.isArray(one.deviceList)) return readCentre(one, one.deviceList);
    if (one.valueSetId === VALUE_SET && isMap(one.valueSetValues)) return readValueSet(one, one.valueSetValues);
  }
  throw new Error(`the file has neither deviceList nor the value set ${VALUE_SET}`);
}

function readValueSet(set: Fields, values: Fields): DeviceList {
  const devices = Object.entries(values).map(([id, value]): ListedDevice => {
    if (!isMap(value) || typeof value.active !== 'boolean') throw unreadable(id);
    const ended = value.validUntil ?? (value.active ? null : value.version);
    const until = ended === null ? null : readDate(ended);
    if (ended !== null && until === null) throw unreadable(id);
    return { id: readId(id), name: textOf(value.display), times: [{ from: null, until }] };
  });
  return { date: readDate(set.valueSetDate), devices: sorted(devices) };
}

function readCentre(list: Fields, entries: readonly unknown[]): DeviceList {
  const devices = entries.flatMap((entry): ListedDevice[] => {
    if (!isMap(entry)) throw unreadable('?');
    const id = readId(textOf(entry.id_device));
    const history = entry.hsc_list_history;
    if (!Array.isArray(history)) throw unreadable(id);
    const steps = history.map((step: unknown) => {
      const date = isMap(step) ? readDate(step.list_date) : null;
      const isListed = isMap(step) ? readFlag(step.in_common_list) : null;
      if (date === null || isListed === null) throw unreadable(id);
      return { date, isListed };
    });
    steps.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : 0));
    const maker = isMap(entry.manufacturer) ? textOf(entry.manufacturer.name) : '';
    const name = [maker, textOf(entry.commercial_name)].filter((part) => part !== '').join(', ');
    const times = joinSteps(steps);
    // In the database, but never on the list.
    return times.length === 0 ? [] : [{ id, name, times }];
  });
  return { date: readDate(list.extracted_on), devices: sorted(devices) };
}

function joinSteps(steps: readonly { readonly date: string; readonly isListed: boolean }[]): ListedTime[] {
  const times: ListedTime[] = [];
  let from: string | null = null;
  for (const { date, isListed } of steps) {
    if (isListed) from ??= date;
    else if (from !== null) {
      times.push({ from, until: date });
      from = null;
    }
  }
  return from === null ? times : [...times, { from, until: null }];
}

type Fields = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value).trim()
    : '';
}

function readFlag(value: unknown): boolean | null {
  const text = textOf(value);
  if (/^(true|yes|1)$/i.test(text)) return true;
  return /^(false|no|0)$/i.test(text) ? false : null;
}

function readId(text: string): string {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw unreadable(text);
  return text;
}

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** The day of `2021-07-13 05:43:08 CEST`, or of `July 13, 2021 CET`; null = it is none. */
function readDate(value: unknown): string | null {
  const text = textOf(value);
  const iso = /^\d{4}-\d\d-\d\d(?![\d])/.exec(text)?.[0];
  const [, monthName = '', day = '', year = ''] = /^([A-Z][a-z]+) (\d{1,2}), (\d{4})\b/.exec(text) ?? [];
  const month = MONTHS.findIndex((name) => monthName.length >= 3 && name.startsWith(monthName)) + 1;
  const date = iso ?? (month === 0 ? '' : `${year}-${String(month).padStart(2, '0')}-${day.padStart(2, '0')}`);
  const time = Date.parse(`${date}T00:00:00Z`);
  return date !== '' && !Number.isNaN(time) && new Date(time).toISOString().startsWith(date) ? date : null;
}

function sorted(devices: ListedDevice[]): ListedDevice[] {
  const ids = new Set<string>();
  for (const { id } of devices) {
    if (ids.has(id)) throw new Error(`the device ${id} stands there twice`);
    ids.add(id);
  }
  return devices.sort((a, b) => Number(a.id) - Number(b.id));
}

function unreadable(id: string): Error {
  return new Error(`the device ${id === '' ? 'without a number' : id} cannot be read`);
}
