import { Fault } from '../contracts/fault.ts';
import { HL7_NULL } from '../hl7/message.ts';
import { isValued, locate, type Path, readCells } from '../hl7/path.ts';
import { type Condition, ConditionError, type ConditionReader, compileCondition } from './condition.ts';
import { type Scope, textOf } from './scope.ts';
import type { ReadVariable } from './source.ts';
import type { YamlNode } from './yaml-node.ts';

/** Compiles `when:`; a condition that fails to evaluate is a fault of the mapping. @throws ProblemError */
export function compileWhen(node: YamlNode, variables: ReadonlyMap<string, ReadVariable>): (scope: Scope) => boolean {
  let condition: Condition;
  try {
    condition = compileCondition(node.text('a condition'), [...variables.keys()], (name) => void variables.get(name));
  } catch (error) {
    if (error instanceof ConditionError) node.fail(error.message, error.hint, error.offset);
    throw error;
  }
  const where = node.where;
  const ask = (scope: Scope) => condition(readerOf(scope, variables));
  return (scope) => {
    const { trail } = scope.run;
    try {
      return trail === null ? ask(scope) : trail.collect(() => ask(scope)).value;
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault('mapping-incomplete', { where, detail: 'condition' });
    }
  };
}

/** Lets a condition read one result. */
function readerOf(scope: Scope, variables: ReadonlyMap<string, ReadVariable>): ConditionReader {
  const { message, trail } = scope.run;
  const cellsAt = (path: Path) => readCells(path, scope.group, message);
  return {
    readText(path) {
      const cell = cellsAt(path).find(({ raw }) => isValued(raw, message));
      // To ask whether something is there is not to use it.
      if (cell !== undefined) trail?.read(locate(cell));
      return cell === undefined || cell.raw === HL7_NULL ? '' : textOf(cell, scope.run).trim();
    },
    readPresence(path) {
      const cells = cellsAt(path);
      if (cells.some(({ raw }) => raw !== HL7_NULL && isValued(raw, message))) return 'valued';
      if (cells.some(({ raw }) => raw === HL7_NULL)) return 'null';
      return cells.length > 0 ? 'empty' : 'absent';
    },
    readVariable: (name) => {
      const found = variables.get(name)?.(scope) ?? null;
      if (found === null) return null;
      return found.cell === null ? found.value : textOf(found.cell, scope.run).trim();
    },
  };
}
