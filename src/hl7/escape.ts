import type { Delimiters } from './delimiters.ts';

/**
 * Turns a raw text into what it means: delimiters, hexadecimal bytes (in the message's character set), line breaks.
 * Highlighting is dropped; a sequence this function does not know stays as it came, because it may mean something to
 * the reader. Never throws.
 * @param decodeBytes reads the bytes of `\Xhh…\`; where it throws, the sequence stays as it came
 * @see HL7 v2.5.1 §2.7
 */
export function unescapeText(raw: string, delimiters: Delimiters, decodeBytes: (bytes: Uint8Array) => string): string {
  const escaper = delimiters.escape;
  if (escaper === null || !raw.includes(escaper)) return raw;
  let text = '';
  let at = 0;
  for (;;) {
    const open = raw.indexOf(escaper, at);
    const close = open < 0 ? -1 : raw.indexOf(escaper, open + 1);
    if (close < 0) return text + raw.slice(at);
    const meaning = readSequence(raw.slice(open + 1, close), delimiters, decodeBytes);
    text += raw.slice(at, open);
    if (meaning === null) {
      // Not a sequence: the closing character may open the next one, so only the opening one is passed over.
      text += escaper;
      at = open + 1;
    } else {
      text += meaning;
      at = close + 1;
    }
  }
}

/**
 * Makes a text safe to stand in a field of a message with these delimiters. Line breaks (CR, LF, CRLF) become `\.br\`,
 * other control characters `\Xhh\`; `unescapeText` gives the text back, with LF for each line break. Where MSH-2 ends
 * before the escape character, delimiters and control characters become blanks.
 */
export function escapeText(text: string, delimiters: Delimiters): string {
  const escaper = delimiters.escape;
  let escaped = '';
  for (const character of text.replace(/\r\n?/g, '\n')) {
    const name = nameOf(character, delimiters);
    if (name === null) escaped += character;
    else escaped += escaper === null ? ' ' : escaper + name + escaper;
  }
  return escaped;
}

/**
 * Brings a raw text without delimiters of its own, such as a sub-component, from one message into another: delimiters
 * that it means are escaped for the other, hexadecimal bytes become letters, and what only a reader understands
 * (highlighting, formatting, sequences of a sender's own) stays as it is.
 * @param decodeBytes reads the bytes of `\Xhh…\` in the first message; where it throws, the sequence stays as it came
 */
export function transcodeText(
  raw: string,
  from: Delimiters,
  to: Delimiters,
  decodeBytes: (bytes: Uint8Array) => string,
): string {
  const escaper = from.escape;
  if (escaper === null || !raw.includes(escaper)) return escapeText(raw, to);
  let written = '';
  let at = 0;
  for (;;) {
    const open = raw.indexOf(escaper, at);
    const close = open < 0 ? -1 : raw.indexOf(escaper, open + 1);
    if (close < 0) return written + escapeText(raw.slice(at), to);
    const sequence = raw.slice(open + 1, close);
    const isKept =
      isSequence(sequence) && to.escape !== null && !Object.values(to).some((one) => sequence.includes(one));
    const isSign = /^(?:[FSRETP]|X[0-9A-Fa-f]+)$/.test(sequence);
    const meaning = isSign || !isKept ? readSequence(sequence, from, decodeBytes) : null;
    written += escapeText(raw.slice(at, open), to);
    at = close + 1;
    if (meaning !== null) written += escapeText(meaning, to);
    else if (isKept) written += to.escape + sequence + to.escape;
    else {
      written += escapeText(escaper, to);
      at = open + 1;
    }
  }
}

/** What reads as a sequence, whatever it means: no blank, and no longer than any that the standard has. */
function isSequence(sequence: string): boolean {
  return /^(?:[HN]|[XCMZ][0-9A-Za-z]*|\.[a-z]{2}[+-]?\d{0,3})$/.test(sequence);
}

function readSequence(
  sequence: string,
  delimiters: Delimiters,
  decodeBytes: (bytes: Uint8Array) => string,
): string | null {
  switch (sequence) {
    case 'F':
      return delimiters.field;
    case 'S':
      return delimiters.component;
    case 'R':
      return delimiters.repetition;
    case 'E':
      return delimiters.escape;
    case 'T':
      return delimiters.subcomponent ?? '&';
    case 'P':
      return delimiters.truncation ?? '#';
    case 'H':
    case 'N':
      return '';
    default:
      return readFormatting(sequence) ?? readHexadecimal(sequence, decodeBytes);
  }
}

/** `.br` and `.sp` break the line (n times); the other commands of FT only move margins. */
function readFormatting(sequence: string): string | null {
  const command = /^\.(br|sp|fi|nf|in|ti|sk|ce)([+-]?\d{0,3})$/.exec(sequence);
  if (command === null) return null;
  const count = Math.max(1, Number(command[2] || '1'));
  if (command[1] === 'sk') return ' '.repeat(count);
  if (command[1] === 'ce') return '\n';
  return command[1] === 'br' || command[1] === 'sp' ? '\n'.repeat(count) : '';
}

function readHexadecimal(sequence: string, decodeBytes: (bytes: Uint8Array) => string): string | null {
  if (!/^X(?:[0-9A-Fa-f]{2})+$/.test(sequence)) return null;
  try {
    return decodeBytes(Uint8Array.from(sequence.slice(1).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
  } catch {
    return null;
  }
}

function nameOf(character: string, delimiters: Delimiters): string | null {
  switch (character) {
    case delimiters.field:
      return 'F';
    case delimiters.component:
      return 'S';
    case delimiters.repetition:
      return 'R';
    case delimiters.escape:
      return 'E';
    case delimiters.subcomponent:
      return 'T';
    case delimiters.truncation:
      return 'P';
    case '\n':
      // The point of `.br` would be taken for the delimiter that it is in some messages.
      return Object.values(delimiters).includes('.') ? 'X0A' : '.br';
    default:
      return character < ' ' ? `X${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}` : null;
  }
}
