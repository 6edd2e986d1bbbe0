import { PDFDocument, rgb, StandardFonts } from 'pdf-lib';

export interface DocumentContent {
  readonly title: string;
  /** Label and value, in order. */
  readonly lines: readonly (readonly [string, string])[];
  readonly qrPng: Uint8Array;
  /** ms since the epoch. */
  readonly issuedAt: number;
}

export const NOT_VALID = 'TEST – NOT VALID';

/** Draws a certificate as a PDF of one page that says it is not valid. Never throws for what names hold. */
export async function drawDocument(content: DocumentContent): Promise<Uint8Array> {
  const pdf = await PDFDocument.create();
  pdf.setTitle(`${content.title} (${NOT_VALID})`);
  pdf.setCreationDate(new Date(content.issuedAt));
  pdf.setModificationDate(new Date(content.issuedAt));
  const page = pdf.addPage([595, 842]);
  const plain = await pdf.embedFont(StandardFonts.Helvetica);
  const bold = await pdf.embedFont(StandardFonts.HelveticaBold);
  const known = new Set(plain.getCharacterSet());
  // The standard fonts hold Latin-1 only; a foreign letter must not stop the certificate.
  const printable = (text: string): string =>
    [...text].map((letter) => (known.has(letter.codePointAt(0) ?? 0) ? letter : '?')).join('');

  page.drawText(printable(content.title), { x: 50, y: 780, size: 20, font: bold });
  page.drawText(NOT_VALID, { x: 50, y: 750, size: 24, font: bold, color: rgb(0.8, 0, 0) });
  let y = 715;
  for (const [label, value] of content.lines) {
    page.drawText(printable(label), { x: 50, y, size: 9, font: plain, color: rgb(0.35, 0.35, 0.35) });
    page.drawText(printable(value).slice(0, 90), { x: 50, y: y - 14, size: 11, font: bold });
    y -= 34;
  }
  const qr = await pdf.embedPng(content.qrPng);
  page.drawImage(qr, { x: 50, y: 60, width: 220, height: 220 });
  page.drawText('This is not a travel document.', { x: 290, y: 170, size: 10, font: plain });
  page.drawText('Made by a simulator; signed with a throw-away key.', { x: 290, y: 152, size: 10, font: plain });
  return pdf.save();
}
