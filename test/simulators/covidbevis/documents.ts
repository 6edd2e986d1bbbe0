import { inflateSync } from 'node:zlib';

/** Pixels of a PNG (8 bits, greyscale, RGB or RGBA, or a palette of 1 to 8 bits; not interlaced) as RGBA. */
export function readPng(png: Uint8Array): { width: number; height: number; pixels: Uint8ClampedArray } {
  const bytes = Buffer.from(png);
  const parts: Buffer[] = [];
  let [width, height, depth, colour] = [0, 0, 0, 0];
  let palette = Buffer.alloc(0);
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') {
      [width, height, depth, colour] = [data.readUInt32BE(0), data.readUInt32BE(4), data[8] ?? 0, data[9] ?? 0];
    }
    if (type === 'PLTE') palette = Buffer.from(data);
    if (type === 'IDAT') parts.push(data);
    at += 12 + length;
  }
  const samples = { 0: 1, 2: 3, 3: 1, 6: 4 }[colour] ?? 0;
  const step = Math.max(1, (samples * depth) >> 3);
  const rows = unfilter(inflateSync(Buffer.concat(parts)), height, Math.ceil((width * samples * depth) / 8), step);
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = rows[y] as Buffer;
      const sample = depth === 8 ? (row[x * samples] ?? 0) : readBits(row, x, depth);
      const grey = depth === 8 ? sample : (sample * 255) / (2 ** depth - 1);
      const rgb =
        colour === 3
          ? palette.subarray(sample * 3, sample * 3 + 3)
          : samples >= 3
            ? row.subarray(x * samples, x * samples + 3)
            : [grey, grey, grey];
      pixels.set([...rgb, 255], (y * width + x) * 4);
    }
  }
  return { width, height, pixels };
}

function readBits(row: Buffer, index: number, depth: number): number {
  const bit = index * depth;
  return ((row[bit >> 3] ?? 0) >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
}

function unfilter(data: Buffer, height: number, length: number, step: number): Buffer[] {
  const rows: Buffer[] = [];
  for (let y = 0; y < height; y++) {
    const filter = data[y * (length + 1)] ?? 0;
    const row = Buffer.from(data.subarray(y * (length + 1) + 1, (y + 1) * (length + 1)));
    const above = rows[y - 1] ?? Buffer.alloc(length);
    for (let x = 0; x < length; x++) {
      const [left, up, corner] = [row[x - step] ?? 0, above[x] ?? 0, above[x - step] ?? 0];
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0;
      row[x] = ((row[x] ?? 0) + guess) & 0xff;
    }
    rows.push(row);
  }
  return rows;
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** Every text that a PDF's pages show in the standard fonts, one a line. */
export function readPdfText(pdf: Uint8Array): string {
  const bytes = Buffer.from(pdf);
  const texts: string[] = [];
  for (let at = bytes.indexOf('stream\n'); at >= 0; at = bytes.indexOf('stream\n', at + 1)) {
    if (bytes.toString('latin1', at - 3, at) === 'end') continue;
    const end = bytes.indexOf('endstream', at);
    try {
      const content = inflateSync(bytes.subarray(at + 7, end)).toString('latin1');
      for (const [, hex] of content.matchAll(/<([0-9A-Fa-f]+)>\s*Tj/g)) {
        texts.push(new TextDecoder('windows-1252').decode(Buffer.from(hex ?? '', 'hex')));
      }
    } catch {
      // Not every stream is compressed text.
    }
  }
  return texts.join('\n');
}
