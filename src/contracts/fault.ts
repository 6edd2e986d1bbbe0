/**
 * contracts/ holds the promises between rooms: types, the fault table and the lifecycle table, and no behaviour beyond
 * them. It imports no room and must never know one.
 */

/** Who has to act: the sender, the integrator, the outside world (we wait), or whoever runs or wrote the engine. */
export type Blame = 'message' | 'mapping' | 'world' | 'engine';

interface FaultRow {
  readonly blame: Blame;
  /** Code of HL7 table 0357 for ERR-3. */
  readonly hl7: '100' | '101' | '102' | '103' | '200' | '201' | '202' | '203' | '207';
  /** Answer when this fault refuses a message: AE = mend the content; AR = no custody, or not for us. */
  readonly answer: 'AE' | 'AR';
  /** What an attempt's fault stops besides its own lane: everything of the party at this target, or one operation of it. */
  readonly pauses: 'party' | 'operation' | null;
  /** Complete sentence a laboratory or an operator can act on. Never holds a value of the message. */
  readonly text: string;
}

const row = (
  blame: Blame,
  hl7: FaultRow['hl7'],
  answer: FaultRow['answer'],
  text: string,
  pauses: FaultRow['pauses'] = null,
): FaultRow => ({ blame, hl7, answer, text, pauses });

/**
 * Every fault there is. `docs/faults.md` is generated from this table.
 * @see HL7 v2.5.1 §2.9.2 (who answers what), table 0357 (ERR-3)
 */
export const FAULTS = {
  'not-hl7': row(
    'message',
    '207',
    'AR',
    'What came holds no HL7 v2 message: there is no usable MSH segment at its start.',
  ),
  'frame-too-large': row('message', '207', 'AR', 'The message is larger than this listener accepts.'),
  'frame-incomplete': row('message', '207', 'AR', 'The frame ended before its message did.'),
  'charset-unknown': row('message', '103', 'AE', 'MSH-18 names a character set that is not supported.'),
  'charset-undecodable': row('message', '102', 'AE', 'The bytes are not valid in the declared character set.'),
  'type-unsupported': row('message', '200', 'AR', 'No mapping of this channel takes this message type.'),
  'event-unsupported': row('message', '201', 'AR', 'No mapping of this channel takes this trigger event.'),
  'version-unsupported': row('message', '203', 'AR', 'This HL7 version is not supported.'),
  'processing-id-unsupported': row('message', '202', 'AR', 'This processing id is not accepted here.'),
  'segment-sequence': row('message', '100', 'AE', 'A segment is missing or stands in the wrong place.'),
  'field-required': row('message', '101', 'AE', 'A required field is missing.'),
  'field-type': row('message', '102', 'AE', 'A field does not hold a valid value of its data type.'),
  'check-digit': row('message', '102', 'AE', 'The check digit of an identifier is wrong.'),
  'time-zone-gap': row('message', '102', 'AE', 'The local time does not exist: the clock was set forward over it.'),
  'time-zone-overlap': row('message', '102', 'AE', 'The local time exists twice: the clock was set back over it.'),
  'code-refused': row('message', '103', 'AE', 'A code is not one that this receiver accepts.'),
  'rule-refuses': row('message', '207', 'AE', 'A rule of the mapping refuses what the message says.'),
  'too-many': row('message', '207', 'AR', 'The message holds more parts than this channel accepts.'),

  'code-unmapped': row('mapping', '103', 'AE', 'A code has no row in the mapping table.'),
  'value-unmapped': row('mapping', '102', 'AE', 'A value has a form that the mapping does not cover.'),
  'identities-disagree': row('mapping', '102', 'AE', 'The identifiers of the person contradict each other.'),
  'rule-holds': row('mapping', '207', 'AE', 'A rule of the mapping holds the result for a person.'),
  'party-unknown': row('mapping', '103', 'AE', 'No care provider is configured for this message.'),
  'party-not-permitted': row('mapping', '103', 'AE', 'This channel may not speak for that care provider.'),
  'mapping-incomplete': row('mapping', '207', 'AE', 'The mapping made something its target does not accept.'),
  'already-delivered': row(
    'mapping',
    '207',
    'AE',
    'The result was changed after it had been delivered; what was issued has to be judged by a person.',
  ),
  'later-delivered': row(
    'mapping',
    '207',
    'AE',
    'A later result was taken for the first one, and was or may have been delivered; what was issued has to be judged by a person.',
  ),

  'target-unreachable': row('world', '207', 'AR', 'The receiver could not be reached.'),
  'target-timeout': row('world', '207', 'AR', 'The receiver did not answer in time.'),
  'target-busy': row('world', '207', 'AR', 'The receiver asked to be tried later.'),
  'target-failing': row('world', '207', 'AR', 'The receiver failed with an error of its own.'),
  'tls-refused': row('world', '207', 'AR', 'The TLS handshake with the receiver failed.', 'party'),
  'target-unauthorized': row(
    'world',
    '207',
    'AR',
    'The receiver does not accept the care provider’s certificate or token.',
    'party',
  ),
  'target-forbidden': row(
    'world',
    '207',
    'AR',
    'The receiver does not permit this operation to the care provider.',
    'operation',
  ),
  'target-refused': row('message', '207', 'AE', 'The receiver refused the content.'),
  'target-unexpected': row('mapping', '207', 'AE', 'The receiver gave an answer that this target does not expect.'),
  'answer-unreadable': row(
    'world',
    '207',
    'AE',
    'The receiver accepted, but its answer could not be read or does not match.',
  ),
  'given-up': row('mapping', '207', 'AE', 'This delivery kept failing while others to the same receiver succeeded.'),
  'in-doubt': row('engine', '207', 'AE', 'It is not known whether the last attempt reached the receiver.'),
  'party-stopped': row(
    'engine',
    '207',
    'AR',
    'The care provider is stopped: its certificate or key cannot be used.',
    'party',
  ),

  'journal-busy': row('engine', '207', 'AR', 'The journal cannot take more just now; send the same again.'),
  'disk-low': row(
    'engine',
    '207',
    'AR',
    'The disk of the journal is nearly full, so nothing is taken in; send the same again later.',
  ),
  'journal-failed': row('engine', '207', 'AR', 'The journal could not store the message; send the same again.'),
  unsettled: row(
    'engine',
    '207',
    'AR',
    'The message is stored, but not everything made of it has reached its end; send the same again for the final answer.',
  ),
  stopping: row('engine', '207', 'AR', 'The engine is stopping; send the same again.'),
  internal: row('engine', '207', 'AE', 'An error inside the engine.'),
} as const satisfies Record<string, FaultRow>;

export type FaultCode = keyof typeof FAULTS;

/** A fault as it is stored and shown: no value of the message in any field. */
export interface FaultRecord {
  readonly code: FaultCode;
  /** HL7 location such as `PID-3[2].1` (repetition and component from 1) or `OBX[3]-5`; null = the message as a whole. */
  readonly at: string | null;
  /** Where in our own files: `mappings/x.yaml:12:5`; null = not in a file. */
  readonly where: string | null;
  /** A word that is not from a field: a character set's or table's name, an HTTP status, a limit. */
  readonly detail: string | null;
}

/** The only error that crosses rooms. Its message is the table's text and the location, never a field's value. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly at: string | null;
  readonly where: string | null;
  readonly detail: string | null;

  constructor(
    code: FaultCode,
    more: { at?: string | null; where?: string | null; detail?: string | null; cause?: unknown } = {},
  ) {
    super(faultText({ code, at: more.at ?? null, where: more.where ?? null, detail: more.detail ?? null }), {
      cause: more.cause,
    });
    this.name = 'Fault';
    this.code = code;
    this.at = more.at ?? null;
    this.where = more.where ?? null;
    this.detail = more.detail ?? null;
  }

  get blame(): Blame {
    return FAULTS[this.code].blame;
  }

  get record(): FaultRecord {
    return { code: this.code, at: this.at, where: this.where, detail: this.detail };
  }
}

/** One line for people: text, detail, HL7 location, file position, as far as they are known. */
export function faultText(fault: FaultRecord): string {
  const tail = [fault.detail, fault.at, fault.where].filter((part) => part !== null).join(', ');
  return tail === '' ? FAULTS[fault.code].text : `${FAULTS[fault.code].text} (${tail})`;
}
