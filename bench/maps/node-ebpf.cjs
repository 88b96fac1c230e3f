'use strict';

// This library beside the loops of peers/cases.h. It loads the object, fills its maps and prints their ids: the peers use
// the same maps. Then for each line `case operations`: CPU nanoseconds and the operations done.
const readline = require('node:readline');
const { ArrayMap, Ebpf, HashMap } = require('../../dist/index.js');

const STEP = 0x9e3779b1 | 0;
const BATCH = 4096;
// Keys and values are in ever other buffers: what is measured must not be the cache of one of them.
const BUFFERS = 64;
const keyWords = new Uint32Array(BUFFERS);
const valueWords = new Uint32Array(BUFFERS * 2);
const keys = Array.from({ length: BUFFERS }, (_, index) => new Uint8Array(keyWords.buffer, index * 4, 4));
const values = Array.from({ length: BUFFERS }, (_, index) => new Uint8Array(valueWords.buffer, index * 8, 8));
const batchKeys = new Uint32Array(BATCH);
const batchValues = new Uint32Array(BATCH * 8);
const batch = {
  keys: new Uint8Array(batchKeys.buffer),
  values: new Uint8Array(batchValues.buffer),
  count: new Uint32Array(1),
};
const position = new Uint8Array(4);

let nextKey = 0;
let sum = 0;

function lookups({ raw }, mask, count) {
  for (let index = 0; index < count; index++) {
    const slot = index % BUFFERS;
    nextKey = (nextKey + STEP) | 0;
    keyWords[slot] = nextKey & mask;
    if (!raw.get(keys[slot], values[slot])) throw new Error('lookup');
    sum += valueWords[slot * 2];
  }
  return count;
}

function updates({ raw }, mask, count) {
  for (let index = 0; index < count; index++) {
    const slot = index % BUFFERS;
    nextKey = (nextKey + STEP) | 0;
    keyWords[slot] = nextKey & mask;
    valueWords[slot * 2] = index;
    if (!raw.set(keys[slot], values[slot])) throw new Error('update');
  }
  return count;
}

function deletions({ raw }, mask, count) {
  for (let index = 0; index < count; index++) {
    const slot = index % BUFFERS;
    nextKey = (nextKey + STEP) | 0;
    keyWords[slot] = nextKey & mask;
    if (!raw.delete(keys[slot])) throw new Error('delete');
  }
  return count;
}

function gets(map, mask, count) {
  for (let index = 0; index < count; index++) {
    nextKey = (nextKey + STEP) | 0;
    const { bytes, started, packets, process, port, flags } = map.get(nextKey & mask);
    sum += Number(bytes) + Number(started) + packets + process + port + flags;
  }
  return count;
}

function numbers(map, mask, count) {
  for (let index = 0; index < count; index++) {
    nextKey = (nextKey + STEP) | 0;
    sum += Number(map.get(nextKey & mask));
  }
  return count;
}

function iterateRaw({ raw, valueSize }) {
  const words = valueSize / 4;
  let total = 0;
  let at = null;
  for (let more = true; more; at = position) {
    batch.count[0] = BATCH;
    more = raw.lookupBatch(at, position, batch);
    const count = batch.count[0];
    for (let index = 0; index < count; index++) sum += batchKeys[index] + batchValues[index * words];
    total += count;
  }
  return total;
}

function iterateNumbers(map) {
  let total = 0;
  for (const [key, value] of map) {
    sum += key + Number(value);
    total++;
  }
  return total;
}

function iterateStructs(map) {
  let total = 0;
  for (const [key, { bytes, started, packets, process, port, flags }] of map) {
    sum += key + Number(bytes) + Number(started) + packets + process + port + flags;
    total++;
  }
  return total;
}

function reads32(variables, count) {
  for (let index = 0; index < count; index++) sum += variables.counter32;
  return count;
}

function reads64(variables, count) {
  for (let index = 0; index < count; index++) sum += Number(variables.counter64);
  return count;
}

function writes32(variables, count) {
  for (let index = 0; index < count; index++) variables.counter32 = index;
  return count;
}

async function main(object) {
  const ebpf = await Ebpf.load(object);
  const hash = ebpf.map('hash', HashMap);
  const small = ebpf.map('small', HashMap);
  const structs = ebpf.map('structs', HashMap);
  const array = ebpf.map('array', ArrayMap);
  const mask = hash.maxEntries - 1;
  const connection = { bytes: 1n, started: 1n, packets: 1, process: 1, port: 1, flags: 1 };
  for (let key = 0; key <= mask; key++) {
    hash.set(key, 1n);
    structs.set(key, connection);
    array.set(key, 1n);
  }
  for (let key = 0; key < small.maxEntries; key++) small.set(key, 1n);
  console.log([hash, small, structs, array].map((map) => map.info().id).join(' '));

  const { variables } = ebpf;
  const cases = {
    lookup: (count) => lookups(hash, mask, count),
    small: (count) => lookups(small, 15, count),
    array: (count) => lookups(array, mask, count),
    update: (count) => updates(hash, mask, count),
    delete: (count) => deletions(hash, mask, count),
    get: (count) => gets(structs, mask, count),
    'get-number': (count) => numbers(hash, mask, count),
    iterate: () => iterateRaw(hash),
    'iterate-structs': () => iterateRaw(structs),
    'iterate-decoded': () => iterateNumbers(hash),
    'iterate-structs-decoded': () => iterateStructs(structs),
    'variable-32': (count) => reads32(variables, count),
    'variable-64': (count) => reads64(variables, count),
    'write-32': (count) => writes32(variables, count),
  };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, operations] = line.split(' ');
    const first = nextKey;
    const start = process.cpuUsage();
    const done = cases[name]?.(Number(operations)) ?? 0;
    const { user, system } = process.cpuUsage(start);
    if (name === 'delete') {
      nextKey = first;
      updates(hash, mask, done);
    }
    console.log((user + system) * 1000, done);
  }
  await ebpf.close();
  if (sum === 1) process.exitCode = 3;
}

void main(process.argv[2]);
