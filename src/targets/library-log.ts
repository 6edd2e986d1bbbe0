import type { Host } from '../contracts/plugin.ts';

/** What fhir-kit-client calls its own log, which holds access tokens and whole answers. */
const LOGS = ['fhir-kit-client:info', 'fhir-kit-client:error'];

/**
 * Sees to it that the FHIR client's own log is off: DEBUG, by which it is turned on, would write patient data.
 * @throws Error that says what to leave out of DEBUG
 */
export function refuseLibraryLog(host: Pick<Host, 'readVariable'>): void {
  const wanted = (host.readVariable('DEBUG') ?? '').split(/[\s,]+/).filter((name) => name !== '');
  const isOn = LOGS.some((log) => {
    const [on, off] = [wanted.filter((name) => !name.startsWith('-')), wanted.filter((name) => name.startsWith('-'))];
    return on.some((name) => covers(name, log)) && !off.some((name) => covers(name.slice(1), log));
  });
  if (!isOn) return;
  throw new Error(
    'the environment variable DEBUG turns on the log of fhir-kit-client, which would write access tokens and patient data; unset it, or add -fhir-kit-client:* to it',
  );
}

/** `*` stands for anything. @see debug 4, createDebug.enable */
function covers(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
