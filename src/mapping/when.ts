import { Fault } from '../contracts/fault.ts';
import { HL7_NULL } from '../hl7/message.ts';
import { isValued, locate, type Path, readCells, readFirstRaw, readFirstValued } from '../hl7/path.ts';
import { type Condition, ConditionError, type ConditionReader, compileCondition, type Presence } from './condition.ts';
import { readRaw, type Scope, textOf } from './scope.ts';
import type { ReadVariable } from './source.ts';
import type { Trail } from './trail.ts';
import type { YamlNode } from './yaml-node.ts';

/** A compiled `when:`. */
export interface Holds {
  (scope: Scope): boolean;
  /** True = it has an answer whatever the message holds, and asks nothing of variables. */
  readonly neverFails: boolean;
}

/** Compiles `when:`; a condition that fails to evaluate is a fault of the mapping. @throws ProblemError */
export function compileWhen(node: YamlNode, variables: ReadonlyMap<string, ReadVariable>): Holds {
  let condition: Condition;
  try {
    condition = compileCondition(node.text('a condition'), [...variables.keys()], (name) => void variables.get(name));
  } catch (error) {
    if (error instanceof ConditionError) node.fail(error.message, error.hint, error.offset);
    throw error;
  }
  const where = node.where;
  const ask = (scope: Scope) => condition(new ScopeReader(scope, variables));
  const holds = (scope: Scope) => {
    const { trail } = scope.run;
    try {
      return trail === null ? ask(scope) : trail.collect(() => ask(scope)).value;
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault('mapping-incomplete', { where, detail: 'condition' });
    }
  };
  return Object.assign(holds, { neverFails: condition.neverFails });
}

/** Lets a condition read one result. */
class ScopeReader implements ConditionReader {
  readonly #scope: Scope;
  readonly #variables: ReadonlyMap<string, ReadVariable>;

  constructor(scope: Scope, variables: ReadonlyMap<string, ReadVariable>) {
    this.#scope = scope;
    this.#variables = variables;
  }

  readText(path: Path): string {
    const { run, group } = this.#scope;
    const raw = readFirstRaw(path, group, run.message);
    // To ask whether something is there is not to use it.
    if (raw !== '' && run.trail !== null) this.#noteUse(path, run.trail);
    return raw === '' || raw === HL7_NULL ? '' : readRaw(raw, run).trim();
  }

  readPresence(path: Path): Presence {
    const { run, group } = this.#scope;
    const first = readFirstRaw(path, group, run.message);
    if (first !== '' && first !== HL7_NULL) return 'valued';
    const cells = readCells(path, group, run.message);
    if (first === '') return cells.length > 0 ? 'empty' : 'absent';
    if (cells.some(({ raw }) => raw !== HL7_NULL && isValued(raw, run.message))) return 'valued';
    return 'null';
  }

  #noteUse(path: Path, trail: Trail): void {
    const { run, group } = this.#scope;
    const cell = readFirstValued(path, group, run.message);
    if (cell !== null) trail.read(locate(cell));
  }

  readVariable(name: string): unknown {
    const found = this.#variables.get(name)?.(this.#scope) ?? null;
    if (found === null) return null;
    return found.cell === null ? found.value : textOf(found.cell, this.#scope.run).trim();
  }
}
