import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ObjectFormatError, UsageError } from '../../../lib/errors/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';

const directory = join(__dirname, '../../../bpf-samples');
const samples = readdirSync(directory)
  .filter((name) => name.endsWith('.o'))
  .map((name) => [name, new Uint8Array(readFileSync(join(directory, name)))] as const);

// Tens of thousands of errors are made here; their stacks would take most of the time.
const { stackTraceLimit } = Error;
beforeAll(() => {
  Error.stackTraceLimit = 0;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

function touch(value: unknown): void {
  if (value === touch) throw new Error('a value of an object cannot be this function');
}

/** Reads all that an object has. Anything but the errors for malformed input is rethrown. */
function readEverything(bytes: Uint8Array): 'read' | 'refused' {
  try {
    const spec = ObjectSpec.parse(bytes, { name: 'mutated.o' });
    for (const variable of spec.variables.values()) {
      try {
        touch(variable.value);
      } catch (error) {
        // A mutated type may have no codec, or more bytes than its variable.
        if (!(error instanceof UsageError)) throw error;
      }
    }
    touch(spec.btfBytes);
    touch(spec.clone());
    return 'read';
  } catch (error) {
    if (error instanceof ObjectFormatError) return 'refused';
    throw error;
  }
}

test.each(samples)('%s cut off anywhere is refused', (_, bytes) => {
  for (let length = 0; length < bytes.byteLength; length++) {
    const outcome = readEverything(bytes.subarray(0, length));
    if (outcome !== 'refused') throw new Error(`the first ${length} bytes were read as an object`);
  }
  expect(readEverything(bytes)).toBe('read');
});
