import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../test/whole/engine-process.ts';

const run = promisify(execFile);
const MOST_OUTPUT = 256 << 20;

/** What the real command line prints. @throws Error with what it says, when it ends with another code than 0 */
export async function runSluss(args: readonly string[]): Promise<string> {
  const sluss = join(ROOT, 'src/cli/sluss.ts');
  const { stdout } = await run(process.execPath, [sluss, ...args], { maxBuffer: MOST_OUTPUT });
  return stdout;
}
