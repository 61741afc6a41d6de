import type { ProcessorTranslator } from "@xen-node/hypervisor-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TranslationKeeper } from "../src/translations/translation-keeper.ts";

const LOOK_MS = 5 * 60_000;

describe("TranslationKeeper", () => {
  const counters = { compiled: 0 };
  const translator = { counters } as unknown as ProcessorTranslator;
  const notes: string[] = [];
  let saves: number[];
  let keeper: TranslationKeeper;
  const look = (compiled: number): void => {
    counters.compiled += compiled;
    vi.advanceTimersByTime(LOOK_MS);
  };

  beforeEach(() => {
    vi.useFakeTimers();
    counters.compiled = 0;
    saves = [];
    keeper = new TranslationKeeper({ save: () => saves.push(counters.compiled) }, translator, (text) =>
      notes.push(text),
    );
    keeper.start();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("keeps what is new when little is translated, once", () => {
    look(500);
    look(100);
    expect(saves).toEqual([]);
    look(3);
    expect(saves).toEqual([603]);
    look(0);
    // Fewer than are worth it, until they have become more.
    look(5);
    expect(saves).toEqual([603]);
    look(4);
    expect(saves).toEqual([603, 612]);
  });

  it("does not wait for ever for guests that are always busy", () => {
    for (let n = 0; n < 24; n++) look(10);
    expect(saves).toEqual([120, 240]);
  });

  it("keeps at the end and looks no more, and tells what went wrong", () => {
    counters.compiled = 20;
    keeper.end();
    expect(saves).toEqual([20]);
    look(100);
    look(0);
    expect(saves).toEqual([20]);
    const full = (): never => {
      throw new Error("there is no memory left");
    };
    new TranslationKeeper({ save: full }, translator, (text) => notes.push(text)).end();
    expect(notes).toEqual(["what was translated is not kept: there is no memory left"]);
  });
});
