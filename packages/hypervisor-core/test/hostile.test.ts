import { ExitReason } from "@xen-node/x86-cpu";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../src/index.ts";
import { handleExit } from "../src/traps.ts";
import { exception, type Guest, hypercall, makeGuest, PAGES, Page, privileged, toUser, va, write } from "./machine.ts";

/** Numbers that a malicious guest might try: its own frames, addresses near limits, small numbers, noise. */
function nasty(g: Guest, random: SeededRandom): number {
  const pick = random.nextU32() % 12;
  const r = random.nextU32();
  const mfn = g.p2m[r % PAGES];
  switch (pick) {
    case 0:
      return r & 7;
    case 1:
      return r & 0xff;
    case 2:
      return va(r % PAGES, (r >>> 8) & 0xff8);
    case 3:
      return mfn;
    case 4:
      return mfn * 4096 + ((r >>> 8) & 0xfff);
    case 5:
      return mfn * 4096 + (r & 1 ? 0x21 : 0x27);
    case 6:
      return -0x8000_0000_0000 + (r & 0xffff);
    case 7:
      return 0x7fff_ffff_f000 + (r & 0xfff);
    case 8:
      return -(r & 0xffff);
    case 9:
      return 0x7ff0;
    case 10:
      return r;
    default:
      return 0;
  }
}

function scribble(g: Guest, random: SeededRandom): void {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < 256; at += 8) {
    const word = nasty(g, random);
    view.setInt32(at, word | 0, true);
    view.setInt32(at + 4, Math.floor(word / 2 ** 32) | 0, true);
  }
  write(g, va(Page.data, 0x100), bytes);
}

const NUMBERS = [0, 1, 2, 3, 4, 5, 8, 9, 10, 12, 13, 14, 15, 17, 20, 21, 22, 24, 25, 26, 26, 26, 28, 29, 30, 32, 33];

describe("a hostile guest", () => {
  it("cannot break an invariant or throw by hypercalls with nonsense", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new SeededRandom(seed);
        const g = makeGuest();
        for (let n = 0; n < 400 && g.domain.state === "running"; n++) {
          scribble(g, random);
          const args = Array.from({ length: 4 }, () => nasty(g, random));
          if (random.nextU32() & 1) args[0] = va(Page.data, 0x100);
          else args[1] = va(Page.data, 0x100);
          if ((random.nextU32() & 3) !== 0) args[2] = 1;
          g.hv.regs.rip = va(Page.code);
          hypercall(g, NUMBERS[random.nextU32() % NUMBERS.length], ...args);
          g.vcpu.blocked = false;
          if (n % 40 === 0) expect(g.hv.auditFrames()).toEqual([]);
        }
        expect(g.hv.auditFrames()).toEqual([]);
        g.hv.destroyDomain(g.domain);
        for (let step = 0; step < 10; step++) g.hv.runSlice(1e6);
        expect(g.domain.state).toBe("destroyed");
        expect(g.hv.auditFrames()).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });

  it("cannot throw by exceptions, returns and instructions with nonsense", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new SeededRandom(seed);
        const g = makeGuest();
        for (let vector = 0; vector < 32; vector++) g.vcpu.traps.set(vector, vector & 7, 0xe033, nasty(g, random));
        g.vcpu.kernelSp = nasty(g, random);
        for (let n = 0; n < 30 && g.domain.state === "running"; n++) {
          scribble(g, random);
          switch (random.nextU32() % 5) {
            case 0:
              exception(g, random.nextU32() % 32, random.nextU32() & 0x1f, nasty(g, random));
              break;
            case 1:
              g.hv.regs.setNumber(4, va(Page.data, 0x100));
              g.hv.regs.setNumber(0, 23);
              handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
              break;
            case 2:
              toUser(g);
              break;
            case 3:
              g.hv.regs.rip = va(Page.code);
              privileged(g, random.nextU32(), random.nextU32(), random.nextU32(), random.nextU32());
              break;
            default:
              g.hv.regs.setNumber(4, nasty(g, random));
          }
        }
        expect(g.hv.auditFrames()).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
});
