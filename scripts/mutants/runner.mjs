// Stryker's door to our tests: loads a room's test files once and runs them in this process, only those that reach a mutant. Jest
// starts anew for each mutant, which takes seconds where a test takes milliseconds. `describe`, `test` and `expect` are what Jest
// makes its own of; a test that needs more of Jest (mocks, timers) is told so by an error that names it.
import { createRequire } from 'node:module';
import path from 'node:path';
import fs from 'node:fs';

const require = createRequire(path.join(process.cwd(), 'package.json'));

/**
 * Tests that find things by chance, by the BTF of the kernel they happen to run on, by the clock, or by a program that they
 * start: what they kill today may live tomorrow.
 * They are also the slowest.
 */
const leftToChance =
  /kernel-btf\.test|--jitless|libbpf's own text|what LLVM prints|kernels\.test|mutations of |kernel BTF|100,000|one megabyte|suffixes|in time/;

class Suite {
  constructor(parent, name) {
    this.parent = parent;
    this.name = parent === undefined || parent.name === '' ? name : `${parent.name} ${name}`;
    this.hooks = { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };
  }

  /** From the outermost in. */
  get line() {
    return [...(this.parent?.line ?? []), this];
  }
}

/** The tests of the files, in order, each with its suite. */
function collect(files) {
  const { bind } = require('jest-each');
  const { expect } = require('expect');
  const { fn, spyOn } = require('jest-mock');
  const tests = [];
  let suite;
  const define = (name, body) => {
    const unique = tests.filter((test) => test.title === `${suite.name} ${name}`).length;
    const title = `${suite.name} ${name}`;
    if (leftToChance.test(title)) return;
    tests.push({ id: unique === 0 ? title : `${title} (${unique + 1})`, title, suite, body });
  };
  const group = (name, body) => {
    suite = new Suite(suite, String(name));
    body();
    suite = suite.parent;
  };
  define.each = bind(define);
  define.skip = () => undefined;
  group.each = bind(group, false);
  group.skip = () => undefined;
  const hooks = Object.keys(new Suite(undefined, '').hooks).map((hook) => [
    hook,
    (body) => suite.hooks[hook].push(body),
  ]);
  Object.assign(globalThis, {
    test: define,
    it: define,
    describe: group,
    expect,
    jest: { fn, spyOn },
    ...Object.fromEntries(hooks),
  });
  for (const file of files) {
    suite = new Suite(undefined, path.relative(process.cwd(), file));
    require(file);
  }
  return tests;
}

function testFiles(folder) {
  return fs
    .readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => path.join(folder, name));
}

class RoomTestRunner {
  #room;
  #state;
  #tests = [];
  /** The first run's times: a mutant that dies dies soonest by the quickest test. */
  #times = path.resolve('test-times.json');

  constructor() {
    this.#room = process.env.NODE_EBPF_MUTANTS_ROOM;
    // Where instrumented code looks for the mutant that is switched on.
    this.#state = globalThis.__stryker__ ??= {};
  }

  capabilities() {
    return { reloadEnvironment: false };
  }

  init() {
    require(path.resolve('test/helpers/typescript-hook.cjs'));
    this.#tests = collect(testFiles(path.resolve('test', 'unit', this.#room)));
    if (!fs.existsSync(this.#times)) return;
    const times = JSON.parse(fs.readFileSync(this.#times, 'utf8'));
    this.#tests.sort((a, b) => (times[a.id] ?? 0) - (times[b.id] ?? 0));
  }

  async dryRun() {
    const tests = await this.#run(this.#tests, false);
    fs.writeFileSync(
      this.#times,
      JSON.stringify(Object.fromEntries(tests.map(({ id, timeSpentMs }) => [id, timeSpentMs]))),
    );
    return { status: 'complete', tests, mutantCoverage: this.#state.mutantCoverage };
  }

  async mutantRun({ activeMutant, testFilter, hitLimit, disableBail }) {
    this.#state.hitCount = hitLimit === undefined ? undefined : 0;
    this.#state.hitLimit = hitLimit;
    this.#state.activeMutant = activeMutant.id;
    const wanted = testFilter === undefined ? undefined : new Set(testFilter);
    const tests = await this.#run(
      this.#tests.filter(({ id }) => wanted === undefined || wanted.has(id)),
      !disableBail,
    );
    this.#state.activeMutant = undefined;
    const { hitCount } = this.#state;
    if (hitLimit !== undefined && hitCount > hitLimit) {
      return { status: 'timeout', reason: `Hit limit reached (${hitCount}/${hitLimit})` };
    }
    const failed = tests.filter(({ status }) => status === 1);
    const nrOfTests = tests.length;
    if (failed.length === 0) return { status: 'survived', nrOfTests };
    return {
      status: 'killed',
      killedBy: failed.map(({ id }) => id),
      failureMessage: failed[0].failureMessage,
      nrOfTests,
    };
  }

  async #run(tests, bail) {
    const results = [];
    const begun = new Set();
    for (const { id, suite, body } of tests) {
      const started = performance.now();
      const line = suite.line;
      let failureMessage;
      this.#state.currentTestId = id;
      try {
        for (const each of line.filter((one) => !begun.has(one))) {
          begun.add(each);
          for (const hook of each.hooks.beforeAll) await hook();
        }
        for (const each of line) for (const hook of each.hooks.beforeEach) await hook();
        await body();
      } catch (error) {
        failureMessage = error instanceof Error ? error.message : String(error);
      } finally {
        for (const each of line) for (const hook of each.hooks.afterEach) await hook();
        this.#state.currentTestId = undefined;
      }
      const timeSpentMs = Math.round(performance.now() - started);
      // TestStatus of Stryker: 0 success, 1 failed.
      if (failureMessage === undefined) results.push({ id, name: id, timeSpentMs, status: 0 });
      else results.push({ id, name: id, timeSpentMs, status: 1, failureMessage });
      if (bail && failureMessage !== undefined) break;
    }
    for (const each of begun) for (const hook of each.hooks.afterAll) await hook();
    return results;
  }
}

export const strykerPlugins = [{ kind: 'TestRunner', name: 'room', factory: () => new RoomTestRunner() }];
