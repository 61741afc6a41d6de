import { DOMID_SELF, EBUSY, EINVAL, ENOENT, ENOSYS } from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import { type Guest, Machine } from "./machine.ts";

/** A guest with `count` IPI ports on its vcpus in turn; port n is on vcpu (n - 1) % vcpus. */
function withIpis(wordBits: 32 | 64, count: number, vcpus = 1): { machine: Machine; guest: Guest } {
  const machine = new Machine();
  const guest = machine.addGuest(1, { wordBits, vcpus, maxPort: 4095 });
  for (let i = 0; i < count; i++) expect(machine.events.bindIpi(1, i % vcpus)).toBe(i + 1);
  return { machine, guest };
}

describe.each([
  [64 as const, 4095, 63n],
  [32 as const, 1023, 31n],
])("2-level ABI, %i-bit words", (wordBits, lastPort, lastGroup) => {
  it("sets the bit, the selector and the upcall flag once", () => {
    const { machine, guest } = withIpis(wordBits, lastPort);
    expect(machine.events.abiOf(1)).toBe("2-level");
    machine.events.send(1, lastPort);
    expect(guest.bitmap("pending", lastPort)).toBe(1);
    expect(guest.vcpuInfo(0)).toMatchObject({ pending: 1, selector: 1n << lastGroup });
    machine.events.send(1, lastPort);
    machine.events.send(1, lastPort - 1);
    machine.events.send(1, 1);
    expect(machine.takeLog()).toEqual(["notify d1v0"]);
    expect(guest.vcpuInfo(0).selector).toBe((1n << lastGroup) | 1n);
    expect(machine.events.upcallDue(1, 0)).toBe(true);
    guest.takeUpcall(0);
    expect(machine.events.upcallDue(1, 0)).toBe(false);
    machine.events.send(1, 2);
    expect(machine.takeLog()).toEqual(["notify d1v0"]);
  });

  it("does not disturb a guest that has seen the upcall but not yet the selector or the bit", () => {
    const { machine, guest } = withIpis(wordBits, 2);
    const { u8 } = machine.mmu.memory;
    machine.events.send(1, 1);
    u8[guest.sharedInfo] = 0;
    machine.events.send(1, 2);
    expect(guest.vcpuInfo(0)).toMatchObject({ pending: 0, selector: 1n });
    guest.takeUpcall(0);
    machine.events.send(1, 1);
    expect(guest.vcpuInfo(0)).toMatchObject({ pending: 0, selector: 0n });
    expect(machine.takeLog()).toEqual(["notify d1v0"]);
  });

  it("keeps a masked port to the bitmap until it is unmasked", () => {
    const { machine, guest } = withIpis(wordBits, 40);
    guest.setBitmap("mask", 40, 1);
    machine.events.send(1, 40);
    expect(guest.bitmap("pending", 40)).toBe(1);
    expect(guest.vcpuInfo(0)).toMatchObject({ pending: 0, selector: 0n });
    expect(machine.takeLog()).toEqual([]);
    expect(machine.events.unmask(1, 40)).toBe(0);
    expect(guest.bitmap("mask", 40)).toBe(0);
    expect(guest.vcpuInfo(0)).toMatchObject({ pending: 1, selector: wordBits === 64 ? 1n : 2n });
    expect(machine.takeLog()).toEqual(["notify d1v0"]);
    expect(machine.events.setPriority(1, 40, 3)).toBe(-ENOSYS);
  });

  it("moves and marks vcpu_info on registering", () => {
    const { machine, guest } = withIpis(wordBits, 1);
    const old = guest.sharedInfo;
    machine.mmu.memory.u8[old + 1] = 1;
    machine.mmu.memory.u8[old + 40] = 77;
    const area = machine.mmu.frames.hostAddress(machine.mmu.alloc(1)) + 128;
    expect(machine.events.registerVcpuInfo(1, 5, area)).toBe(-ENOENT);
    expect(machine.events.registerVcpuInfo(1, 0, area)).toBe(0);
    expect(machine.events.registerVcpuInfo(1, 0, area)).toBe(-EBUSY);
    expect(machine.events.vcpuInfo(1, 0)).toBe(area);
    expect(machine.mmu.memory.u8[area + 40]).toBe(77);
    expect(guest.vcpuInfo(0)).toEqual({ pending: 1, mask: 1, selector: (1n << BigInt(wordBits)) - 1n });
    expect(machine.events.upcallDue(1, 0)).toBe(false);
    expect(machine.takeLog()).toEqual(["notify d1v0"]);
    guest.takeUpcall(0);
    machine.events.send(1, 1);
    expect(guest.vcpuInfo(0)).toMatchObject({ pending: 1, selector: 1n });
    expect(machine.mmu.memory.u8[old]).toBe(0);
  });

  it("clears the pending bit of a closed port", () => {
    const { machine, guest } = withIpis(wordBits, 1);
    machine.events.send(1, 1);
    machine.events.close(1, 1);
    expect(guest.bitmap("pending", 1)).toBe(0);
  });
});

describe("vcpus beyond shared_info", () => {
  it("have no vcpu_info until they register one", () => {
    const { machine, guest } = withIpis(64, 40, 40);
    expect(machine.events.vcpuInfo(1, 31)).toBe(guest.sharedInfo + 31 * 64);
    expect(machine.events.vcpuInfo(1, 32)).toBe(0);
    machine.events.send(1, 33);
    expect(machine.takeLog()).toEqual([]);
    expect(machine.events.upcallDue(1, 32)).toBe(false);
    const area = machine.mmu.frames.hostAddress(machine.mmu.alloc(1));
    expect(machine.events.registerVcpuInfo(1, 32, area)).toBe(0);
    expect(guest.vcpuInfo(32)).toEqual({ pending: 1, mask: 1, selector: (1n << 64n) - 1n });
    expect(machine.takeLog()).toEqual(["notify d1v32"]);
  });
});

describe("poll", () => {
  it("wakes for its port alone, or for any of several", () => {
    const { machine, guest } = withIpis(64, 4, 2);
    const { events } = machine;
    for (const port of [1, 2, 3, 4]) guest.setBitmap("mask", port, 1);
    expect(events.poll(1, 0, [1])).toBe(1);
    expect(events.poll(1, 1, [3, 4])).toBe(1);
    events.send(1, 2);
    // Several ports are not told apart: any event of the domain ends such a poll.
    expect(machine.takeLog()).toEqual(["poll d1v1"]);
    events.send(1, 1);
    events.send(1, 1);
    expect(machine.takeLog()).toEqual(["poll d1v0"]);
    expect(events.poll(1, 0, [3, 1])).toBe(0);
    expect(events.poll(1, 0, Uint32Array.of(3, 99), 1)).toBe(1);
    events.cancelPoll(1, 0);
    events.send(1, 3);
    expect(machine.takeLog()).toEqual([]);
    expect(events.poll(1, 0, [99])).toBe(-EINVAL);
    expect(events.allocUnbound(1, DOMID_SELF, 0)).toBe(5);
  });
});
