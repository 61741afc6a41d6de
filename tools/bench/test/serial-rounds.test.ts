import { describe, expect, it } from "vitest";
import type { Round } from "../src/kernel-machine.ts";
import { SerialRounds } from "../src/serial-rounds.ts";

describe("rounds over a serial port", () => {
  it("are timed between their marks, counters that wrap included", () => {
    let milliseconds = 10;
    let instructions = 0xffff_fff0;
    let results: Round[] | undefined;
    const meters = { milliseconds: () => milliseconds, instructions: () => instructions };
    const serial = new SerialRounds({ times: 2, rounds: 2 }, meters, (rounds) => {
      results = rounds;
    });
    const print = (text: string): void => {
      for (const byte of Buffer.from(text)) serial.push(byte);
    };
    print("<");
    milliseconds = 30;
    instructions = 0x30;
    print(">00000000000000ab\n");
    expect(results).toBeUndefined();
    print("<");
    milliseconds = 50;
    print(">00000000000000ab\n");
    expect(results).toEqual([
      { result: "00000000000000ab", milliseconds: 10, instructions: 0x20 },
      { result: "00000000000000ab", milliseconds: 10, instructions: 0 },
    ]);
  });
});
