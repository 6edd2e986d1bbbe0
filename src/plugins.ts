import type { AnyPlugin } from './config/configuration.ts';
import { mllpSource } from './sources/mllp.ts';
import { covidbevisTarget } from './targets/covidbevis.ts';
import { folderTarget } from './targets/folder.ts';

/** What comes with the engine. Outside plugins are named in `sluss.yaml`. */
export const BUILT_IN_PLUGINS = [mllpSource, covidbevisTarget, folderTarget] as unknown as readonly AnyPlugin[];
