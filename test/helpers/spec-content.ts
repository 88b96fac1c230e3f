import type { FunctionSpec, MapSpec, ObjectSpec } from '../../lib/object/index.js';

/** All that a spec says, as plain values that tests can compare. */
export function specContent(spec: ObjectSpec): object {
  return {
    littleEndian: spec.littleEndian,
    license: spec.license,
    kernelVersion: spec.kernelVersion,
    btf: spec.btfBytes === undefined ? undefined : hex(spec.btfBytes),
    programs: [...spec.programs.values()].map(({ function: code, ...rest }) => ({
      ...rest,
      code: functionContent(code),
    })),
    functions: [...spec.functions].map(([key, one]) => [key, functionContent(one)]),
    maps: [...spec.maps.values()].map(mapContent),
    variables: [...spec.variables].map(([key, { section, offset, size, typeId, constant, value }]) => ({
      key,
      section,
      offset,
      size,
      typeId,
      constant,
      value,
    })),
    externs: [...spec.externs.values()],
  };
}

function functionContent({ code, ...rest }: FunctionSpec): object {
  return { ...rest, code: hex(code) };
}

/** What a map is; the BTF that its types are in is the object's. */
export function mapContent(map: MapSpec): object {
  const { initialValue, inner } = map;
  return Object.assign({}, map, {
    btf: undefined,
    inner: inner === undefined ? undefined : mapContent(inner),
    initialValue: initialValue === undefined ? undefined : hex(initialValue),
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
