import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { MAX_NOTE_LENGTH, MAX_OPERATOR_LENGTH, type Operator } from '../contracts/operations.ts';
import type { JournalOptions } from './open-operations.ts';
import type { Terminal } from './terminal.ts';

export interface OperatorOptions extends JournalOptions {
  readonly by?: string;
  readonly why?: string;
}

/** Who stands in the history: --by, else the person behind sudo, else the user. */
export function readOperator({ by, why }: OperatorOptions, { env }: Pick<Terminal, 'env'>): Operator {
  return { by: (by ?? env.SUDO_USER ?? userName()).slice(0, MAX_OPERATOR_LENGTH), note: why ?? null };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run a user that its files know nothing of.
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Which journal a command is about. */
export function addJournalOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file', 'sluss.yaml')
    .option('--journal <file>', 'journal file (default: the configuration’s)');
}

/** Who acts, and why; both stay in the history. */
export function addOperatorOptions(command: Command, isWhyRequired: boolean): Command {
  addJournalOptions(command).option('--by <name>', 'who acts (default: your user name)', word(MAX_OPERATOR_LENGTH));
  const why = ['--why <text>', `why, at most ${MAX_NOTE_LENGTH} characters; kept in the history`] as const;
  return isWhyRequired
    ? command.requiredOption(...why, word(MAX_NOTE_LENGTH))
    : command.option(...why, word(MAX_NOTE_LENGTH));
}

function word(most: number) {
  return (text: string): string => {
    // What is shown later on somebody's terminal holds no escape sequences.
    const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').trim();
    if (clean === '') throw new InvalidArgumentError('There is nothing in it.');
    if (clean.length > most) throw new InvalidArgumentError(`It has ${clean.length} characters; ${most} is the most.`);
    return clean;
  };
}
