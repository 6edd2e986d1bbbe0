import { lstatSync, rmSync } from 'node:fs';
import { type Control, createControl } from './console/control.ts';
import type { Engine } from './engine/engine.ts';

/** The control socket of this process, which holds its journal, or its name among the nodes. @throws Error where its path is too long */
export function createControlSocket(engine: Engine, path: string): Control {
  const makeWay = () => {
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there === undefined) return;
    if (!there.isSocket()) throw new Error(`${path} is in the way: it is no socket`);
    // Of an engine that died: a live one would hold the journal.
    rmSync(path);
  };
  return createControl({ path, makeWay, operations: engine.operations, status: engine });
}
