import { deflateSync } from 'node:zlib';

export interface DocumentContent {
  readonly title: string;
  /** Label and value, in order. */
  readonly lines: readonly (readonly [string, string])[];
  /** The modules of the QR code. */
  readonly qr: { readonly size: number; isDark(row: number, column: number): boolean };
  /** ms since the epoch. */
  readonly issuedAt: number;
}

export const NOT_VALID = 'TEST – NOT VALID';

const PAGE = '0 0 595 842';
const QR_POINTS = 220;

/** Draws a certificate as a PDF of one page that says it is not valid. Never throws for what names hold. */
export function drawDocument({ title, lines, qr, issuedAt }: DocumentContent): Buffer {
  const parts = [
    text('bold', 20, 50, 780, title),
    text('bold', 24, 50, 750, NOT_VALID, '0.8 0 0'),
    ...lines.flatMap(([label, value], index) => [
      text('plain', 9, 50, 715 - 34 * index, label, '0.35 0.35 0.35'),
      text('bold', 11, 50, 701 - 34 * index, value.slice(0, 90)),
    ]),
    squares(qr, 50, 60),
    text('plain', 10, 290, 170, 'This is not a travel document.'),
    text('plain', 10, 290, 152, 'Made by a simulator; signed with a throw-away key.'),
  ];
  const content = deflateSync(Buffer.from(parts.join('\n'), 'latin1'));
  const font = (name: string) => `<< /Type /Font /Subtype /Type1 /BaseFont /${name} /Encoding /WinAnsiEncoding >>`;
  const made = `(D:${new Date(issuedAt).toISOString().replace(/[-:T]|\..*/g, '')}Z)`;
  const name = Buffer.from(`\ufeff${title} (${NOT_VALID})`, 'utf16le').swap16().toString('hex');
  return assemble([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    `<< /Type /Page /Parent 2 0 R /MediaBox [${PAGE}] /Contents 6 0 R /Resources << /Font << /plain 4 0 R /bold 5 0 R >> >> >>`,
    font('Helvetica'),
    font('Helvetica-Bold'),
    Buffer.concat([
      Buffer.from(`<< /Length ${content.length} /Filter /FlateDecode >>\nstream\n`),
      content,
      Buffer.from('\nendstream'),
    ]),
    `<< /Title <${name}> /CreationDate ${made} /ModDate ${made} >>`,
  ]);
}

/** The objects numbered from 1: the first is the catalogue, the last tells of the document. */
function assemble(objects: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from('%PDF-1.4\n%\u00e5\u00e4\u00f6\n', 'latin1')];
  const offsets: number[] = [];
  let length = parts[0]?.length ?? 0;
  for (const [index, object] of objects.entries()) {
    const part = Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), Buffer.from(object), Buffer.from('\nendobj\n')]);
    offsets.push(length);
    length += part.length;
    parts.push(part);
  }
  const entries = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`);
  const count = objects.length + 1;
  const table = `xref\n0 ${count}\n0000000000 65535 f \n${entries.join('')}`;
  const trailer = `trailer\n<< /Size ${count} /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${length}\n%%EOF\n`;
  return Buffer.concat([...parts, Buffer.from(table + trailer)]);
}

/** A line of text; x and y in points from the lower left, as everything in PDF is. */
function text(font: 'plain' | 'bold', size: number, x: number, y: number, words: string, colour = '0 0 0'): string {
  return `BT ${colour} rg /${font} ${size} Tf ${x} ${y} Td <${encode(words)}> Tj ET`;
}

/** Bytes 80 to 9F of windows-1252, which the standard fonts are read by; the others are Latin-1. */
const SPECIAL = new Map(
  Array.from({ length: 32 }, (_, index) => 0x80 + index).map((byte) => [
    new TextDecoder('windows-1252').decode(Uint8Array.of(byte)),
    byte,
  ]),
);

/** A foreign letter must not stop the certificate: it is printed as a question mark. */
function encode(words: string): string {
  const bytes = [...words].map((letter) => {
    const code = letter.codePointAt(0) ?? 0;
    const isLatin1 = (code >= 0x20 && code < 0x7f) || (code >= 0xa0 && code < 0x100);
    return isLatin1 ? code : (SPECIAL.get(letter) ?? 0x3f);
  });
  return Buffer.from(bytes).toString('hex');
}

/** The dark modules as one black shape, a rectangle for each that stands alone or begins a row of them. */
function squares({ size, isDark }: DocumentContent['qr'], x: number, y: number): string {
  const side = QR_POINTS / size;
  const shape: string[] = [];
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; ) {
      const from = column;
      while (column < size && isDark(row, column)) column += 1;
      const [left, bottom] = [x + from * side, y + (size - 1 - row) * side];
      if (column > from) shape.push([left, bottom, (column - from) * side, side].map(point).join(' '));
      else column += 1;
    }
  }
  return `0 0 0 rg\n${shape.map((rectangle) => `${rectangle} re`).join('\n')}\nf`;
}

const point = (value: number) => value.toFixed(2);
