// The rules' file, and what its rules are to the kernel.
import { lstatSync, type BigIntStats } from 'node:fs';
import { basename, dirname } from 'node:path';

import { parse } from 'yaml';

/** Kinds of events, by the numbers that security_monitor.bpf.c gives them. */
export const kinds = [
  ...['fork', 'exit', 'exec', 'write', 'remove', 'rename', 'link', 'chmod', 'connect', 'bind', 'raw socket', 'module'],
  ...['bpf', 'setuid', 'ptrace', 'mount'],
] as const;
const aboutFiles = ['exec', 'write', 'remove', 'rename', 'link', 'chmod', 'mount'];
const aboutPorts = ['connect', 'bind'];

export interface Rule {
  readonly name: string;
  /** Kinds of events. */
  readonly on: readonly string[];
  /** Files, and directories with all that is below them. */
  readonly paths: readonly string[];
  readonly ports: readonly number[];
  /** Only of processes that a program of this name is an ancestor of. Asked when it has happened: it cannot be forbidden. */
  readonly ancestor: string | undefined;
  /** Forbids it, not only tells of it. */
  readonly deny: boolean;
}

export interface RuleFile {
  readonly rules: readonly Rule[];
  /** Programs to which nothing is forbidden. */
  readonly trusted: readonly string[];
}

/** What a rule is about, as the kernel's programs look it up (`struct subject`). */
export interface Subject {
  readonly inode: bigint;
  readonly device: number;
  readonly kind: number;
  readonly port: number;
  readonly name: string;
}

/** A file of rules that says something else than rules. */
export class RuleError extends Error {
  override name = 'RuleError';
}

export function parseRules(text: string): RuleFile {
  const file = fields(parsed(text) ?? {}, 'the file', ['rules', 'trusted']);
  return {
    rules: list(file['rules'], 'rules').map((rule, index) => parseRule(rule, `rule ${index + 1}`)),
    trusted: texts(file['trusted'], 'trusted'),
  };
}

function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new RuleError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function parseRule(value: unknown, where: string): Rule {
  const rule = fields(value, where, ['name', 'on', 'paths', 'ports', 'ancestor', 'deny']);
  const { name, ancestor, deny = false } = rule;
  if (typeof name !== 'string') throw new RuleError(`${where}: name must be a text`);
  const on = texts(typeof rule['on'] === 'string' ? [rule['on']] : rule['on'], `${name}: on`);
  const paths = texts(rule['paths'], `${name}: paths`);
  const ports = list(rule['ports'], `${name}: ports`).map(Number);
  if (on.length === 0) throw new RuleError(`${name}: on must name a kind of event: ${kinds.join(', ')}`);
  for (const kind of on) {
    if (!kinds.some((known) => known === kind))
      throw new RuleError(`${name}: no kind of event is called ${JSON.stringify(kind)}`);
    if (paths.length > 0 && !aboutFiles.includes(kind)) throw new RuleError(`${name}: ${kind} is not about files`);
    if (ports.length > 0 && !aboutPorts.includes(kind)) throw new RuleError(`${name}: ${kind} is not about ports`);
  }
  if (paths.some((path) => !path.startsWith('/'))) throw new RuleError(`${name}: paths must begin with /`);
  if (ports.some((port) => !(port >= 0 && port < 65_536)))
    throw new RuleError(`${name}: ports are numbers below 65536`);
  if (ancestor !== undefined && typeof ancestor !== 'string') throw new RuleError(`${name}: ancestor must be a text`);
  if (typeof deny !== 'boolean') throw new RuleError(`${name}: deny must be true or false`);
  if (deny && ancestor !== undefined)
    throw new RuleError(`${name}: ancestors are known when it has happened; it cannot be denied`);
  return { name, on, paths, ports, ancestor, deny };
}

/** What the kernel is to look for. A path that is not there is known by its directory and its name; without that by nothing. */
export function* subjectsOf(rule: Rule): Generator<Subject> {
  for (const word of rule.on) {
    const any = { inode: 0n, device: 0, kind: kinds.findIndex((kind) => kind === word), port: 0, name: '' };
    for (const port of rule.ports) yield { ...any, port };
    for (const path of rule.paths) {
      const found = placeOf(path);
      if (found !== undefined) yield { ...any, ...found };
    }
    if (rule.ports.length === 0 && rule.paths.length === 0) yield any;
  }
}

export function placeOf(path: string): { inode: bigint; device: number; name: string } | undefined {
  const bare = path.replace(/(?<=.)\/+$/u, '');
  const own = lstatSync(bare, { bigint: true, throwIfNoEntry: false });
  if (own !== undefined) return { ...numbersOf(own), name: '' };
  const directory = lstatSync(dirname(bare), { bigint: true, throwIfNoEntry: false });
  return directory === undefined ? undefined : { ...numbersOf(directory), name: basename(bare) };
}

/** The kernel's own form of a device's number (include/linux/kdev_t.h) has 20 bits for the minor one. */
function numbersOf({ ino, dev }: BigIntStats): { inode: bigint; device: number } {
  const number = Number(dev);
  return { inode: ino, device: ((number >>> 8) & 0xfff) * 2 ** 20 + ((number & 0xff) | ((number >>> 12) & 0xfff00)) };
}

function fields(value: unknown, where: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RuleError(`${where} must have ${known.join(', ')}`);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new RuleError(`${where}: there is no ${JSON.stringify(unknown)}, only ${known.join(', ')}`);
  return value as Record<string, unknown>;
}

function list(value: unknown, where: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new RuleError(`${where} must be a list`);
  return value;
}

function texts(value: unknown, where: string): readonly string[] {
  const all = list(value, where);
  if (!all.every((item) => typeof item === 'string')) throw new RuleError(`${where} must be texts`);
  return all;
}
