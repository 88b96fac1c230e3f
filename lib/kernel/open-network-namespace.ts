import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { inspect } from 'node:util';

import { UsageError, escapeControl, quote } from '../errors/index.js';
import { adoptDescriptor, descriptorNumber, type DescriptorSource, type Handle } from '../sys/index.js';

/** A network namespace: the path of its file, `/run/netns/<name>` or `/proc/<pid>/ns/net`, or that file, open. */
export type NetworkNamespaceSource = string | DescriptorSource;

/**
 * Opens a network namespace for one call; the handle is to be closed.
 *
 * @throws {@link UsageError} when there is no such file, or it cannot be opened.
 */
export function openNetworkNamespace(source: NetworkNamespaceSource, path = 'netns'): Handle {
  if (typeof source !== 'string') {
    const descriptor = descriptorNumber(source, path);
    return adoptDescriptor(descriptor, `network namespace of descriptor ${descriptor}`);
  }
  const name = `network namespace ${quote(source)}`;
  let descriptor;
  try {
    descriptor = openSync(source, 'r');
  } catch (cause) {
    throw UsageError.invalidValue(path, `${name} cannot be opened: ${(cause as Error).message}`, { cause });
  }
  try {
    return adoptDescriptor(descriptor, name);
  } finally {
    closeSync(descriptor);
  }
}

/** The namespace for people: its path, or `descriptor 12`. */
export function networkNamespaceWords(source: NetworkNamespaceSource): string {
  if (typeof source === 'string') return escapeControl(source);
  return `descriptor ${typeof source === 'number' ? source : inspect(source.fd)}`;
}

/** The number of a network namespace, by default the process's own: the inode of its file. */
export function networkNamespaceId(source: NetworkNamespaceSource = '/proc/self/ns/net'): number {
  return (typeof source === 'string' ? statSync(source) : fstatSync(descriptorNumber(source, 'netns'))).ino;
}
