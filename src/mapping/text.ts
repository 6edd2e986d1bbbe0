import { suggest } from './problem.ts';
import { Found, foundText, type Scope } from './scope.ts';
import type { ReadVariable } from './source.ts';
import type { YamlNode } from './yaml-node.ts';

/** Compiles `text: '{identifier}.pdf'`: where a name gives nothing, nothing is made. @throws ProblemError */
export function compileText(
  node: YamlNode,
  variables: ReadonlyMap<string, ReadVariable>,
): (scope: Scope) => Found | null {
  const text = node.text();
  const pieces = text.split(/(\{[^}]*\})/).map((piece) => {
    const name = /^\{([A-Za-z][A-Za-z0-9.]*)\}$/.exec(piece)?.[1];
    if (name === undefined) return piece;
    const [variable = '', ...members] = name.split('.');
    const read = variables.get(variable);
    if (read === undefined) {
      return node.fail(`Nothing is called ${variable}`, suggest(variable, variables.keys()), text.indexOf(piece) + 1);
    }
    return { read, members };
  });
  return (scope) => {
    let value = '';
    for (const piece of pieces) {
      if (typeof piece === 'string') {
        value += piece;
        continue;
      }
      const found = piece.read(scope);
      const member = piece.members.reduce<unknown>(
        (of, key) => (of as Record<string, unknown> | null)?.[key],
        found?.value,
      );
      if (found === null || member === undefined || member === null) return null;
      value += piece.members.length === 0 ? foundText(found, scope.run) : String(member);
    }
    return Found.made(value);
  };
}
