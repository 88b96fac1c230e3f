// Makes dist/*.js of lib/: a few files, each read when something in it is first used. V8 takes 10 ms to look over the whole
// library, and Node a third of one for each file: so what a load needs is in two, and the rest by what it is for. The
// sources know nothing of it: a name that is defined in another file is fetched from there where it is used.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { copied, parts } from './bundle-parts.mjs';

const root = path.resolve(import.meta.dirname, '..');
const options = { platform: 'node', target: 'node20.19' };
/** Node has its own of these in memory when a program starts; others take up to a millisecond. */
const neededAtOnce = ['./types.js', 'node:fs', 'node:path', 'node:url', 'node:util'];

/** Writes all of dist/ but the declarations. */
export async function bundle() {
  // Loaded late: on a fresh clone it is not there before setup has run.
  const esbuild = createRequire(import.meta.url)('esbuild');
  const library = await readLibrary(esbuild);
  const dist = (name) => path.join(root, 'dist', name);
  fs.mkdirSync(dist('cli'), { recursive: true });
  const api = library.publicNames();
  for (const part of Object.keys(parts)) {
    fs.writeFileSync(dist(`${part}.js`), await buildPart(esbuild, library, part));
  }
  fs.writeFileSync(dist('index.js'), entry(api, await findPrepared(esbuild)));
  // Made of the files that were replaced.
  fs.rmSync(dist('compile-cache'), { recursive: true, force: true });
  await esbuild.build({
    ...{ ...options, absWorkingDir: root, bundle: true, format: 'cjs', keepNames: true },
    ...{ entryPoints: ['lib/cli/main.ts'], outfile: 'dist/cli/main.js' },
    plugins: [
      { name: 'library', setup: (build) => build.onResolve({ filter: /^[.]+\/([.][.]\/)?index[.]js$/ }, asRequired) },
    ],
  });
}

/** The command requires the library, as any user does. */
function asRequired({ path: wanted, resolveDir }) {
  const isLibrary = path.join(resolveDir, wanted) === path.join(root, 'lib', 'index.js');
  return isLibrary ? { path: '../index.js', external: true } : undefined;
}

/** The sources as JavaScript, and who uses what of whom. */
class Library {
  /** By path in lib/ without `.ts`: code, and its imports and exports. */
  #modules = new Map();
  /** By part: what others use of it, as key → { file, name }. */
  used = new Map(Object.keys(parts).map((part) => [part, new Map()]));

  add(file, code) {
    const resolve = (wanted) => path.posix.join(path.posix.dirname(file), wanted).replace(/\.js$/, '');
    const names = (text) => [...text.matchAll(/([\w$]+)(?: as ([\w$]+))?/g)].map(([, name, as = name]) => [name, as]);
    const find = (form) => [...code.matchAll(form)];
    const imports = find(/^import \{([^}]*)\} from "(\.[^"]+)";$/gm).map(([statement, list, from]) => {
      return { statement, from: resolve(from), names: names(list) };
    });
    const whole = find(/^(import \* as \w+ from )"(\.[^"]+)";$/gm).map(([statement, start, from]) => {
      return { statement, start, from: resolve(from) };
    });
    const stars = find(/^export \* from "(\.[^"]+)";$/gm).map(([, from]) => resolve(from));
    const exports = new Map(find(/^export \{([^}]*)\};$/gm).flatMap(([, list]) => names(list).map(([a, b]) => [b, a])));
    if (find(/ from "\./g).length !== imports.length + whole.length + stars.length) {
      throw new Error(`bundling lib/${file}.ts: an import of a form that scripts/bundle.mjs does not know`);
    }
    this.#modules.set(file, { code, imports, whole, stars, exports });
  }

  /** Where a name that a file exports is defined. */
  definition(file, name) {
    const module = this.#modules.get(file);
    if (module === undefined) throw new Error(`bundling: there is no lib/${file}.ts`);
    const local = module.exports.get(name);
    if (local !== undefined) {
      const imported = module.imports.flatMap(({ from, names }) => names.map((pair) => [from, ...pair]));
      const [from, original] = imported.find(([, , as]) => as === local) ?? [];
      return from === undefined ? { file, name } : this.definition(from, original);
    }
    return module.stars.map((star) => this.definition(star, name)).find((found) => found !== undefined);
  }

  /** The key by which other parts have a name of this part. */
  #keyOf(part, { file, name }) {
    const used = this.used.get(part);
    for (let key = name; ; key += '_') {
      const known = used.get(key);
      if (known === undefined) used.set(key, { file, name });
      else if (known.file !== file || known.name !== name) continue;
      return key;
    }
  }

  publicNames() {
    const names = [];
    const collect = (file) => {
      const { exports, stars } = this.#modules.get(file);
      names.push(...exports.keys());
      stars.forEach(collect);
    };
    collect('index');
    const api = names.sort().map((name) => {
      const definition = this.definition('index', name);
      const part = partOf(definition.file);
      const form = new RegExp(`^(async )?function ${definition.name}\\(`, 'm');
      const isFunction = form.test(this.#modules.get(definition.file).code);
      return { name, part, key: this.#keyOf(part, definition), isFunction };
    });
    const all = Object.keys(parts);
    for (const file of this.#modules.keys()) {
      for (const part of isCopied(file) ? all : [partOf(file)]) this.codeOf(file, part);
    }
    return api;
  }

  /** A file's code in a part, with its imports going straight to where things are defined: another file, or another part. */
  codeOf(file, ownPart) {
    const { code, imports, whole } = this.#modules.get(file);
    if (isCopied(file) && /^(let|class) /m.test(code)) throw new Error(`bundling: lib/${file}.ts cannot be copied`);
    let text = code;
    for (const { statement, from, names } of imports) {
      const direct = names.map(([name, local]) => {
        const definition = this.definition(from, name);
        if (definition === undefined) throw new Error(`bundling lib/${file}.ts: lib/${from}.ts has no ${name}`);
        const part = partOf(definition.file);
        return part === ownPart || isCopied(definition.file)
          ? `import { ${definition.name} as ${local} } from "lib:${definition.file}";`
          : `import { ${this.#keyOf(part, definition)} as ${local} } from "part:${part}";`;
      });
      text = text.replace(statement, () => direct.join(' '));
    }
    for (const { statement, start, from } of whole) {
      if (partOf(from) !== partOf(file)) throw new Error(`bundling: lib/${file}.ts and lib/${from}.ts go together`);
      text = text.replace(statement, () => `${start}"lib:${from}";`);
    }
    return text;
  }
}

/** Rooms that are in no part. */
const besides = ['cli', 'compile-cache'];
const isIn = (patterns, file) => patterns.some((pattern) => file === pattern || file.startsWith(`${pattern}/`));
const isCopied = (file) => isIn(copied, file);

function partOf(file) {
  for (const [part, patterns] of Object.entries(parts)) if (isIn(patterns, file)) return part;
  throw new Error(`bundling: scripts/bundle-parts.mjs says of no part that lib/${file}.ts is in it`);
}

async function readLibrary(esbuild) {
  const library = new Library();
  const lib = path.join(root, 'lib');
  const files = fs
    .readdirSync(lib, { recursive: true })
    .filter((file) => file.endsWith('.ts') && !isIn(besides, path.dirname(file).split(path.sep)[0]));
  const transformed = files.map(async (file) => {
    const source = fs.readFileSync(path.join(lib, file), 'utf8');
    const { code } = await esbuild.transform(source, { ...options, loader: 'ts', format: 'esm' });
    return [file.replace(/\.ts$/, ''), code];
  });
  for (const [file, code] of await Promise.all(transformed)) library.add(file, code);
  return library;
}

async function buildPart(esbuild, library, part) {
  const used = [...library.used.get(part)];
  const contents = [
    ...used.map(([, { file, name }], index) => `import { ${name} as used${index} } from "lib:${file}";`),
    `module.exports = { ${used.map(([key], index) => `${key}: used${index}`).join(', ')} };`,
  ].join('\n');
  const sources = {
    name: 'sources',
    setup(build) {
      build.onResolve({ filter: /^lib:/ }, ({ path: wanted }) => ({ path: wanted.slice(4), namespace: 'lib' }));
      build.onResolve({ filter: /^part:/ }, ({ path: wanted }) => ({
        path: `./${wanted.slice(5)}.js`,
        external: true,
      }));
      build.onLoad({ filter: /.*/, namespace: 'lib' }, ({ path: file }) => ({ contents: library.codeOf(file, part) }));
    },
  };
  const { outputFiles } = await esbuild.build({
    ...{ ...options, bundle: true, format: 'cjs', write: false, treeShaking: true, logLevel: 'error' },
    ...{ stdin: { contents, resolveDir: root, sourcefile: part }, plugins: [sources] },
  });
  return `'use strict';\n${withClassNames(await small(esbuild, withLateRequires(outputFiles[0].text)))}`;
}

/** What sets `prepared` to parts that were compiled before, where there are some. In a bundle of ES modules is no __dirname. */
async function findPrepared(esbuild) {
  const contents = [
    "import { preparedParts } from './prepared-parts.js';",
    "prepared = typeof __dirname === 'string' ? preparedParts(__dirname) : undefined;",
  ].join('\n');
  const { outputFiles } = await esbuild.build({
    ...{ ...options, bundle: true, format: 'cjs', write: false, treeShaking: true },
    stdin: { contents, resolveDir: path.join(root, 'lib', 'compile-cache') },
  });
  return small(esbuild, withLateRequires(outputFiles[0].text.replace(/^"use strict";\n/, '')));
}

async function small(esbuild, text) {
  const { code } = await esbuild.transform(await withShortLocals(text), {
    ...{ ...options, lineLimit: 160 },
    ...{ minifyWhitespace: true, minifySyntax: true },
  });
  return code;
}

/** Names of parameters and variables of functions are a sixth of the text that V8 reads. Those that errors show stay. */
async function withShortLocals(text) {
  // Loaded late, as esbuild is.
  const swc = createRequire(import.meta.url)('@swc/core');
  const mangle = { toplevel: false, keep_classnames: true, keep_fnames: true };
  return (await swc.minify(text, { mangle, compress: false, module: false, ecma: 2022 })).code;
}

/** What esbuild calls `class _Btf`, since it refers to itself, is `Btf` again: errors and util.inspect show it. */
function withClassNames(code) {
  const renamed = [...code.matchAll(/\b(\w+)=class _\1\b/g)].map(([, name]) => name);
  return renamed.reduce((text, name) => text.replaceAll(new RegExp(`\\b_${name}\\b`, 'g'), name), code);
}

/** Other parts, and what of Node takes time to load, are required where they are used. */
function withLateRequires(code) {
  const required = [...code.matchAll(/^var (import_\w+) = require\("([^"]+)"\);\n/gm)];
  const names = new Map();
  let text = code;
  for (const [statement, variable, target] of required) {
    const name = `$${target.replace(/^\.\/|^node:|\.js$/g, '').replace(/\W+/g, '_')}`;
    const isLate = !neededAtOnce.includes(target);
    text = text.replace(statement, '');
    text = text.replaceAll(
      new RegExp(`\\bnew ${variable}\\.(\\w+)`, 'g'),
      isLate ? `new (${name}().$1)` : `new ${name}.$1`,
    );
    text = text.replaceAll(new RegExp(`\\b${variable}\\.`, 'g'), isLate ? `${name}().` : `${name}.`);
    if (new RegExp(`\\b${variable}\\b`).test(text)) throw new Error(`bundling: ${target} is used as a whole`);
    names.set(
      name,
      isLate
        ? `let ${name}_;\nfunction ${name}() { return ${name}_ ??= require("${target}"); }`
        : `const ${name} = require("${target}");`,
    );
  }
  return [...names.values(), text].join('\n');
}

/** A part's name as one that JavaScript takes. */
function variable(part) {
  return part.replace(/\W+/g, '_');
}

/**
 * dist/index.js: every name of the API as a getter, or as a function where a part has nothing but functions: import asks for
 * every name, and need not read these. The last line is for import, which finds names in the text.
 */
function entry(api, findPrepared) {
  const used = Object.keys(parts).filter((part) => api.some((name) => name.part === part));
  const mixed = new Set(api.filter(({ isFunction }) => !isFunction).map(({ part }) => part));
  const read = (part) => `${variable(part)}()`;
  return [
    "'use strict';",
    `let prepared;\n{\n${findPrepared}}`,
    ...used.map((part) => {
      const name = variable(part);
      return `let ${name}_;\nconst ${name} = () => (${name}_ ??= prepared?.('./${part}.js') ?? require('./${part}.js'));`;
    }),
    'module.exports = {',
    ...api.map(({ name, part, key }) =>
      mixed.has(part)
        ? `  get ${name}() { return ${read(part)}.${key}; },`
        : `  ${name}(...args) { return ${read(part)}.${key}(...args); },`,
    ),
    '};',
    `0 && (module.exports = { ${api.map(({ name }) => name).join(', ')} });`,
    '',
  ].join('\n');
}
