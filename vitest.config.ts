import { defineConfig } from 'vitest/config';
import type { Reporter } from 'vitest/node';

/** Closes the run with one plain line that any reader of the output understands. */
const plainClosingLine: Reporter = {
  onTestRunEnd(modules) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      // A file that could not even be loaded has no tests to count.
      if (module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') counts[state] += 1;
      }
    }
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  },
};

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: [process.env.CI === undefined ? 'default' : 'dot', plainClosingLine],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two cores: more forks than that only make socket tests wait for each other.
    maxWorkers: 2,
  },
});
