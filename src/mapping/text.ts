import { suggest } from './problem.ts';
import { Found, foundText, type Scope } from './scope.ts';
import { type ReadVariable, readMember } from './source.ts';
import type { YamlNode } from './yaml-node.ts';

/** Compiles `text: '{identifier}.pdf'`: where a name gives nothing, nothing is made. @throws ProblemError */
export function compileText(
  node: YamlNode,
  variables: ReadonlyMap<string, ReadVariable>,
): (scope: Scope) => Found | null {
  const text = node.text();
  const pieces = text.split(/(\{[^}]*\})/).map((piece) => {
    if (!piece.startsWith('{')) return piece;
    const name = /^\{([A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*)\}$/.exec(piece)?.[1];
    if (name === undefined) {
      return node.fail(`Only a name can stand in braces: ${piece}`, 'make a let of it', text.indexOf(piece));
    }
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
      const found = readMember(piece.read(scope), piece.members);
      if (found === null) return null;
      value += foundText(found, scope.run);
    }
    return Found.made(value);
  };
}
