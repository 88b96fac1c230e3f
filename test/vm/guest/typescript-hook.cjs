'use strict';

// Takes the place of test/helpers/typescript-hook.cjs inside a VM, where all .ts files are compiled in one bundle.
const Module = require('node:module');
const { has, load } = require('../../vm/typescript.js');

Module._extensions['.ts'] = function (module, filename) {
  if (!has(filename)) throw new Error(`${filename} is not in the bundle of this VM`);
  module.exports = load(filename);
};
