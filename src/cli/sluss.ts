#!/usr/bin/env -S node --max-semi-space-size=4
const NEEDED: readonly [number, number] = [22, 22];

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(`sluss needs Node.js ${NEEDED.join('.')} or newer; this is ${process.versions.node}.\n`);
  process.exit(1);
}
// Only now: what the program imports may not even load on an older runtime.
const { runProgram } = await import('./program.ts');
await runProgram(process.argv);
