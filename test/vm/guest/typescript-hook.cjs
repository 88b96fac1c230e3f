'use strict';

// Takes the place of test/helpers/typescript-hook.cjs inside a VM, where the .ts files are already compiled.
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  if (/^\.{1,2}\/.*\.js$/u.test(request) && parent?.filename?.endsWith('.ts')) {
    const source = path.resolve(path.dirname(parent.filename), request.replace(/\.js$/u, '.ts'));
    if (fs.existsSync(source)) return source;
  }
  return resolve.call(this, request, parent, ...rest);
};

Module._extensions['.ts'] = function (module, filename) {
  module._compile(fs.readFileSync(filename, 'utf8'), filename);
};
