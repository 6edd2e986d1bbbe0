import { MARKER, NUMBER_MARKER } from './mutate.ts';

/** What the engine must never have logged, whatever came. */
export function checkLog(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [, event = '?'] = /"event":"([^"]*)"/.exec(line) ?? [];
    if (isMarked(line)) return [`the log line ${event} holds patient data`];
    return /broken|not-stored/.test(event) ? [`the engine logged ${event}: ${line.trim()}`] : [];
  });
}

/** What an answer says of its own, without what its sender wrote in MSH: from there it knows its message. */
export function checkAnswer(text: string): string[] {
  const own = text.split('\r').map((line) => {
    if (/^(MSH|BHS|FHS)/.test(line)) return '';
    return line.startsWith('MSA')
      ? line
          .split(line[3] ?? '|')
          .slice(3)
          .join()
      : line;
  });
  return isMarked(own.join('\r')) ? ['an answer holds patient data'] : [];
}

export function isMarked(text: string): boolean {
  return text.includes(MARKER) || text.includes(NUMBER_MARKER);
}

/** Leaves out of an input what its failure does not need: halves first, then smaller and smaller parts. */
export async function shrink(input: Buffer, stillFails: (smaller: Buffer) => Promise<boolean>): Promise<Buffer> {
  let small = input;
  let tries = 0;
  for (let size = small.length >> 1; size >= 1 && tries < 600; size >>= 1) {
    for (let at = 0; at < small.length && tries < 600; ) {
      const smaller = Buffer.concat([small.subarray(0, at), small.subarray(at + size)]);
      tries += 1;
      if (await stillFails(smaller)) small = smaller;
      else at += size;
    }
  }
  return small;
}
