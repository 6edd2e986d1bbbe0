const VT = '\x0b';
const FS = '\x1c';
const CR = '\r';

/** What the bytes of one connection must be taken for. Texts hold a character a byte. */
export interface ExpectedFrame {
  readonly kind: 'message' | 'incomplete';
  readonly text: string;
}

/**
 * Reads a whole recording of a connection at once, by the words of docs/sources.md, and as simply as it can be said: the
 * listener's own decoder, which takes any pieces, is held against it. Nothing more comes behind the recording.
 */
export function expectFrames(wire: string): ExpectedFrame[] {
  const frames: ExpectedFrame[] = [];
  let at = wire.indexOf(VT);
  while (at >= 0) {
    const start = at + 1;
    let end = start;
    let kind: ExpectedFrame['kind'] | null = null;
    for (; end < wire.length && kind === null; end += 1) {
      const next = wire[end + 1];
      if (wire[end] === FS && (next === CR || next === VT)) kind = 'message';
      if (wire[end] === VT && /^(MSH|FHS|BHS)[!-/:-@[-`{-~]/.test(wire.slice(end + 1, end + 5))) kind = 'incomplete';
      if (kind !== null) break;
    }
    const text = wire.slice(start, end);
    if (kind === null) {
      // The connection has ended: FS behind a closed segment lacks its final CR alone.
      const lacksCr = text.endsWith(`${CR}${FS}`);
      if (lacksCr) frames.push({ kind: 'message', text: text.slice(0, -1) });
      else if (text !== '') frames.push({ kind: 'incomplete', text });
      break;
    }
    // A VT right behind a VT was not a frame.
    if (kind === 'message' || text !== '') frames.push({ kind, text });
    at = wire.indexOf(VT, end);
  }
  return frames;
}

export interface ExpectedAnswer {
  /** `one`: exactly one · `batch`: one, with an envelope · `chosen`: as MSH-15 and MSH-16 say · `none`. */
  readonly answers: 'one' | 'batch' | 'chosen' | 'none';
  /** MSH-10 as it stands there; null = none can be read. */
  readonly controlId: string | null;
}

/** What the content of a frame is owed, read as naively as a person would with the standard at hand. */
export function expectAnswer(text: string, kind: ExpectedFrame['kind'] = 'message'): ExpectedAnswer {
  const plain = narrow(text);
  const first = plain.replace(/^\xef\xbb\xbf/, '').replace(/^[\r\n\t ]+/, '');
  // Neither what was not ended nor what has two bytes a letter is taken apart.
  const opening = plain.replace(/^\xef\xbb\xbf/, '').replace(/^[\r\n]+/, '');
  const begins = kind === 'message' && plain === text ? /^(MSH|FHS|BHS)[!-/:-@[-`{-~]/.exec(opening)?.[1] : undefined;
  const hasSecond = /[\r\n]MSH[!-/:-@[-`{-~]/.test(opening);
  if (begins === 'FHS' || begins === 'BHS' || (begins === 'MSH' && hasSecond))
    return { answers: 'batch', controlId: null };
  const isMessage = /^MSH/.test(first);
  const [segment = ''] = first.split(/[\r\n]/);
  const delimiters = isMessage ? delimitersOf(segment) : null;
  if (delimiters === null) return { answers: 'one', controlId: null };
  const fields = segment.split(delimiters.field);
  if (fields[8]?.split(delimiters.component)[0] === 'ACK') return { answers: 'none', controlId: fields[9] ?? '' };
  const isChosen = [fields[14], fields[15]].some((wish) => !['', '""'].includes((wish ?? '').trim()));
  return { answers: isChosen ? 'chosen' : 'one', controlId: fields[9] ?? '' };
}

function delimitersOf(segment: string): { field: string; component: string } | null {
  const field = segment[3] ?? '';
  const next = segment.indexOf(field, 4);
  const all = field + segment.slice(4, next < 0 ? undefined : next);
  const areUsable = /^[!-/:-@[-`{-~]{2,6}$/.test(all) && new Set(all).size === all.length;
  const isShort = all.length === 2 && all.includes('~');
  return areUsable && !isShort ? { field, component: all[1] as string } : null;
}

/**
 * True where both name the same message. A letter of two bytes does not go into an answer of one byte a letter, which is
 * what a sender gets whose MSH-18 does not say that it writes two.
 */
export function isSameId(answered: string, owed: string | null): boolean {
  return answered === (owed ?? '') || /[^\x00-\xff]/.test(owed ?? '');
}

/** A UTF-16 message, as its first letter shows it, with one character a letter. */
export function narrow(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  const isLittle = /^(?:\xff\xfe|[MFB]\x00)/.test(text);
  const isBig = /^(?:\xfe\xff|\x00[MFB])/.test(text);
  if (!isLittle && !isBig) return text;
  return new TextDecoder(isLittle ? 'utf-16le' : 'utf-16be').decode(bytes);
}
