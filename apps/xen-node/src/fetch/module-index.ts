import type { CpioEntry } from "./cpio.ts";
import { type KernelModule, loadOrder, moduleOfPath } from "./kernel-modules.ts";

const encoder = new TextEncoder();

/**
 * What depmod writes into /lib/modules/RELEASE for modprobe: modules.dep, modules.alias and modules.softdep as text
 * (modules.dep(5)), and the binary forms of the first two, which kmod's modprobe reads instead.
 *
 * @param builtin contents of the kernel package's modules.builtin.
 * @returns the files, their names without a folder.
 */
export function moduleIndexes(modules: readonly KernelModule[], builtin: string): Map<string, Uint8Array> {
  const dependencies = modules.map((module) => {
    const needed = loadOrder(withoutSoft(modules), [module.name]).filter(({ name }) => name !== module.name);
    return {
      module,
      line: `${module.path}:${needed
        .reverse()
        .map(({ path }) => ` ${path}`)
        .join("")}`,
    };
  });
  const aliases = modules.flatMap(({ name, aliases }) => aliases.map((alias) => [underscored(alias), name] as const));
  const softdeps = modules.filter(({ before }) => before.length > 0);
  const builtins = builtin
    .split("\n")
    .map(moduleOfPath)
    .filter((name) => name !== undefined);
  const text = (lines: string[]): Uint8Array => encoder.encode(lines.map((line) => `${line}\n`).join(""));
  return new Map([
    ["modules.dep", text(dependencies.map(({ line }) => line))],
    ["modules.dep.bin", binaryIndex(dependencies.map(({ module, line }) => [module.name, line]))],
    ["modules.alias", text(aliases.map(([alias, name]) => `alias ${alias} ${name}`))],
    ["modules.alias.bin", binaryIndex(aliases)],
    ["modules.softdep", text(softdeps.map(({ name, before }) => `softdep ${name} pre: ${before.join(" ")}`))],
    ["modules.builtin", encoder.encode(builtin)],
    ["modules.builtin.bin", binaryIndex(builtins.map((name) => [name, ""]))],
    ["modules.order", text(modules.map(({ path }) => path))],
    ["modules.symbols.bin", binaryIndex([])],
    ["modules.builtin.alias.bin", binaryIndex([])],
  ]);
}

/** modules.dep lists what a module cannot be loaded without, and modules.softdep the rest. */
function withoutSoft(modules: readonly KernelModule[]): KernelModule[] {
  return modules.map((module) => ({ ...module, before: [] }));
}

/** Hyphens and underscores are the same outside of brackets. */
function underscored(alias: string): string {
  return alias.replace(/\[[^\]]*\]|-/g, (found) => (found === "-" ? "_" : found));
}

/** The folder /lib/modules/RELEASE with modules and what modprobe needs to find them, as files of a ram disk. */
export function moduleFiles(release: string, modules: readonly KernelModule[], builtin: string): CpioEntry[] {
  const root = `lib/modules/${release}`;
  const files: [string, Uint8Array][] = [
    ...modules.map(({ path, data }): [string, Uint8Array] => [`${root}/${path}`, data]),
    ...[...moduleIndexes(modules, builtin)].map(([name, data]): [string, Uint8Array] => [`${root}/${name}`, data]),
  ];
  const folders = new Set<string>();
  for (const [path] of files) {
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) folders.add(path.slice(0, end));
  }
  return [
    ...[...folders].map((name): CpioEntry => ({ name, type: "directory" })),
    ...files.map(([name, data]): CpioEntry => ({ name, type: "file", data })),
  ];
}

// kmod, libkmod/libkmod-index.c: a trie, every number big-endian. A node's offset carries what the node has.
const INDEX_MAGIC = 0xb007f457;
const INDEX_VERSION = 0x00020001;
const NODE_PREFIX = 0x80000000;
const NODE_VALUES = 0x40000000;
const NODE_CHILDREN = 0x20000000;

interface IndexNode {
  children: Map<number, IndexNode>;
  values: { priority: number; text: string }[];
}

function binaryIndex(entries: Iterable<readonly [key: string, value: string]>): Uint8Array {
  const newNode = (): IndexNode => ({ children: new Map(), values: [] });
  const root = newNode();
  let priority = 0;
  for (const [key, text] of entries) {
    let node = root;
    for (const byte of encoder.encode(key)) {
      let child = node.children.get(byte);
      if (child === undefined) node.children.set(byte, (child = newNode()));
      node = child;
    }
    node.values.push({ priority: priority++, text });
  }
  const parts: Uint8Array[] = [];
  let length = 12;
  const push = (bytes: Uint8Array): void => {
    parts.push(bytes);
    length += bytes.length;
  };
  const word = (value: number): Uint8Array => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    return bytes;
  };
  /** Writes a node after all below it; a node with one child and no value is a letter of that child's prefix. */
  const write = (top: IndexNode): number => {
    const prefix: number[] = [];
    let node = top;
    while (node.children.size === 1 && node.values.length === 0) {
      const [[byte, child]] = node.children;
      prefix.push(byte);
      node = child;
    }
    const bytes = [...node.children.keys()].sort((a, b) => a - b);
    const offsets = new Map(bytes.map((byte) => [byte, write(node.children.get(byte) as IndexNode)]));
    let offset = length;
    if (prefix.length > 0) {
      offset |= NODE_PREFIX;
      push(Uint8Array.from([...prefix, 0]));
    }
    if (bytes.length > 0) {
      offset |= NODE_CHILDREN;
      const first = bytes[0];
      const last = bytes[bytes.length - 1];
      push(Uint8Array.from([first, last]));
      for (let byte = first; byte <= last; byte++) push(word(offsets.get(byte) ?? 0));
    }
    if (node.values.length > 0) {
      offset |= NODE_VALUES;
      push(word(node.values.length));
      for (const { priority, text } of node.values) {
        push(word(priority));
        push(encoder.encode(`${text}\0`));
      }
    }
    return offset;
  };
  const rootOffset = write(root);
  const index = new Uint8Array(length);
  index.set(word(INDEX_MAGIC), 0);
  index.set(word(INDEX_VERSION), 4);
  index.set(word(rootOffset >>> 0), 8);
  let at = 12;
  for (const part of parts) {
    index.set(part, at);
    at += part.length;
  }
  return index;
}
