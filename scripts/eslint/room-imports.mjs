// ESLint rule: keeps the rooms of lib/ apart. It judges every form of import, type imports included: a type is an arrow as well.
import { builtinModules } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { liveGlobals, publicApi, pureBuiltins, rooms } from './rooms.mjs';

const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const builtins = new Set(builtinModules.map((name) => name.replace(/^node:/u, '')));

/** Where a file of this repository belongs, from its path relative to the root with forward slashes. */
function placeOf(file) {
  const parts = file.split('/');
  if (parts[0] === 'lib') {
    if (parts.length > 2) return { kind: 'room', room: parts[1], inside: parts.slice(2).join('/') };
    return { kind: 'top', room: publicApi, inside: parts[1] };
  }
  if (parts[0] === 'test' && parts[1] === 'unit') return { kind: 'unit test', room: parts[2] };
  if (parts[0] === 'test' && parts[1] === 'kernel') {
    // Of test/kernel/sys-maps.test.ts, and of what it starts in test/kernel/sys-children/, the room is sys.
    const prefixes = parts.slice(2).map((part) => part.split(/[.-]/u)[0]);
    return { kind: 'kernel test', room: prefixes.find((prefix) => rooms[prefix] !== undefined) };
  }
  if (parts[0] === 'test' && parts[1] === 'helpers') return { kind: 'test helper' };
  if (parts[0] === 'examples') return { kind: 'example' };
  if (['test', 'bench'].includes(parts[0])) return { kind: 'user', room: undefined };
  return undefined;
}

const isIndex = (inside) => /^index(\.[cm]?[jt]s)?$/u.test(inside);

function list(names) {
  return names.length === 0 ? 'nothing' : names.join(', ');
}

/** Why this import is wrong, or undefined. */
function judge(from, to, specifier) {
  if (from.kind === 'example' && (to.kind === 'top' || to.kind === 'room')) {
    return `examples import 'node-ebpf', as their readers do, not ${specifier}`;
  }
  if (to.kind === 'top') {
    if (from.kind === 'room' && from.room !== 'cli') {
      return `room "${from.room}" may not import ${specifier}: lib/${to.inside} is above all rooms`;
    }
    // lib/index.ts and lib/ebpf.ts are one another's neighbours.
    if (from.kind === 'top' || isIndex(to.inside)) return undefined;
    return `wrong door: ${specifier} is not the public API; import lib/index.ts`;
  }
  if (to.kind !== 'room') {
    return from.kind === 'room' || from.kind === 'top'
      ? `lib/ may not import ${specifier}: it is not published`
      : undefined;
  }
  if (rooms[to.room] === undefined) return `room "${to.room}" is not in the table of rooms (scripts/eslint/rooms.mjs)`;
  if (from.kind === 'room' && from.room === to.room) return undefined;
  if (from.kind === 'unit test' && from.room === to.room) return undefined;
  if (from.kind === 'test helper') return undefined;

  let allowed;
  if (from.kind === 'top') {
    allowed = Object.keys(rooms).filter((name) => name !== 'cli');
  } else if (from.kind === 'room') {
    allowed = rooms[from.room].imports;
  } else {
    const own = rooms[from.room];
    // Without a room of its own (test/unit/ebpf, bench) a test is a user of the public API.
    allowed = own === undefined ? [] : [...new Set([from.room, ...own.imports, 'errors'])];
  }
  const who = from.kind === 'room' ? `room "${from.room}"` : from.kind === 'top' ? `lib/` : `a ${from.kind}`;
  if (!allowed.includes(to.room)) {
    const may = from.kind === 'room' || rooms[from.room] !== undefined ? list(allowed) : publicApi;
    return `room "${to.room}" entered wrongly: ${who} may import ${may}, not ${to.room}`;
  }
  if (from.kind !== 'unit test' && from.kind !== 'kernel test' && !isIndex(to.inside)) {
    return `room "${to.room}" entered wrongly: its door is lib/${to.room}/index.ts, not ${specifier}`;
  }
  return undefined;
}

function isPureBuiltin(specifier, declaration) {
  if (!pureBuiltins.has(specifier)) return false;
  const names = pureBuiltins.get(specifier);
  if (names === undefined) return true;
  return (declaration.specifiers ?? [{}]).every(({ imported }) => names.includes(imported?.name));
}

function judgePackage(from, specifier, declaration) {
  if (from.kind !== 'room' && from.kind !== 'top') return undefined;
  const bare = specifier.replace(/^node:/u, '');
  if (builtins.has(bare.split('/')[0])) {
    if (!specifier.startsWith('node:')) return `write node:${bare}, so that it cannot be a package`;
    if (from.kind === 'room' && rooms[from.room].pure === true && !isPureBuiltin(specifier, declaration)) {
      return `room "${from.room}" is pure and may not import ${specifier}: it must work on any system, without root; live things belong in lib/sys or lib/kernel`;
    }
    return undefined;
  }
  return `lib/ has no run-time dependency "${specifier}"`;
}

/** @type {import('eslint').Rule.RuleModule} */
export const roomImports = {
  meta: {
    type: 'problem',
    docs: { description: 'keeps the rooms of lib/ apart, as docs/architecture.md says' },
    schema: [],
    messages: { wrong: '{{reason}}' },
  },
  create(context) {
    const file = path.relative(projectRoot, context.filename).split(path.sep).join('/');
    const from = placeOf(file);
    if (from === undefined) return {};
    if (from.kind === 'room' && rooms[from.room] === undefined) {
      return {
        Program(node) {
          const reason = `room "${from.room}" is not in the table of rooms: add it to scripts/eslint/rooms.mjs and docs/architecture.md`;
          context.report({ node, messageId: 'wrong', data: { reason } });
        },
      };
    }

    function check(node) {
      if (node?.type !== 'Literal' || typeof node.value !== 'string') return;
      const specifier = node.value;
      let reason;
      if (specifier.startsWith('.')) {
        const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
        const to = placeOf(target) ?? { kind: 'elsewhere' };
        reason = judge(from, to, specifier);
      } else {
        reason = judgePackage(from, specifier, node.parent);
      }
      if (reason !== undefined) context.report({ node, messageId: 'wrong', data: { reason } });
    }

    const pure = from.kind === 'room' && rooms[from.room].pure === true;
    return {
      ImportDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (node) => check(node.source ?? node.argument?.literal),
      TSExternalModuleReference: (node) => check(node.expression),
      CallExpression(node) {
        const { callee } = node;
        const isRequire =
          (callee.type === 'Identifier' && callee.name === 'require') ||
          (callee.type === 'MemberExpression' &&
            callee.object.type === 'Identifier' &&
            callee.object.name === 'require');
        if (isRequire) check(node.arguments[0]);
      },
      'Program:exit'(node) {
        if (!pure) return;
        const scope = context.sourceCode.getScope(node);
        for (const reference of [...scope.through, ...scope.references]) {
          const { identifier, resolved } = reference;
          if (!liveGlobals.has(identifier.name) || (resolved !== null && resolved.defs.length > 0)) continue;
          const { parent } = identifier;
          const property = parent.type === 'MemberExpression' && !parent.computed ? parent.property.name : undefined;
          if (liveGlobals.get(identifier.name).includes(property)) continue;
          if (reference.isTypeReference === true) continue;
          const reason = `room "${from.room}" is pure and may not use the global "${identifier.name}"`;
          context.report({ node: identifier, messageId: 'wrong', data: { reason } });
        }
      },
    };
  },
};

export default { meta: { name: 'rooms', version: '1.0.0' }, rules: { 'room-imports': roomImports } };
