import { describe, expect, it } from 'vitest';
import {
  type Cost,
  DEMANDS,
  everyDay,
  needsOf,
  type PathCosts,
  writeModel,
  writerOf,
} from '../../bench/cluster/model.ts';

const NOTHING: Cost = {
  perSecond: 1,
  answerMs: 0,
  nodeUs: 0,
  mainUs: 0,
  serverUs: 0,
  commits: 0,
  walBytes: 0,
  fullPages: 0,
  walSyncs: 0,
  pageWrites: 0,
  keptBytes: 0,
  knownBytes: 0,
  tables: {},
};
const REST = { nodeMs: 0, serverMs: 0, commits: 0, walBytes: 0 };
/** 2 ms a transaction and 2 ms a message: alone three transactions a message, in a crowd one for ten. */
const path: PathCosts = {
  alone: { ...NOTHING, commits: 3, nodeUs: 5_000, mainUs: 4_000, serverUs: 4_000, walSyncs: 3 },
  crowded: {
    ...NOTHING,
    commits: 0.1,
    nodeUs: 1_000,
    mainUs: 1_000,
    serverUs: 1_200,
    walSyncs: 0.1,
    pageWrites: 0.5,
    keptBytes: 1_000,
    knownBytes: 2_000,
  },
};

describe('what a cluster needs by what a message costs', () => {
  it('is what a message costs alone where they come one by one', () => {
    const needs = needsOf(everyDay('few', 10), path, REST);
    expect(needs.commits).toBeCloseTo(30);
    expect(needs.nodeCores).toBeCloseTo(0.05);
    expect(needs.iops).toBeCloseTo(35);
    expect(needs.nodes).toBe(2);
  });

  it('falls as more come, down to groups as a node makes them at half of what it can', () => {
    const each = [10, 100, 1_000, 100_000].map((rate) => needsOf(everyDay('', rate), path, REST).commits / rate);
    expect(each).toEqual(each.toSorted((a, b) => b - a));
    expect(each.at(-1)).toBeCloseTo(2 / 3, 1);
  });

  it('gives no node more than half of what its writing connection takes', () => {
    expect(writerOf(path)).toEqual({ alwaysMs: expect.closeTo(3), eachMs: expect.closeTo(2) });
    expect(needsOf(everyDay('', 1_000), path, REST).nodes).toBe(4);
  });

  it('keeps bytes for 90 days, and knows of a message for 400', () => {
    const { gbAYear, gbAtRest } = needsOf({ name: '', perSecond: 1, perDay: 1e6 }, path, REST);
    expect(gbAYear).toBeCloseTo(365 * 3);
    expect(gbAtRest).toBeCloseTo(90 * 1 + 400 * 2);
  });

  it('is written as a line for each load and size of answers', () => {
    const lines = writeModel({ paths: { ingest: path, small: path, certificate: path }, idle: REST }).split('\n');
    expect(lines).toHaveLength(2 + DEMANDS.length * 2);
    expect(lines[2]).toMatch(/^\| 10 \| 2 kB \| 2 \| 0\.05 \|/);
  });
});
