import type { Fault } from './fault.ts';

/** A care provider with its own client certificate. Requests made for it leave under that certificate and no other. */
export interface Party {
  readonly id: string;
  /** The name as it shall print. */
  readonly name: string;
  /** Organisationsnummer, 10 digits. */
  readonly organisationNumber: string;
}

/** What a TLS client shows of the party; `version` changes when the files do, so that pools can be renewed. */
export interface Credentials {
  /** PEM certificate (with its chain) and key, or a PKCS#12 container: what `tls.connect` takes under these names. */
  readonly tls:
    | { readonly cert: string; readonly key: string; readonly passphrase?: string }
    | { readonly pfx: Buffer; readonly passphrase?: string };
  readonly version: string;
}

export interface PartyStatus {
  readonly party: Party;
  /** Why it is stopped; null = usable. */
  readonly fault: Fault | null;
  /** End of the certificate's validity, ms since the epoch; null where no certificate could be read. */
  readonly validTo: number | null;
}

export interface Parties {
  list(): readonly PartyStatus[];
  get(id: string): Party | null;
  /**
   * The party's current credentials, read again when their files change.
   * @throws Fault `party-stopped` — the certificate is missing, expired, not yet valid, of another organisation, or does not fit its key
   */
  credentials(id: string): Credentials;
}
