/** What lines are kept within. */
const PAGE_COLUMNS = 80;

/** A text as indented lines of at most 80 columns; a word is never cut. */
export function wrapText(text: string, indent: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > PAGE_COLUMNS) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((one) => ' '.repeat(indent) + one);
}

/** A text on one line, cut where it is longer than some columns (but never to less than 12). */
export function cutText(text: string, columns: number): string {
  const most = Math.max(12, columns);
  // What a message holds may hold escape sequences of a terminal.
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '·');
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
}
