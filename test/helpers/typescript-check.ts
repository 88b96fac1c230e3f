import path from 'node:path';

import ts from 'typescript';

const options: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ['lib.es2022.d.ts'],
  types: [],
};

/** There is no such folder. */
const folder = path.resolve('/sources');

/** Parsed once: they are most of the work. */
const libraries = new Map<string, ts.SourceFile | undefined>();

/** What the TypeScript compiler finds wrong with these modules, which may import one another: `use.ts:3: …`. */
export function typeErrors(sources: Readonly<Record<string, string>>): string[] {
  const files = new Map(Object.entries(sources).map(([name, text]) => [path.join(folder, name), text]));
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.directoryExists = (name) => path.resolve(name) === folder;
  host.fileExists = (name) => files.has(path.resolve(name)) || fileExists(name);
  host.readFile = (name) => files.get(path.resolve(name)) ?? readFile(name);
  host.getSourceFile = (name, ...rest) => {
    const text = files.get(path.resolve(name));
    if (text !== undefined) return ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true);
    if (!libraries.has(name)) libraries.set(name, getSourceFile(name, ...rest));
    return libraries.get(name);
  };
  const program = ts.createProgram({ rootNames: [...files.keys()], options, host });
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, '\n');
    if (file === undefined || start === undefined) return text;
    return `${path.basename(file.fileName)}:${file.getLineAndCharacterOfPosition(start).line + 1}: ${text}`;
  });
}

/** A decoded value as an expression, so that the compiler looks for members that are missing and for those too many. */
export function expression(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number')
    return Number.isFinite(value) ? String(value) : `Number(${JSON.stringify(String(value))})`;
  if (value instanceof Uint8Array) return `new Uint8Array([${[...value].join(', ')}])`;
  if (Array.isArray(value)) return `[${value.map(expression).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([name, member]) => `[${JSON.stringify(name)}]: ${expression(member)}`);
    return `{ ${members.join(', ')} }`;
  }
  return value === undefined ? 'undefined' : JSON.stringify(value);
}
