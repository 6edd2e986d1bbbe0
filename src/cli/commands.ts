import { addBackup } from './backup.ts';
import { addCancel } from './cancel.ts';
import { addCheck } from './check.ts';
import { addCodes } from './codes.ts';
import { addDemo } from './demo.ts';
import { addDevices } from './devices.ts';
import { addDiff } from './diff.ts';
import { addEvidence } from './evidence.ts';
import { addInit } from './init.ts';
import { addJournal } from './journal-copy.ts';
import { addList } from './list.ts';
import { addMap } from './map.ts';
import { addNodes } from './nodes.ts';
import { addParty } from './party.ts';
import { addPause } from './pause.ts';
import { addPauses } from './pauses.ts';
import { addRelease } from './release.ts';
import { addReplay } from './replay.ts';
import { addResume } from './resume.ts';
import { addRun } from './run.ts';
import { addSend } from './send.ts';
import { addShow } from './show.ts';
import { addSimulate } from './simulate.ts';
import { addTest } from './test.ts';

/** Every command, in the order in which help lists them. */
export const COMMANDS = [
  addDemo,
  addRun,
  addCheck,
  addMap,
  addTest,
  addDiff,
  addEvidence,
  addCodes,
  addDevices,
  addInit,
  addParty,
  addSend,
  addSimulate,
  addList,
  addShow,
  addReplay,
  addRelease,
  addCancel,
  addPause,
  addResume,
  addPauses,
  addNodes,
  addBackup,
  addJournal,
];
