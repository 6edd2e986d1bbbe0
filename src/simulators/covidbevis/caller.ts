import type { PeerCertificate } from 'node:tls';

/**
 * Reads the organisationsnummer (10 digits) out of a client certificate's subject: serialNumber, organizationIdentifier
 * (2.5.4.97) or OU, as ten digits, with `16` or `SE` before them, or in `NTRSE-…` form; null = none there.
 */
export function readCaller(certificate: PeerCertificate): string | null {
  const subject = certificate.subject as unknown as Record<string, string | string[] | undefined> | undefined;
  if (!subject) return null;
  for (const name of ['serialNumber', 'organizationIdentifier', '2.5.4.97', 'OU']) {
    for (const value of [subject[name] ?? []].flat()) {
      const found = /^(?:16|SE|NTRSE-|NTRSE)?(\d{6})-?(\d{4})$/.exec(value.trim());
      if (found) return `${found[1]}${found[2]}`;
    }
  }
  return null;
}
