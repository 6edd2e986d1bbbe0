import { createRequire } from 'node:module';

type Undici = typeof import('undici');

const require = createRequire(import.meta.url);
let loaded: Undici | null = null;

/** undici, loaded only where a target needs it: it takes a quarter of a second and 30 MB. */
export function loadUndici(): Undici {
  loaded ??= require('undici') as Undici;
  return loaded;
}
