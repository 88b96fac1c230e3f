// The rooms of lib/ and which may import which: the table of docs/architecture.md as data. The rule in room-imports.mjs reads it.

/**
 * `imports`: the rooms it may enter. `pure`: it touches nothing live, so that it works on any system, without root, on any kernel.
 */
export const rooms = {
  errors: { imports: [], pure: true },
  abi: { imports: [], pure: true },
  binary: { imports: ['errors'], pure: true },
  elf: { imports: ['binary', 'errors'], pure: true },
  btf: { imports: ['binary', 'abi', 'errors'], pure: true },
  asm: { imports: ['binary', 'abi', 'errors'], pure: true },
  codec: { imports: ['binary', 'btf', 'errors'], pure: true },
  object: { imports: ['elf', 'btf', 'asm', 'codec', 'binary', 'abi', 'errors'], pure: true },
  relocate: { imports: ['object', 'btf', 'asm', 'binary', 'abi', 'errors'], pure: true },

  sys: { imports: ['abi', 'errors', 'binary'] },
  kernel: { imports: ['sys', 'elf', 'btf', 'asm', 'relocate', 'binary', 'abi', 'errors'] },
  'user-space': { imports: ['sys', 'kernel', 'elf', 'binary', 'abi', 'errors'] },
  links: { imports: ['user-space', 'sys', 'kernel', 'codec', 'object', 'elf', 'btf', 'abi', 'errors'] },
  events: { imports: ['sys', 'kernel', 'codec', 'object', 'btf', 'abi', 'errors'] },
  // A ring buffer opens its reader; a program, or a map of operations, makes its links. Never the reverse.
  maps: { imports: ['events', 'links', 'sys', 'kernel', 'codec', 'object', 'relocate', 'btf', 'abi', 'errors'] },
  programs: {
    imports: [
      ...[
        'user-space',
        'links',
        'sys',
        'kernel',
        'codec',
        'object',
        'relocate',
        'asm',
        'binary',
        'btf',
        'abi',
        'errors',
      ],
    ],
  },

  // Several XDP programs on one interface.
  dispatcher: {
    imports: ['programs', 'links', 'sys', 'kernel', 'object', 'btf', 'asm', 'binary', 'abi', 'errors'],
  },

  // Compiled code of dist/, kept and used: a part of dist/index.js.
  'compile-cache': { imports: [] },

  // The command line is a user like any other, but for the command that keeps compiled code.
  cli: { imports: ['public API', 'compile-cache'] },
};

/**
 * Builtin modules that touch nothing outside; timers, because long work gives way to the event loop. A pure room may import these,
 * and of the ones with a list the names in it.
 */
export const pureBuiltins = new Map([
  ['node:assert', undefined],
  ['node:buffer', undefined],
  ['node:os', ['endianness', 'uptime']],
  ['node:path', undefined],
  ['node:timers/promises', undefined],
  ['node:url', undefined],
  ['node:util', undefined],
  ['node:util/types', undefined],
]);

/** Globals that a pure room may not use, for the same reason, but for these of their properties: a clock is nobody's state. */
export const liveGlobals = new Map([
  ['process', ['hrtime']],
  ['fetch', []],
  ['navigator', []],
]);

/**
 * What tests may import, by the folder they are in. Unit tests of a room may also import what the room may (they need its inputs);
 * the others use the public API, and kernel tests of a room the room they are named after.
 */
export const publicApi = 'public API';
