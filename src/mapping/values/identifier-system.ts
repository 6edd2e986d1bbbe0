import type { Found, Run } from '../scope.ts';
import type { Table } from '../table.ts';
import { partReader, systemUri } from './coded.ts';

/**
 * URI of an assigning authority given as HD (`namespace & universal id & type`, at component level). A namespace alone
 * is nobody's URI and gives null; a channel's table says what it stands for.
 * @see HL7 v2-to-FHIR, datatype map HD[uri]
 */
export function readAuthority(found: Found, run: Run, systems: Table | null): string | null {
  if (found.cell === null) return typeof found.value === 'string' ? found.value : null;
  const part = partReader(found, run);
  return authorityUri(part(2), part(3), systems);
}

/** The same for an EI, whose authority stands in its components 2 to 4. */
export function readEntityAuthority(found: Found, run: Run, systems: Table | null): string | null {
  const part = partReader(found, run);
  return authorityUri(part(3), part(4), systems);
}

/**
 * URI of an application given as HD, of any type that is one; a URI is itself, where the guide puts `urn:uri:` before it,
 * which is registered with nobody.
 * @see HL7 v2-to-FHIR, datatype map HD[MessageHeader.source-endpoint]
 */
export function readEndpoint(found: Found, run: Run): string | null {
  const part = partReader(found, run);
  const [id, type] = [part(2), part(3).toUpperCase()];
  if (type === 'ISO') return OID.test(id) ? `urn:oid:${id}` : null;
  if (type === 'UUID') return UUID.test(id) ? `urn:uuid:${id.toLowerCase()}` : null;
  if (type === 'DNS') return /^[a-z0-9.-]+$/i.test(id) ? `urn:dns:${id}` : null;
  return type === 'URI' && /^[a-z][a-z0-9+.-]*:[!-~]+$/i.test(id) ? id : null;
}

const OID = /^[0-2](?:\.(?:0|[1-9]\d*))+$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function authorityUri(id: string, type: string, systems: Table | null): string | null {
  if (id === '') return null;
  const known = systemUri(id, systems);
  if (known !== null) return known;
  if (/^(?:UUID|GUID)$/i.test(type) && UUID.test(id)) {
    return `urn:uuid:${id.toLowerCase()}`;
  }
  return /^(?:DNS)$/i.test(type) && /^[a-z0-9.-]+$/i.test(id) ? `http://${id}` : null;
}
