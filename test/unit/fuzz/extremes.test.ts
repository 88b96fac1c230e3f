import { examine, type Outcome } from '../../helpers/fuzz/examine.js';
import { extremesOf, readField, writeField } from '../../helpers/fuzz/mutate.js';
import { areas, seedObjects } from '../../helpers/fuzz/seed-objects.js';

// Small, and has a map, a program and CO-RE relocations.
const objects = seedObjects().filter(({ name }) => name.startsWith('core_missing.'));

const { stackTraceLimit } = Error;
beforeAll(() => {
  Error.stackTraceLimit = 0;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

describe.each(objects)('$name', (object) => {
  const { littleEndian } = object;

  test('as it is, is fit for its kernel', () => {
    expect(examine(object.bytes, object.kernel.bytes)).toBe('relocated');
  });

  test.each(areas.filter((area) => area !== 'byte' && area !== 'BTF string'))(
    'survives every extreme of every field: %s',
    (area) => {
      const outcomes: Record<Outcome, number> = { refused: 0, read: 0, relocated: 0 };
      for (const field of object.fields.get(area) ?? []) {
        const present = readField(object.bytes, field, littleEndian) ?? 0n;
        const bytes = object.bytes.slice();
        for (const value of extremesOf(field.width, present, bytes.byteLength)) {
          writeField(bytes, field, value, littleEndian);
          try {
            outcomes[examine(bytes, object.kernel.bytes)]++;
          } catch (cause) {
            throw new Error(`${area}, ${field.width} bytes at ${field.at} are ${value}`, { cause });
          }
        }
      }
      // No area is such that all of it is refused, or none.
      expect(outcomes.refused + outcomes.read).toBeGreaterThan(0);
      expect(outcomes.relocated).toBeGreaterThan(0);
    },
  );

  test('survives every extreme of the words of its kernel', () => {
    const { kernel } = object;
    let relocated = 0;
    for (const field of [...(kernel.fields.get('BTF header') ?? []), ...(kernel.fields.get('BTF type') ?? [])]) {
      const bytes = kernel.bytes.slice();
      for (const value of extremesOf(field.width, readField(bytes, field, littleEndian) ?? 0n, bytes.byteLength)) {
        writeField(bytes, field, value, littleEndian);
        if (examine(object.bytes, bytes) === 'relocated') relocated++;
      }
    }
    expect(relocated).toBeGreaterThan(0);
  });

  test('survives strings that do not end, or end sooner', () => {
    const outcomes: Record<Outcome, number> = { refused: 0, read: 0, relocated: 0 };
    for (const field of object.fields.get('BTF string') ?? []) {
      const bytes = object.bytes.slice();
      for (const value of [0n, 0x1bn]) {
        writeField(bytes, field, value, littleEndian);
        outcomes[examine(bytes, object.kernel.bytes)]++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(0);
    expect(outcomes.relocated).toBeGreaterThan(0);
  });

  test('cut off anywhere is refused', () => {
    for (let length = 0; length < object.bytes.byteLength; length++) {
      expect(examine(object.bytes.subarray(0, length), object.kernel.bytes)).toBe('refused');
    }
  });
});
