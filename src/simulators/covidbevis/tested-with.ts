import { CODES } from './codes.ts';
import { type Demand, demandKeys, type Follow, isList, isObject, isText, type Json } from './demand.ts';

/** How a test was made. */
export type TestKind = 'naat' | 'rat';

/** Reads who tested: the name of a contained Organization; null = none. */
export function readSite(demand: Demand, value: unknown, required: boolean, follow: Follow): string | null {
  const at = 'Observation.performer';
  if (value === undefined) {
    demand(!required, at, 'is required for a nucleic acid amplification test');
    return null;
  }
  if (!demand(isList(value) && value.length === 1, at, 'must be exactly one')) return null;
  const organization = follow((value as unknown[])[0], at, 'Organization');
  if (organization === null) return null;
  demandKeys(demand, organization, 'Organization', ['resourceType', 'id', 'meta', 'name']);
  const ok = isText(organization.name) && organization.name.length <= 80;
  return demand(ok, 'Organization.name', 'must be 1 to 80 characters') ? String(organization.name) : null;
}

/** Reads what was tested with: a device id for a rapid antigen test, a name at most for an amplification test. */
export function readDevice(
  demand: Demand,
  value: unknown,
  kind: TestKind | null,
  follow: Follow,
  devices: ReadonlySet<string> | null,
): { deviceId: string | null; deviceName: string | null } {
  const none = { deviceId: null, deviceName: null };
  if (value === undefined) {
    demand(kind !== 'rat', 'Observation.device', 'is required for a rapid antigen test');
    return none;
  }
  const device = follow(value, 'Observation.device', 'Device');
  if (device === null) return none;
  if (kind === 'naat') return { ...none, deviceName: readDeviceName(demand, device) };
  demandKeys(demand, device, 'Device of a rapid antigen test', [
    'resourceType',
    'id',
    'meta',
    'identifier',
    'deviceName',
  ]);
  const list = isList(device.identifier) ? device.identifier : [];
  const only = isObject(list[0]) ? list[0] : {};
  demand(
    list.length === 1 && only.system === CODES.ratDevice,
    'Device.identifier',
    `must be exactly one of ${CODES.ratDevice}`,
  );
  const id = isText(only.value) ? only.value : '';
  demand(/^\d{1,10}$/.test(id), 'Device.identifier[0].value', 'must be the digits of a JRC device id');
  demand(devices === null || devices.has(id), 'Device.identifier[0].value', 'is not on the EU common list');
  return { ...none, deviceId: id };
}

function readDeviceName(demand: Demand, device: Json): string | null {
  const noId = 'a nucleic acid amplification test is named, its device id must not be used';
  demand(device.identifier === undefined, 'Device.identifier', noId);
  demandKeys(demand, device, 'Device', ['resourceType', 'id', 'meta', 'deviceName', 'identifier']);
  const list = isList(device.deviceName) ? device.deviceName : [];
  const only = isObject(list[0]) ? list[0] : {};
  demand(list.length === 1 && only.type === 'manufacturer-name', 'Device.deviceName', 'must be one manufacturer-name');
  const ok = isText(only.name) && only.name.length <= 80;
  return demand(ok, 'Device.deviceName[0].name', 'must be 1 to 80 characters') ? String(only.name) : null;
}
