'use strict';

// What the tests use of Jest, in one process: describe, test and the hooks collect; run() runs them in Jest's order.
const util = require('node:util');
const { expect } = require('expect');

/** Jest's own limits are for a quick machine: under emulation a test gets at least this long. */
const leastLimitMs = 90_000;
const jestDefaultMs = 5_000;

let timeoutMs = jestDefaultMs;
let block;

function newBlock(name, parent, mode) {
  return { name, parent, mode, entries: [], beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };
}

function describeAs(mode) {
  return (name, body) => {
    const outer = block;
    block = newBlock(String(name), outer, mode ?? outer.mode);
    outer.entries.push({ block });
    try {
      const result = body();
      if (result !== undefined) throw new Error(`describe("${name}") returned something: it may not be async`);
    } finally {
      block = outer;
    }
  };
}

function testAs(mode) {
  return (name, body, limitMs) => {
    const parent = block;
    parent.entries.push({ test: { name: String(name), body, limitMs, mode: mode ?? parent.mode, parent } });
  };
}

/** `test.each(table)(name, body)`: %s and its like, and $variable for rows that are objects. */
function each(define) {
  return (table) => (name, body, limitMs) => {
    if (!Array.isArray(table)) throw new Error('test.each here takes arrays only');
    for (const [index, row] of table.entries()) {
      const values = Array.isArray(row) ? row : [row];
      define(title(name, values, index), (...rest) => body(...values, ...rest), limitMs);
    }
  };
}

function title(name, values, index) {
  let text = name;
  if (values.length === 1 && values[0] !== null && typeof values[0] === 'object') {
    text = text.replace(/\$([a-zA-Z_$][\w$.]*)/gu, (whole, path) => {
      const value = path.split('.').reduce((object, key) => object?.[key], values[0]);
      if (value === undefined) return whole;
      return typeof value === 'string' ? value : util.inspect(value);
    });
  }
  let next = 0;
  return text.replace(/%([sdifjopc#%])/gu, (whole, kind) => {
    if (kind === '%') return '%';
    if (kind === '#') return String(index);
    if (next >= values.length) return whole;
    const value = values[next++];
    if (kind === 'p' || kind === 'o') return util.inspect(value);
    return util.format(whole, value);
  });
}

function withEach(define, extra = {}) {
  return Object.assign(define, { each: each(define), ...extra });
}

function hook(kind) {
  return (body, limitMs) => {
    block[kind].push({ body, limitMs });
  };
}

const test = withEach(testAs(undefined), { skip: withEach(testAs('skip')) });
const describe = withEach(describeAs(undefined), { skip: withEach(describeAs('skip')) });

Object.assign(globalThis, {
  expect,
  describe,
  xdescribe: describe.skip,
  test,
  it: test,
  xtest: test.skip,
  xit: test.skip,
  beforeAll: hook('beforeAll'),
  afterAll: hook('afterAll'),
  beforeEach: hook('beforeEach'),
  afterEach: hook('afterEach'),
  jest: {
    setTimeout(milliseconds) {
      timeoutMs = milliseconds;
    },
  },
});

/** Calls a test's or a hook's function, with or without `done`, and gives up after its time. */
async function call(body, limitMs, what) {
  const limit = Math.max(limitMs ?? timeoutMs, leastLimitMs);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what} took longer than ${limit} ms`));
    }, limit);
  });
  try {
    await Promise.race([body.length > 0 ? callback(body) : (async () => body())(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function callback(body) {
  return new Promise((resolve, reject) => {
    body((error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

/** Loads a file, which defines its tests. */
function collect(load) {
  timeoutMs = jestDefaultMs;
  block = newBlock('', undefined, undefined);
  load();
  return block;
}

function hasTests(entry, accept) {
  if (entry.test !== undefined) return entry.test.mode !== 'skip' && accept(fullName(entry.test));
  return entry.block.entries.some((below) => hasTests(below, accept));
}

function fullName({ name, parent }) {
  const words = [name];
  for (let outer = parent; outer?.name; outer = outer.parent) words.unshift(outer.name);
  return words.join(' ');
}

/** Runs what was collected; `report` gets { name, status, milliseconds, error } of each test that `accept` wants. */
async function run(top, accept, report) {
  await runBlock(top, accept, report, undefined);
}

async function runBlock(current, accept, report, outerFailure) {
  const needed = current.entries.some((entry) => hasTests(entry, accept));
  let failure = outerFailure;
  if (needed && failure === undefined) {
    for (const { body, limitMs } of current.beforeAll) failure ??= await attempt(body, limitMs, 'beforeAll');
  }
  for (const entry of current.entries) {
    if (entry.block !== undefined) await runBlock(entry.block, accept, report, failure);
    else await runTest(entry.test, accept, report, failure);
  }
  if (!needed) return;
  for (const { body, limitMs } of current.afterAll) {
    const error = await attempt(body, limitMs, 'afterAll');
    if (error !== undefined)
      report({ name: `${fullName(current)} afterAll`.trim(), status: 'failed', milliseconds: 0, error });
  }
}

async function runTest(test, accept, report, outerFailure) {
  const name = fullName(test);
  if (!accept(name)) return;
  if (test.mode === 'skip') {
    report({ name, status: 'skipped', milliseconds: 0 });
    return;
  }
  const start = performance.now();
  const chain = [];
  for (let outer = test.parent; outer !== undefined; outer = outer.parent) chain.unshift(outer);
  let error = outerFailure;
  if (error === undefined) {
    expect.setState({
      currentTestName: name,
      assertionCalls: 0,
      expectedAssertionsNumber: null,
      isExpectingAssertions: false,
    });
    for (const { beforeEach } of chain) {
      for (const { body, limitMs } of beforeEach) error ??= await attempt(body, limitMs, 'beforeEach');
    }
    error ??= await attempt(test.body, test.limitMs, 'the test');
    for (const { afterEach } of chain.toReversed()) {
      for (const { body, limitMs } of afterEach) {
        const late = await attempt(body, limitMs, 'afterEach');
        error ??= late;
      }
    }
    error ??= expect.extractExpectedAssertionsErrors()[0]?.error;
  }
  report({
    name,
    status: error === undefined ? 'passed' : 'failed',
    milliseconds: Math.round(performance.now() - start),
    error,
  });
}

async function attempt(body, limitMs, what) {
  try {
    await call(body, limitMs, what);
    return undefined;
  } catch (error) {
    return error ?? new Error(`${what} threw ${String(error)}`);
  }
}

module.exports = { collect, run };
