import type { z } from 'zod';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Parties } from './party.ts';
import type { Source } from './source.ts';
import type { Target } from './target.ts';

/**
 * A plugin is a value; importing its module has no side effect. `config` is strict (unknown keys are errors) and every
 * key has a `.describe()`, from which validation, editor completion and the reference page are made. Times, sizes and
 * secrets have the forms of `duration.ts`, `byte-size.ts` and `secret-reference.ts`.
 */
export interface Plugin<Kind extends string, Schema extends z.ZodType, Made> {
  readonly kind: Kind;
  /** What stands behind `kind:` in sluss.yaml. */
  readonly name: string;
  readonly summary: string;
  readonly config: Schema;
  create(config: z.output<Schema>, host: Host): Made;
}

export type SourcePlugin<Schema extends z.ZodType = z.ZodType> = Plugin<'source', Schema, Source>;
export type TargetPlugin<Schema extends z.ZodType = z.ZodType> = Plugin<'target', Schema, Target>;

/** What the engine's side offers a plugin. */
export interface Host {
  /** The name the thing has in sluss.yaml: the channel's for a source, the target's for a target. */
  readonly name: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly parties: Parties;
  /**
   * False while nothing new is stored because the disk is nearly full: what a source could leave where it lies shall
   * stay there. What is handed over all the same is answered, and not taken.
   */
  hasRoom(): boolean;
  /**
   * Asks to be the one, among the processes that share the journal, that does for the thing of this name what only one
   * may do at a time, such as to watch a folder. True = it is for now: to be asked again before each piece of work. Never
   * rejects; false also where the journal cannot be asked; always true where nothing is shared.
   */
  hold(): Promise<boolean>;
  /** Another may be it from now on. Never rejects. */
  letGo(): Promise<void>;
  /** A variable of the environment; null = not set. */
  readVariable(name: string): string | null;
  /** A path of the configuration made absolute: relative ones start at the configuration file's folder. */
  resolvePath(path: string): string;
}
