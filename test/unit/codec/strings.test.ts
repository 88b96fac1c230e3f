import fc from 'fast-check';

import { cstr } from '../../../lib/codec/index.js';
import { viewOf } from './support.js';

/** What the bytes mean, the slow and obvious way. */
function naive(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8');
}

const codecs = Array.from({ length: 257 }, (_, length) => cstr(length));

function decode(bytes: Uint8Array): string {
  return codecs[bytes.length]?.decode(viewOf(bytes), 0) ?? 'no codec of this length';
}

test('any bytes are read up to the first NUL, what is not UTF-8 replaced', () => {
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x61));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 140 }), (list) => {
      const bytes = Uint8Array.from(list);
      expect(decode(bytes)).toBe(naive(bytes));
      // And again, now that it is remembered.
      expect(decode(bytes)).toBe(naive(bytes));
    }),
    { numRuns: 500 },
  );
});

test.each([0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 60, 63, 64, 65, 66, 67, 68, 127, 128, 256])(
  '%d bytes, full or ended anywhere',
  (length) => {
    for (let end = 0; end <= length; end++) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index === end ? 0 : 0x21 + (index % 90)));
      expect(decode(bytes)).toBe(naive(bytes));
    }
  },
);

test('strings that differ only behind the NUL are equal, those that differ before it are not', () => {
  expect(decode(Buffer.from('bash\0xyz'))).toBe('bash');
  expect(decode(Buffer.from('bash\0abc'))).toBe('bash');
  expect(decode(Buffer.from('bash\0\0\0\0'))).toBe('bash');
  expect(decode(Buffer.from('bask\0\0\0\0'))).toBe('bask');
  expect(decode(Buffer.from('\u00ff\u00ff\u00ff', 'latin1'))).toBe('\ufffd\ufffd\ufffd');
});

test('a byte order mark is kept', () => {
  expect(decode(Buffer.from('\ufeffabc\0'))).toBe('\ufeffabc');
});

test('ever new strings are read right, and no more than a bounded number is kept', () => {
  for (let number = 0; number < 20_000; number++) {
    const text = `worker-${number}`;
    expect(decode(Buffer.from(text.padEnd(16, '\0')))).toBe(text);
  }
  expect(decode(Buffer.from('worker-1'.padEnd(16, '\0')))).toBe('worker-1');
});
