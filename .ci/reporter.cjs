// mocha's usual output, plus the counts and the failures of the run as JSON in the file named by TEST_COUNTS.
const { writeFileSync } = require("node:fs");
const { Runner, reporters } = require("mocha");

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failures = [];
    runner.on(Runner.constants.EVENT_TEST_FAIL, (test, error) => {
      failures.push(`${test.fullTitle()}: ${String(error?.message ?? error)}`);
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, pending } = this.stats;
      const failed = this.stats.failures;
      const counts = { passed: passes, failed, skipped: pending, failures };
      writeFileSync(process.env.TEST_COUNTS, JSON.stringify(counts));
    });
  }
};
