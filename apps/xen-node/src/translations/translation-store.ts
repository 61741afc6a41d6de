import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { arch, versions } from "node:process";
import type { ProcessorTranslator } from "@xen-node/hypervisor-core";
import type { MachineOptions } from "@xen-node/toolstack";
import { buildIdentity, type EngineCode, type TranslatorOptions } from "@xen-node/x86-cpu";
import { nativeCode } from "./native-code.ts";

const SUFFIX = ".translations";
const MOST_BYTES = 64 << 20;
/** With less that is new it is not worth the time. */
const LEAST_NEW = 8;
/** Of builds, engines and sizes; the newest stay. */
const MOST_FILES = 8;
const HASH_BYTES = 8;

/** What of a machine's options says how its memory is laid out, of which translated code depends. */
export type MachineSize = Pick<MachineOptions, "guestMemoryMiB" | "nominalMemoryMiB">;

/**
 * Translations of guest code that are kept from run to run in the cache folder, a file for each build, engine and size of memory: a guest
 * that was run before starts with what was hot in it translated. Nothing depends on it: what is damaged or cannot be written
 * is left out silently.
 */
export class TranslationStore {
  private constructor(
    private readonly folder: string,
    private readonly file: string,
    private readonly engine: EngineCode | undefined,
  ) {}

  /**
   * The store in a cache folder for machines of one size; undefined if this build's translations cannot be told from others'.
   */
  static of(cache: string, size: MachineSize, build = buildIdentity): TranslationStore | undefined {
    if (build === undefined) return undefined;
    const folder = join(cache, "translations");
    const { guestMemoryMiB: memory, nominalMemoryMiB: nominal = memory } = size;
    const identity = [build, versions.v8, arch, memory, Math.max(memory, nominal)].join();
    const name = createHash("sha256").update(identity).digest("hex").slice(0, 32);
    return new TranslationStore(folder, join(folder, name + SUFFIX), nativeCode());
  }

  /** What a machine needs to begin with what is kept, and to keep more. */
  get options(): Pick<TranslatorOptions, "kept" | "engine"> {
    return { kept: this.load(), engine: this.engine };
  }

  /** Keeps what a machine has translated, if there is enough of it. */
  save(translator: ProcessorTranslator | undefined): void {
    if (translator === undefined || translator.counters.compiled < LEAST_NEW) return;
    const kept = translator.keep(MOST_BYTES);
    const part = `${this.file}.${process.pid}`;
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    } catch {
      return;
    }
    try {
      writeFileSync(part, Buffer.concat([hashOf(kept), kept]), { mode: 0o600 });
      renameSync(part, this.file);
      this.removeOld();
    } catch {
      rmSync(part, { force: true });
    }
  }

  private load(): Uint8Array | undefined {
    try {
      // It holds machine code: nobody else may have written it.
      const { uid, mode } = statSync(this.file);
      if ((mode & 0o022) !== 0 || uid !== process.getuid?.()) return undefined;
      const file = readFileSync(this.file);
      const kept = file.subarray(HASH_BYTES);
      return hashOf(kept).equals(file.subarray(0, HASH_BYTES)) ? kept : undefined;
    } catch {
      return undefined;
    }
  }

  private removeOld(): void {
    const files = readdirSync(this.folder)
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => join(this.folder, name))
      .map((path) => ({ path, time: statSync(path).mtimeMs }))
      .sort((a, b) => b.time - a.time);
    for (const { path } of files.slice(MOST_FILES)) rmSync(path, { force: true });
  }
}

/** Tells damage; who may write the file may write any hash. Quick: a file of 20 MB is read at every start. */
function hashOf(bytes: Uint8Array): Buffer {
  const whole = bytes.byteLength & ~3;
  const words =
    (bytes.byteOffset & 3) === 0
      ? new Uint32Array(bytes.buffer, bytes.byteOffset, whole >>> 2)
      : new Uint32Array(bytes.slice(0, whole).buffer);
  let [a, b] = [bytes.byteLength, 0x9e3779b9];
  for (let i = 0; i < words.length; i++) {
    a = Math.imul(a ^ words[i], 0x01000193);
    a ^= a >>> 15;
    b = (Math.imul(b, 5) + a) | 0;
  }
  for (let i = whole; i < bytes.byteLength; i++) a = Math.imul(a ^ bytes[i], 0x01000193);
  const hash = Buffer.alloc(HASH_BYTES);
  hash.writeInt32LE(a | 0, 0);
  hash.writeInt32LE(b | 0, 4);
  return hash;
}
