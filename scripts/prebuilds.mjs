// What prebuilds/ is to hold, and whether it is made of the sources beside it. Depends on nothing but Node.
import fs from 'node:fs';
import path from 'node:path';
import { hashOf, hashOfBytes, readJson, root } from './files.mjs';

/** What a binary is made of: with the same of these it has the same bytes. */
export const addonSources = ['native', 'binding.gyp', 'scripts/toolchain.json'];

/**
 * What is published, by the names that node-gyp-build looks for and, of them, those that @electron/rebuild knows
 * (`node.napi.node`, on arm64 `node.napi.armv8.node`). Node-API is the same in every Node; musl needs a binary of its own.
 */
export const prebuilds = [
  { arch: 'x64', libc: 'glibc', file: 'linux-x64/node.napi.node' },
  { arch: 'x64', libc: 'musl', file: 'linux-x64/node.napi.musl.node' },
  { arch: 'arm64', libc: 'glibc', file: 'linux-arm64/node.napi.armv8.node' },
  { arch: 'arm64', libc: 'musl', file: 'linux-arm64/node.napi.armv8.musl.node' },
];

export const prebuildsFolder = path.join(root, 'prebuilds');
export const manifestFile = path.join(prebuildsFolder, 'manifest.json');

export const sourcesHash = () => hashOf(addonSources);

/** Why the binaries cannot be published or used, or undefined. */
export function whyStale(wanted = prebuilds) {
  const manifest = readJson(manifestFile);
  if (manifest === undefined) return 'prebuilds/manifest.json is missing: run npm run prebuild';
  if (manifest.sources !== sourcesHash()) return 'native/ changed: run npm run prebuild';
  for (const { file } of wanted) {
    const place = path.join(prebuildsFolder, file);
    if (!fs.existsSync(place)) return `prebuilds/${file} is missing: run npm run prebuild`;
    if (hashOfBytes(fs.readFileSync(place)) !== manifest.files[file]?.sha256)
      return `prebuilds/${file} is not the one that its manifest records: run npm run prebuild`;
  }
  return undefined;
}

/** The binary for this machine, undefined where none is published. */
export function ownPrebuild() {
  if (process.platform !== 'linux') return undefined;
  const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  return prebuilds.find((one) => one.arch === process.arch && one.libc === libc);
}
