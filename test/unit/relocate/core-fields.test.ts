import { CoreRelocationKind as Kind } from '../../../lib/relocate/core/core-relocation-kind.js';
import { type Build, member, TwoSides } from './fixtures.js';

describe('a field that has moved', () => {
  // struct task { int pid; void *parent; char comm[4]; }
  const sides = new TwoSides(
    (builder, { int, u8, pointer }) => {
      const comm = builder.addArray(u8, int, 4);
      builder.addStruct('task', 24, [member('pid', int, 0), member('parent', pointer, 64), member('comm', comm, 128)]);
    },
    (builder, { long, u8, int, pointer }) => {
      const comm = builder.addArray(u8, int, 16);
      builder.addStruct('task', 48, [
        member('state', long, 0),
        member('comm', comm, 64),
        member('parent', pointer, 192),
        member('pid', int, 256),
      ]);
    },
  );

  test.each([
    ['its offset', Kind.FIELD_BYTE_OFFSET, '0:1', 24n, 8n, 'task.parent'],
    ['its size', Kind.FIELD_BYTE_SIZE, '0:2', 16n, 4n, 'task.comm'],
    ['that it exists', Kind.FIELD_EXISTS, '0:0', 1n, 1n, 'task.pid'],
    ['that it is signed', Kind.FIELD_SIGNED, '0:0', 1n, 1n, 'task.pid'],
    ['that a pointer is not signed', Kind.FIELD_SIGNED, '0:1', 0n, 0n, 'task.parent'],
    ['its left shift', Kind.FIELD_LSHIFT_U64, '0:0', 32n, 32n, 'task.pid'],
    ['its right shift', Kind.FIELD_RSHIFT_U64, '0:0', 32n, 32n, 'task.pid'],
    ['an element', Kind.FIELD_BYTE_OFFSET, '0:2:3', 11n, 19n, 'task.comm[3]'],
    ['the size of an element', Kind.FIELD_BYTE_SIZE, '0:2:3', 1n, 1n, 'task.comm[3]'],
    ['a field of a later struct', Kind.FIELD_BYTE_OFFSET, '2:0', 128n, 48n, 'task[2].pid'],
    ['the whole struct', Kind.FIELD_BYTE_SIZE, '0', 48n, 24n, 'task'],
    ['a later struct', Kind.FIELD_BYTE_OFFSET, '3', 144n, 72n, 'task[3]'],
  ])('gives %s', (_, kind, access, value, expected, spelling) => {
    expect(sides.ask(kind, 'task', access)).toMatchObject({ value, expected, access: spelling });
  });

  test('only offset and size of an element can be asked for', () => {
    expect(() => sides.ask(Kind.FIELD_SIGNED, 'task', '0:2:1')).toThrow(/only the offset and size/);
  });
});

describe('a field that the kernel does not have', () => {
  const sides = new TwoSides(
    (builder, { int }) => {
      builder.addStruct('task', 8, [member('gone', int, 0), member('kept', int, 32)]);
      builder.addStruct('missing', 4, [member('pid', int, 0)]);
      builder.addUnion('changed', 4, [member('pid', int, 0)]);
    },
    (builder, { int, pointer }) => {
      builder.addStruct('task', 16, [member('kept', pointer, 0), member('other', int, 64)]);
      builder.addStruct('changed', 4, [member('pid', int, 0)]);
    },
  );

  test.each([
    ['offset', Kind.FIELD_BYTE_OFFSET],
    ['size', Kind.FIELD_BYTE_SIZE],
    ['sign', Kind.FIELD_SIGNED],
    ['left shift', Kind.FIELD_LSHIFT_U64],
    ['right shift', Kind.FIELD_RSHIFT_U64],
  ])('has no %s', (_, kind) => {
    const answer = sides.ask(kind, 'task', '0:0');
    expect(answer.value).toBeUndefined();
    expect(answer.reason).toBe('the kernel\'s "struct task" has no member "gone"');
  });

  test('does not exist', () => {
    expect(sides.ask(Kind.FIELD_EXISTS, 'task', '0:0')).toMatchObject({ value: 0n, expected: 1n });
    expect(sides.ask(Kind.FIELD_EXISTS, 'missing', '0:0').value).toBe(0n);
  });

  test('is missed for the reason that applies', () => {
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 'task', '0:1').reason).toBe(
      '"kept" is "void *" in the kernel and "int" in the object',
    );
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 'missing', '0:0').reason).toBe('the kernel has no struct "missing"');
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 'changed', '0:0').reason).toBe(
      'the kernel has no union "changed", only struct changed',
    );
  });
});

describe('members are found by name', () => {
  test('through anonymous structs and unions on either side', () => {
    const sides = new TwoSides(
      (builder, { int, u64 }) => {
        const inner = builder.addUnion('', 8, [member('a', int, 0), member('b', u64, 0)]);
        builder.addStruct('s', 16, [member('first', u64, 0), member('', inner, 64)]);
      },
      (builder, { int, u64 }) => {
        const deepest = builder.addStruct('', 16, [member('x', u64, 0), member('b', u64, 64)]);
        const inner = builder.addStruct('', 24, [member('y', u64, 0), member('', deepest, 64)]);
        builder.addStruct('s', 40, [member('a', int, 0), member('', inner, 64), member('first', u64, 256)]);
      },
    );
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:1:0')).toMatchObject({ value: 0n, expected: 8n, access: 's.a' });
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:1:1')).toMatchObject({ value: 24n, expected: 8n, access: 's.b' });
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:0').value).toBe(32n);
  });

  test('under typedefs and qualifiers, and whether struct or union below the root', () => {
    const sides = new TwoSides(
      (builder, { u32 }) => {
        const inner = builder.addStruct('kuid', 4, [member('val', u32, 0)]);
        const alias = builder.addTypedef('kuid_t', builder.addConst(inner));
        const outer = builder.addStruct('', 8, [member('pad', u32, 0), member('uid', alias, 32)]);
        builder.addTypedef('cred_t', outer);
      },
      (builder, { u32 }) => {
        const inner = builder.addUnion('', 8, [member('val', u32, 0)]);
        const outer = builder.addStruct('', 24, [member('uid', builder.addVolatile(inner), 128)]);
        builder.addTypedef('cred_t', outer);
      },
    );
    const spelling = 'cred_t.uid.val';
    const answer = sides.ask(Kind.FIELD_BYTE_OFFSET, 'cred_t', '0:1:0');
    expect(answer).toMatchObject({ value: 16n, expected: 4n, access: spelling });
  });

  test('with flavours of the object’s type left out of its name', () => {
    const sides = new TwoSides(
      (builder, { int, long }) => {
        builder.addStruct('task___old', 8, [member('state', long, 0)]);
        builder.addStruct('task___new', 4, [member('__state', int, 0)]);
      },
      (builder, { int }) => {
        builder.addStruct('task', 12, [member('flags', int, 0), member('__state', int, 64)]);
      },
    );
    expect(sides.ask(Kind.FIELD_EXISTS, 'task___old', '0:0').value).toBe(0n);
    expect(sides.ask(Kind.FIELD_EXISTS, 'task___new', '0:0').value).toBe(1n);
    const answer = sides.ask(Kind.FIELD_BYTE_OFFSET, 'task___new', '0:0');
    expect(answer).toMatchObject({ value: 8n, access: 'task___new.__state' });
  });
});

describe('arrays', () => {
  const sides = new TwoSides(
    (builder, { int, u32 }) => {
      const row = builder.addArray(u32, int, 3);
      const matrix = builder.addArray(row, int, 2);
      const flexible = builder.addArray(u32, int, 0);
      builder.addStruct('s', 24, [member('matrix', matrix, 0), member('tail', flexible, 192)]);
      builder.addStruct('short', 32, [member('list', builder.addArray(u32, int, 8), 0)]);
      builder.addStruct('grown', 4, [member('list', builder.addArray(u32, int, 1), 0)]);
      builder.addStruct('middle', 8, [member('list', flexible, 0), member('last', u32, 32)]);
    },
    (builder, { int, u32 }) => {
      const row = builder.addArray(u32, int, 5);
      const matrix = builder.addArray(row, int, 4);
      const flexible = builder.addArray(u32, int, 0);
      builder.addStruct('s', 84, [member('id', u32, 0), member('matrix', matrix, 32), member('tail', flexible, 672)]);
      builder.addStruct('short', 16, [member('list', builder.addArray(u32, int, 4), 0)]);
      builder.addStruct('grown', 4, [member('id', u32, 0), member('list', flexible, 32)]);
    },
  );

  test('of arrays are indexed by the kernel’s rows', () => {
    const answer = sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:0:1:2');
    expect(answer).toMatchObject({ value: 4n + 20n + 8n, expected: 12n + 8n, access: 's.matrix[1][2]' });
    expect(sides.ask(Kind.FIELD_BYTE_SIZE, 's', '0:0')).toMatchObject({ value: 80n, expected: 24n });
  });

  test('without a length at the end of a struct have any number of elements', () => {
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:1:100')).toMatchObject({ value: 484n, expected: 424n });
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 'grown', '0:0:0').value).toBe(4n);
    expect(() => sides.ask(Kind.FIELD_BYTE_OFFSET, 'middle', '0:0:0')).toThrow(/element 0 is outside an array of 0/);
  });

  test('are bounded by the kernel’s length and by the object’s own', () => {
    expect(sides.ask(Kind.FIELD_EXISTS, 'short', '0:0:3').value).toBe(1n);
    expect(sides.ask(Kind.FIELD_EXISTS, 'short', '0:0:4').value).toBe(0n);
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 'short', '0:0:7').reason).toBe("the kernel's array has 4 elements");
    expect(() => sides.ask(Kind.FIELD_EXISTS, 'short', '0:0:8')).toThrow(/element 8 is outside an array of 8/);
  });
});

describe('loads and stores of another size', () => {
  const sides = new TwoSides(
    (builder, { int, u32, u64, pointer }) => {
      const members = [member('u', u32, 0), member('i', int, 32), member('p', pointer, 64), member('b', u64, 128)];
      builder.addStruct('s', 24, members);
    },
    (builder, { u8, long, u64, pointer }) => {
      const members = [member('u', u8, 0), member('i', long, 64), member('p', pointer, 128), member('b', u64, 192, 9)];
      builder.addStruct('s', 32, members);
    },
  );

  test('fit for unsigned integers and pointers', () => {
    const integer = sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:0');
    expect(integer).toMatchObject({ localSize: 4, size: 1, sizeMisfit: undefined });
    const pointer = sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:2');
    expect(pointer).toMatchObject({ localSize: 8, size: 8, sizeMisfit: undefined });
  });

  test('do not fit for signed integers and bit-fields', () => {
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:1').sizeMisfit).toMatch(
      /^the field is "long" of 8 bytes in the kernel and "int" of 4 bytes in the object: read it with/,
    );
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:3').sizeMisfit).toMatch(/^the field is a bit-field in the kernel/);
  });
});

describe('several types of one name', () => {
  const adapter: Build = (builder, { int }) => {
    builder.addStruct('adapter', 8, [member('id', int, 0), member('state', int, 32)]);
  };

  test('that agree are as one', () => {
    const sides = new TwoSides(adapter, (builder, { int, u64 }) => {
      builder.addStruct('adapter', 16, [member('x', u64, 0), member('id', int, 64)]);
      builder.addStruct('adapter', 24, [member('y', u64, 0), member('id', int, 64), member('state', int, 96)]);
    });
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 'adapter', '0:0').value).toBe(8n);
    // Only one of the two has it.
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 'adapter', '0:1').value).toBe(12n);
  });

  test('that disagree are refused, both shown', () => {
    const sides = new TwoSides(adapter, (builder, { int, u64 }) => {
      builder.addStruct('adapter', 2480, [member('x', u64, 0), member('id', int, 64)]);
      builder.addStruct('adapter', 12544, [member('id', int, 0), member('y', u64, 64)]);
    });
    expect(() => sides.ask(Kind.FIELD_BYTE_OFFSET, 'adapter', '0:0')).toThrow(
      'the kernel has several types of this name and they disagree: ' +
        'adapter.id of struct adapter (BTF id 17, 2480 bytes) gives 8, ' +
        'but adapter.id of struct adapter (BTF id 18, 12544 bytes) gives 0',
    );
    // Where the field stands elsewhere, equal answers are chance.
    expect(() => sides.ask(Kind.FIELD_BYTE_SIZE, 'adapter', '0:0')).toThrow(/they disagree/);
    expect(sides.ask(Kind.FIELD_EXISTS, 'adapter', '0:1').value).toBe(0n);
  });

  test('count as candidates under flavours of the kernel, too', () => {
    const sides = new TwoSides(adapter, (builder, { int }) => {
      builder.addStruct('adapter___vendor', 4, [member('id', int, 0)]);
    });
    expect(sides.ask(Kind.FIELD_BYTE_OFFSET, 'adapter', '0:0').value).toBe(0n);
  });
});

describe('malformed accesses', () => {
  const sides = new TwoSides(
    (builder, { int }) => {
      builder.addStruct('s', 4, [member('a', int, 0)]);
      builder.addForward('forward');
      builder.addEnum('e', { values: [{ name: 'A', value: 1 }] });
    },
    (builder, { int }) => {
      builder.addStruct('s', 4, [member('a', int, 0)]);
    },
  );

  test.each(['', ':', '0:', ':0', '0::0', '-1', '0:-1', '0x0', ' 0', '0 ', 'a', '99999999999', '0\n'])(
    '%j',
    (access) => {
      expect(() => sides.ask(Kind.FIELD_EXISTS, 's', access)).toThrow(/access string .* is malformed/);
    },
  );

  test.each([
    ['0:1', /struct s has no member number 1/],
    ['0:0:0', /the access goes into int, which has no members/],
    [Array.from({ length: 65 }, () => '0').join(':'), /more than 64 steps/],
  ])('%s', (access, message) => {
    expect(() => sides.ask(Kind.FIELD_EXISTS, 's', access)).toThrow(message);
  });

  test('a field of a type that is only declared', () => {
    expect(() => sides.ask(Kind.FIELD_EXISTS, 'forward', '0')).toThrow(/struct forward has no size/);
  });

  test('an unknown kind', () => {
    expect(() => sides.ask(13, 's', '0')).toThrow('CO-RE relocations of kind 13 are not known');
  });

  test.each([
    [Kind.TYPE_EXISTS, 's', '0:0', /a relocation of a type takes "0"/],
    [Kind.ENUMVAL_VALUE, 'e', '1', /chooses no value of an enum/],
    [Kind.ENUMVAL_VALUE, 'e', '0:0', /chooses no value of an enum/],
    [Kind.ENUMVAL_VALUE, 's', '0', /chooses no value of an enum/],
  ])('kind %i of %s with %s', (kind, type, access, message) => {
    expect(() => sides.ask(kind, type, access)).toThrow(message);
  });
});
