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

function authorityUri(id: string, type: string, systems: Table | null): string | null {
  if (id === '') return null;
  const known = systemUri(id, systems);
  if (known !== null) return known;
  if (/^(?:UUID|GUID)$/i.test(type) && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
    return `urn:uuid:${id.toLowerCase()}`;
  }
  return /^(?:DNS)$/i.test(type) && /^[a-z0-9.-]+$/i.test(id) ? `http://${id}` : null;
}
