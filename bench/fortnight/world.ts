import { HOUR_MS, nextSwitch, onDay } from './swedish-time.ts';

/** A care provider (vårdgivare) with its own client certificate. */
export interface Provider {
  readonly id: string;
  readonly name: string;
  /** Organisationsnummer. */
  readonly number: string;
  readonly uvciPrefix: string;
}

export const NORD: Provider = { id: 'region-nord', name: 'Provtagning Nord', number: '2321000016', uvciPrefix: 'NORD' };
export const SYD: Provider = { id: 'klinik-syd', name: 'Klinik Syd', number: '5599999991', uvciPrefix: 'SYD' };
export const VAST: Provider = {
  id: 'vardcentral-vast',
  name: 'Vårdcentralen Väst & Ö',
  number: '2120000134',
  uvciPrefix: 'VAST',
};
export const PROVIDERS = [NORD, SYD, VAST] as const;
/** One that nobody has configured. */
export const STRANGER: Provider = { id: 'nobody', name: 'Nobody', number: '5560360793', uvciPrefix: 'NIL' };

/** `kust` speaks MLLP in ISO 8859-1, `skog` writes files in UTF-8. */
export type Lab = 'kust' | 'skog';
/** What a laboratory may not speak for. */
export const NOT_PERMITTED: Readonly<Record<Lab, Provider | null>> = { kust: null, skog: VAST };

/** Time in which nothing can be issued; null = for nobody. */
export interface Block {
  readonly party: string | null;
  readonly from: number;
  readonly until: number;
}

/** What happens in the fortnight, whatever the laboratories send. */
export interface World {
  readonly startAt: number;
  readonly endAt: number;
  /** Night in which the clocks are changed. */
  readonly switchAt: number;
  readonly killAt: number;
  /** The certificate of Klinik Syd ends. */
  readonly certificateEndsAt: number;
  /** Somebody puts one in its place that has ended, too. */
  readonly wrongRenewalAt: number;
  readonly renewalAt: number;
  /** The service answers 503, */
  readonly outageAt: number;
  /** then nobody listens any more, */
  readonly outageClosedAt: number;
  /** then it works. */
  readonly outageEndsAt: number;
  readonly restartAt: number;
  readonly blocks: readonly Block[];
}

/**
 * Fourteen days from a Monday, Swedish time, with a change of the clocks on the seventh. They lie ahead: no certificate
 * of them has ended by the machine's clock, which TLS itself looks at.
 * @param after by the machine's clock, now or later
 */
export function makeWorld(after: number, days: number): World {
  const switchAt = nextSwitch(after + 8 * 24 * HOUR_MS);
  const startAt = onDay(switchAt, -6);
  const at = (day: number, hour: number, minute = 0) => onDay(startAt, day, hour, minute);
  const [certificateEndsAt, renewalAt] = [at(4, 9), at(5, 13)];
  const [outageAt, outageEndsAt] = [at(8, 14), at(9, 10)];
  return {
    startAt,
    endAt: at(days, 0),
    switchAt,
    killAt: at(3, 10, 30),
    certificateEndsAt,
    wrongRenewalAt: at(4, 15),
    renewalAt,
    outageAt,
    outageClosedAt: at(9, 2),
    outageEndsAt,
    restartAt: at(10, 12, 30),
    blocks: [
      { party: SYD.id, from: certificateEndsAt, until: renewalAt },
      { party: null, from: outageAt, until: outageEndsAt },
    ],
  };
}

/** The block that a moment lies in. */
export function blockAt(world: World, party: string, at: number): Block | null {
  const lies = (block: Block) => (block.party ?? party) === party && block.from <= at && at < block.until;
  return world.blocks.find(lies) ?? null;
}

/** Antigen tests, by their number in the EU common list. */
export const DEVICES = {
  listed: ['1232', '1833', '2228'],
  /** Taken off the list, for less than eight weeks. */
  grace: '1457',
  /** Taken off the list, for longer. */
  withdrawn: '1199',
  /** Comes on the list after the fortnight. */
  notYet: '3015',
  unknown: '4711',
} as const;
