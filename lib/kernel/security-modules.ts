import { UnsupportedError } from '../errors/index.js';

import { readText } from './read-text.js';

/** Where the kernel lists its active security modules. */
export const securityModules = '/sys/kernel/security/lsm';

/** The modules that the text of {@link securityModules} names. */
export function activeModules(text: string): readonly string[] {
  return text.trim().split(',');
}

let known = false;

/**
 * Refuses what only works with BPF among the active security modules, and what only then is safe. `otherwise` says what would
 * happen without.
 */
export function requireActiveBpfLsm(feature: string, otherwise: string): void {
  // Modules are chosen when the kernel is booted.
  if (known) return;
  const text = readText(securityModules);
  if (text === undefined) {
    const explanation = `whether bpf is among the active security modules cannot be told: ${securityModules} cannot be read; mount securityfs`;
    throw new UnsupportedError(feature, explanation);
  }
  const modules = activeModules(text);
  if (!modules.includes('bpf')) {
    const reason = `${securityModules} lists ${modules.join(',')} and not bpf; boot with lsm=...,bpf`;
    throw new UnsupportedError(feature, `${otherwise}: ${reason}`);
  }
  known = true;
}
