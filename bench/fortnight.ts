/**
 * `npm run fortnight [-- --seed 1] [--results 2000] [--days 14] [--after 2027-04-01]`: a scripted fortnight on a manual
 * clock. Two laboratories (`kust`: MLLP, v2.5.1 in ISO 8859-1; `skog`: files of batches, v2.5 in UTF-8) send the results
 * of three care providers, by day and in the order of a real one: negative and positive, NAAT and antigen; corrected,
 * deleted, overtaken, said again, sent again, under a control id of before; asked for with the result, in an order before
 * it or after it, or never; of minors, foreigners, persons with a samordnings- or reservnummer, protected ones; of
 * devices that are not on the list; and such as are refused. Meanwhile the engine is killed, and later restarted, the
 * service loses answers, the certificate of one care provider ends and is renewed a day later (wrongly first), the clocks
 * of Sweden are changed, and the service is down for 20 hours.
 *
 * Real are the engine (a process of its own, killed with SIGKILL), its SQLite journal, the sockets of MLLP, the files and
 * folders, mutual TLS under three client certificates, the stand-in's certificates with their QR codes and signatures,
 * which the engine reads back, the way back to the LIS and into the folder, and the command line. Only time is not: the
 * engine and the stand-in are as late as the script says. The fortnight lies ahead of the machine's clock, which TLS
 * looks at; the certificate that ends does so by the fortnight's clock, by which engine and stand-in judge it, and the
 * wrong renewal has ended by both.
 *
 * An oracle that knows neither HL7 nor mapping files foresees what has to become of every message and certificate. In the
 * end the stand-in's ledger, the journal, what came back to the laboratories and the evidence export are held against it
 * and against each other, row by row. Ends with 1 on any disagreement, each told with its place; the summary is a table.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { drawAccount, isUneven, takeAccount } from './fortnight/account.ts';
import { checkAlarms } from './fortnight/alarms.ts';
import { PLANTS } from './fortnight/plants.ts';
import { reconcile } from './fortnight/reconcile.ts';
import { playFortnight } from './fortnight/run.ts';

/** More of them say nothing new. */
const MOST_TOLD = 60;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    results: { type: 'string', default: '2000' },
    days: { type: 'string', default: '14' },
    /** A day: the fortnight is the first after it in which the clocks are changed; absent = today. */
    after: { type: 'string' },
    /** Falsifies the books in the end, to see it found: a name of `fortnight/plants.ts`. */
    plant: { type: 'string' },
    /** Where what the engine said is written. */
    log: { type: 'string' },
  },
});
const [seed, results, days] = [values.seed, values.results, values.days].map(Number) as [number, number, number];
const falsify = values.plant === undefined ? null : PLANTS[values.plant];
if (falsify === undefined) throw new Error(`--plant is one of ${Object.keys(PLANTS).join(', ')}`);
console.log(`seed ${seed}, ${results} results in ${days} days`);
const beganAt = performance.now();
const {
  world,
  foreseen,
  books: kept,
  log,
  problems,
} = await playFortnight({
  ...{ seed, results, days, now: Date.now() },
  after: values.after === undefined ? null : Date.parse(values.after),
  say: console.log,
});
if (values.log !== undefined) writeFileSync(values.log, log.map((line) => `${JSON.stringify(line)}\n`).join(''));
const books = falsify === null ? kept : falsify(kept);

const account = takeAccount(foreseen, books);
const wrong = [...problems, ...reconcile(foreseen, books), ...checkAlarms(foreseen, books, world)];
for (const { group, name } of account.filter(isUneven)) wrong.push(`the table does not agree on “${group} ${name}”`);
console.log('');
for (const line of drawAccount(account)) console.log(line);
console.log('');
for (const one of wrong.slice(0, MOST_TOLD)) console.error(`NOT AS IT MUST BE: ${one}`);
if (wrong.length > MOST_TOLD) console.error(`and ${wrong.length - MOST_TOLD} more`);
const alarms = books.alarms.reduce((sum, { count }) => sum + count, 0);
const repeats = books.ledger.filter(({ repeat }) => repeat > 0).length;
console.log(
  `${books.journal.length} messages, ${books.ledger.length - repeats} certificates (${repeats} asked for again after a lost answer or ` +
    `the kill), ${alarms} alarms; from ${new Date(world.startAt).toISOString()}; ${((performance.now() - beganAt) / 1_000).toFixed(0)} s`,
);
console.log(wrong.length === 0 ? 'All books agree.' : `${wrong.length} disagreements; repeat with --seed ${seed}`);
process.exitCode = wrong.length > 0 ? 1 : 0;
