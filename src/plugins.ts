import type { AnyPlugin } from './config/configuration.ts';
import { folderSource } from './sources/folder.ts';
import { mllpSource } from './sources/mllp.ts';
import { covidbevisTarget } from './targets/covidbevis.ts';
import { fhirTarget } from './targets/fhir.ts';
import { folderTarget } from './targets/folder.ts';
import { mllpTarget } from './targets/mllp.ts';

/** What comes with the engine. Outside plugins are named in `sluss.yaml`. */
export const BUILT_IN_PLUGINS = [
  mllpSource,
  folderSource,
  covidbevisTarget,
  fhirTarget,
  folderTarget,
  mllpTarget,
  // Each plugin is typed by its own schema; from here on they are a list of many.
] as unknown as readonly AnyPlugin[];
