import { readFileSync } from 'node:fs';

/** Processor time that a process, or one of its threads, has taken: `/proc/7/stat`, `/proc/7/task/7/stat`; in steps of 10 ms. */
export function readSpentMs(path: string): number {
  const fields = readFields(path);
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** The same of a process with all its children: those that run, and those that have ended and were waited for. */
export function readFamilySpentMs(pid: number): number {
  const own = readFields(`/proc/${pid}/stat`);
  const ofEnded = (Number(own[13]) + Number(own[14])) * TICK_MS;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.reduce((sum, child) => sum + readSpentOfChildMs(child), readSpentMs(`/proc/${pid}/stat`) + ofEnded);
}

/** Parent of a process. */
export function readParent(pid: number): number {
  return Number(readFields(`/proc/${pid}/stat`)[1]);
}

const TICK_MS = 10;

/** One that has just ended is counted with its parent a moment later. */
function readSpentOfChildMs(child: string): number {
  try {
    return readSpentMs(`/proc/${child}/stat`);
  } catch {
    return 0;
  }
}

/** From the state on, which stands behind the name in parentheses. */
function readFields(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}
