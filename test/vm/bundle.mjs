// Many CommonJS modules as one file: under emulation Node takes ten milliseconds to find, read and compile each small file.
// V8's compiled form of that file is kept beside it for the next process, which then starts a quarter of a second sooner.
/**
 * The text of a script whose value is a function of `require`, which returns load(path), for modules that require each other
 * by relative paths; they see the file names they would have had. `extension` is what theirs are, where they write `.js`.
 * `packages` says which module is meant by a package's name. `lines` leads back: [first line, path].
 */
export function bundle(modules, { extension, root, packages = {} }) {
  const lines = [];
  let text = `(function (require) {\n'use strict';\n`;
  text += `const outer = require('node:module').createRequire(${JSON.stringify(`${root}/package.json`)});\n`;
  text += 'const functions = {\n';
  let line = text.split('\n').length;
  for (const [name, code] of modules) {
    const script = code.replace(/^#!.*/u, '').replace(/\n\/\/# sourceMappingURL=.*/u, '');
    // Parentheses have it compiled at once: it is called as soon as it is needed, or not at all.
    const opening = `${JSON.stringify(name)}: (function (exports, require, module, __filename, __dirname) {\n`;
    const closing = '\n}),\n';
    lines.push([line + 1, name]);
    text += opening + script + closing;
    line += script.split('\n').length + 2;
  }
  text += `};
const { posix: path } = require('node:path');
const cache = new Map();
function load(name) {
  const known = cache.get(name);
  if (known !== undefined) return known.exports;
  const body = functions[name];
  if (body === undefined) throw new Error('Cannot find module ' + name);
  const module = { exports: {}, id: name, filename: name, loaded: false, children: [], paths: [] };
  cache.set(name, module);
  const folder = path.dirname(name);
  const requireFrom = (request) => {
    const own = ${JSON.stringify(packages)}[request];
    if (own !== undefined) return load(own);
    if (!request.startsWith('.')) return outer(request);
    const wanted = path.join(folder, request);
    const inside = wanted.replace(/\\.js$/u, ${JSON.stringify(extension)});
    return functions[inside] === undefined ? outer(wanted) : load(inside);
  };
  requireFrom.main = require.main;
  requireFrom.resolve = outer.resolve;
  body.call(module.exports, module.exports, requireFrom, module, name, folder);
  module.loaded = true;
  return module.exports;
}
return { load, has: (name) => Object.hasOwn(functions, name) };
})`;
  return { text, lines };
}

/** The text of a module that runs the bundle in `file`: what requires it gets { load, has, keep }. */
export function bundleLoader(file) {
  return `'use strict';
const fs = require('node:fs');
const vm = require('node:vm');
const file = ${JSON.stringify(file)};
const kept = file + '.v8';
const cachedData = fs.existsSync(kept) ? fs.readFileSync(kept) : undefined;
const script = new vm.Script(fs.readFileSync(file, 'utf8'), { filename: file, cachedData });
/** Keeps what is compiled by now for other processes. */
function keep() {
  fs.writeFileSync(kept + process.pid, script.createCachedData());
  fs.renameSync(kept + process.pid, kept);
}
module.exports = { ...script.runInThisContext()(require), keep };
`;
}

/** The module and line in it of a line of the bundle. */
export function locate(lines, line) {
  let found;
  for (const entry of lines) {
    if (entry[0] > line) break;
    found = entry;
  }
  return found === undefined ? undefined : { name: found[1], line: line - found[0] + 1 };
}
