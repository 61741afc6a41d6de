import { SHUTDOWN_crash } from "@xen-node/xen-abi";
import { expect, it } from "vitest";
import { type CrashDump, type Domain, Hypervisor, VirtualClock } from "../src/index.ts";
import { addGuest, Page } from "./machine.ts";

/** MOV [RSI], RAX; ADD RSI, 4096; JMP back. */
const WRITE_ALL = [0x48, 0x89, 0x06, 0x48, 0x81, 0xc6, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xf4];
/** MOV RAX, [RSI + 4094], across two pages; MOV there; JMP back. */
const WRITE_ACROSS = [0x48, 0x89, 0x86, 0xfe, 0x0f, 0x00, 0x00, 0x48, 0x81, 0xc6, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xf0];
/** INC QWORD [RSI]; JMP back. */
const COUNT = [0x48, 0xff, 0x06, 0xeb, 0xfb];

for (const [name, code] of [
  ["a page", WRITE_ALL],
  ["two pages at once", WRITE_ACROSS],
] as const) {
  it(`a guest that writes ${name} when the machine is full ends, with the reason, and others run on`, () => {
    const hv = new Hypervisor({
      memoryBytes: 80 * 2 ** 20,
      nominalBytes: 128 * 2 ** 20,
      clock: new VirtualClock(),
    });
    const { mmu } = hv;
    const dumps: CrashDump[] = [];
    const ended: [Domain, number][] = [];
    hv.listen({
      onCrash: (_domain, dump) => dumps.push(dump),
      onShutdown: (domain, reason) => ended.push([domain, reason]),
    });
    const put = (guest: ReturnType<typeof addGuest>, bytes: readonly number[]): void => {
      mmu.memory.u8.set(bytes, mmu.frames.hostAddress(guest.p2m[Page.code]));
    };
    const greedy = addGuest(hv, {});
    put(greedy, code);
    const modest = addGuest(hv, {});
    put(modest, COUNT);
    const counter = mmu.frames.hostAddress(modest.p2m[Page.data]) >>> 2;
    const filler = hv.createDomain({ kind: "pv", maxPages: 2 ** 15 });
    while (mmu.frames.places.free > mmu.frames.reserved + 8) mmu.frames.own(mmu.frames.alloc(filler.domid));

    for (let i = 0; i < 40; i++) hv.runSlice(1_000_000);
    expect(ended).toEqual([[greedy.domain, SHUTDOWN_crash]]);
    expect(dumps.map(({ reason, cause }) => [reason, cause])).toEqual([
      ["the machine has no memory left for what the domain writes", "machineMemory"],
    ]);
    const before = mmu.memory.u32[counter];
    expect(before).toBeGreaterThan(0);
    hv.runSlice(20_000_000);
    expect(mmu.memory.u32[counter]).toBeGreaterThan(before);

    hv.destroyDomain(greedy.domain);
    hv.runSlice(20_000_000);
    expect(mmu.frames.places.free).toBeGreaterThan(mmu.frames.reserved + 8);
    expect(mmu.audit()).toEqual([]);
  });
}
