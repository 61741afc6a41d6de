import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ProcessorTranslator } from "@xen-node/hypervisor-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nativeCode } from "../src/translations/native-code.ts";
import { TranslationStore } from "../src/translations/translation-store.ts";

const KEPT = Uint8Array.of(1, 2, 3);

describe("TranslationStore", () => {
  let cache: string;
  const folder = (): string => join(cache, "translations");
  const files = (): string[] => readdirSync(folder());
  const open = (build = "a build", guestMemoryMiB = 128, nominalMemoryMiB?: number): TranslationStore =>
    TranslationStore.of(cache, { guestMemoryMiB, nominalMemoryMiB }, build)!;
  const translator = (compiled: number, kept = KEPT): ProcessorTranslator =>
    ({ counters: { compiled }, keep: () => kept }) as unknown as ProcessorTranslator;

  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), "xen-node-"));
  });
  afterEach(() => rmSync(cache, { recursive: true }));

  it("gives a later run what a run has kept, in a file that is nobody else's", () => {
    expect(open().options.kept).toBeUndefined();
    open().save(translator(20));
    expect(open().options.kept).toEqual(Buffer.from(KEPT));
    expect(statSync(folder()).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder(), files()[0])).mode & 0o777).toBe(0o600);
  });

  it("writes nothing for a few translations, or none", () => {
    open().save(translator(3));
    open().save(undefined);
    expect(readdirSync(cache)).toEqual([]);
  });

  it("is of its build and size of memory alone", () => {
    open().save(translator(20));
    expect(open("another build").options.kept).toBeUndefined();
    expect(TranslationStore.of(cache, { guestMemoryMiB: 128 }, undefined)).toBeUndefined();
    expect(open("a build", 256).options.kept).toBeUndefined();
    // A larger frame table lies before the frames.
    expect(open("a build", 128, 256).options.kept).toBeUndefined();
    expect(open("a build", 128, 100).options.kept).toBeDefined();
  });

  it("leaves out what is damaged, and what others could have written", () => {
    open().save(translator(20));
    const file = join(folder(), files()[0]);
    const bytes = readFileSync(file);
    chmodSync(file, 0o620);
    expect(open().options.kept).toBeUndefined();
    chmodSync(file, 0o600);
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(file, bytes);
    expect(open().options.kept).toBeUndefined();
    writeFileSync(file, "");
    expect(open().options.kept).toBeUndefined();
  });

  it("does not mind a folder that cannot be written", () => {
    writeFileSync(folder(), "a file");
    open().save(translator(20));
    expect(open().options.kept).toBeUndefined();
  });

  it("keeps the files of some builds", () => {
    for (let i = 0; i < 10; i++) {
      open(`build ${i}`).save(translator(20));
      for (const file of files()) {
        const path = join(folder(), file);
        const { mtimeMs } = statSync(path);
        utimesSync(path, 0, mtimeMs / 1000 - 60);
      }
    }
    expect(files().length).toBe(8);
    expect(open("build 9").options.kept).toBeDefined();
    expect(open("build 0").options.kept).toBeUndefined();
  });
});

describe("nativeCode", () => {
  // (func (export "run") (param i32 i32) (result i32) local.get 0; local.get 1; i32.add)
  const wasm = Uint8Array.from(
    Buffer.from("0061736d0100000001070160027f7f017f030201000707010372756e00000a09010700200020016a0b", "hex"),
  );

  it("takes what V8 has optimized from one module to another", async () => {
    const engine = nativeCode();
    // It is for the Node that is used here; others may have none.
    if (engine === undefined) return expect(process.versions.node).not.toMatch(/^20\./);
    const module = new WebAssembly.Module(wasm);
    const { run } = new WebAssembly.Instance(module).exports as { run: (a: number, b: number) => number };
    expect(engine.save(module, run)).toBeUndefined();
    let native: Uint8Array<ArrayBuffer> | undefined;
    for (let i = 0; native === undefined && i < 200; i++) {
      for (let k = 0; k < 200_000; k++) run(k, 1);
      await sleep(10);
      native = engine.save(module, run);
    }
    expect(native).toBeDefined();
    // As in a run of some minutes, V8 has forgotten what it made of functions that were not called for long.
    setFlagsFromString("--expose-gc");
    setFlagsFromString("--stress-flush-code");
    const gc = runInNewContext("gc") as () => void;
    for (let i = 0; i < 3; i++) gc();
    setFlagsFromString("--no-stress-flush-code");
    // With other flags it would be refused.
    native = engine.save(module, run);
    const restored = engine.restore(native!.slice(), wasm);
    expect(restored).toBeInstanceOf(WebAssembly.Module);
    const again = new WebAssembly.Instance(restored!).exports as { run: (a: number, b: number) => number };
    expect(again.run(40, 2)).toBe(42);
    expect(engine.save(restored!, again.run)).toBeDefined();
    // Of another V8.
    const other = native!.slice();
    other.fill(0, 0, 16);
    expect(engine.restore(other, wasm)).toBeUndefined();
  });
});
