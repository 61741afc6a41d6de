import { describe, expect, it } from "vitest";
import { Hypervisor, VirtualClock } from "../src/index.ts";
import {
  addGuest,
  type Guest,
  HANDLER,
  Page,
  readU32,
  readU64,
  type ScriptedProcessor,
  STACK_TOP,
  va,
  write,
  writeU32,
  writeU64,
} from "./machine.ts";

/** The same guest on the real interpreter. */
function realGuest(): Guest {
  const logs: string[] = [];
  const clock = new VirtualClock();
  const hv = new Hypervisor({
    memoryBytes: 160 * 2 ** 20,
    clock,
    log: { log: (level, subsystem, message) => logs.push(`${level} ${subsystem}: ${message}`) },
  });
  const { domain, p2m } = addGuest(hv);
  const cpu = hv.processor as unknown as ScriptedProcessor;
  return { hv, cpu, clock, domain, vcpu: domain.vcpus[0], logs, p2m };
}

function runToEnd(g: Guest): void {
  for (let slice = 0; slice < 100 && g.domain.state === "running"; slice++) g.hv.runSlice(1_000_000);
  expect(g.logs.filter((line) => line.startsWith("error"))).toEqual([]);
  expect(g.domain.shutdownReason).toBe(0);
  expect(g.hv.auditFrames()).toEqual([]);
}

const le32 = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24];
const movEax = (n: number): number[] => [0xb8, ...le32(n)];
const movEdi = (n: number): number[] => [0xbf, ...le32(n)];
const movEsi = (n: number): number[] => [0xbe, ...le32(n)];
const movEcx = (n: number): number[] => [0xb9, ...le32(n)];
const SYSCALL = [0x0f, 0x05];
const storeRax = (address: number): number[] => [0x48, 0x89, 0x04, 0x25, ...le32(address)];
const RESULT = va(Page.data, 0x400);
const REASON = va(Page.data, 0x800);
/** sched_op(shutdown, {0}) */
const SHUTDOWN = [...movEax(29), ...movEdi(2), ...movEsi(REASON), ...SYSCALL];

describe("on the interpreter", () => {
  it("makes hypercalls from any address and reads CPUID by the forced-emulation prefix", () => {
    const g = realGuest();
    write(g, va(Page.code), [
      ...movEax(17),
      ...movEdi(0),
      ...SYSCALL,
      ...storeRax(RESULT),
      ...movEax(0x40000001),
      ...[0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2],
      ...storeRax(RESULT + 8),
      ...movEax(0x40000001),
      ...[0x0f, 0xa2],
      ...storeRax(RESULT + 16),
      ...SHUTDOWN,
    ]);
    runToEnd(g);
    expect([0, 8, 16].map((at) => readU64(g, RESULT + at))).toEqual([0x40011, 0x40011, 0x40011]);
  });

  it("writes its own page tables: LOCK CMPXCHG, LOCK BTR, a byte, and a PTE that then maps", () => {
    const g = realGuest();
    const entry = va(Page.l1, 30 * 8);
    writeU64(g, RESULT, readU64(g, entry), g.p2m[31] * 4096 + 0x23);
    write(g, va(31), [0x77]);
    write(g, va(Page.code), [
      // rax = old, rcx = new; lock cmpxchg [entry], rcx
      ...[0x48, 0x8b, 0x04, 0x25, ...le32(RESULT)],
      ...[0x48, 0x8b, 0x0c, 0x25, ...le32(RESULT + 8)],
      ...movEdi(entry),
      ...[0xf0, 0x48, 0x0f, 0xb1, 0x0f],
      ...[0x0f, 0x94, 0x04, 0x25, ...le32(RESULT + 16)], // sete
      ...[0x8a, 0x04, 0x25, ...le32(va(30))], // mov al, [page 30]
      ...[0x88, 0x04, 0x25, ...le32(RESULT + 17)],
      ...[0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01], // lock btr qword [rdi], 1: read-only
      ...[0xc6, 0x07, 0x20], // mov byte [rdi], 0x20: not present
      ...SHUTDOWN,
    ]);
    g.vcpu.callbacks.event = HANDLER;
    runToEnd(g);
    expect(readU32(g, RESULT + 16) & 0xffff).toBe(0x7701);
    expect(readU64(g, entry) & 0xff).toBe(0x20);
    expect(g.hv.ptwr.emulated).toBe(3);
  });

  it("goes to user mode, comes back by SYSCALL, and takes an upcall", () => {
    const g = realGuest();
    const frame = va(Page.data, 0xc00);
    const user = va(Page.code, 0x400);
    // MMUEXT_NEW_USER_BASEPTR, stack_switch, callback_op, iret
    writeU64(g, RESULT, 15, g.p2m[Page.userL4]);
    writeU32(g, RESULT + 32, 2 | (1 << 16), 0);
    writeU64(g, RESULT + 40, HANDLER);
    writeU64(g, frame, 5, 6, 7, 0, user, 0xe033, 0x202, va(Page.userStack + 1), 0xe02b);
    write(g, va(Page.code), [
      ...[0x41, 0xba, ...le32(0x7ff0)], // r10d = DOMID_SELF
      ...[0x31, 0xd2], // edx = 0
      ...movEax(26),
      ...movEdi(RESULT),
      ...movEsi(1),
      ...SYSCALL,
      ...movEax(3),
      ...movEdi(0xe02b),
      ...movEsi(STACK_TOP),
      ...SYSCALL,
      ...movEax(30),
      ...movEdi(0),
      ...movEsi(RESULT + 32),
      ...SYSCALL,
      ...[0xbc, ...le32(frame)], // esp
      ...movEax(23),
      ...SYSCALL,
    ]);
    write(g, user, [...movEcx(9), ...[0x48, 0x89, 0xc3], ...movEax(0x1234), ...SYSCALL]); // rbx = rax
    // the handler pops rcx, r11, stores rip, rax, rbx, shuts down
    write(g, HANDLER, [
      ...[0x59, 0x41, 0x5b],
      ...storeRax(RESULT + 64),
      ...[0x48, 0x89, 0x1c, 0x25, ...le32(RESULT + 72)],
      ...[0x48, 0x89, 0x0c, 0x25, ...le32(RESULT + 80)],
      ...SHUTDOWN,
    ]);
    runToEnd(g);
    expect(readU64(g, RESULT + 64)).toBe(0x1234);
    expect(readU64(g, RESULT + 72)).toBe(5);
    expect(readU64(g, RESULT + 80)).toBe(user + 15);
    expect(g.vcpu.kernelMode).toBe(true);
  });

  it("runs native IRETQ to itself, and single-steps for a debugger", () => {
    const g = realGuest();
    write(g, va(Page.code), [
      ...[0x8c, 0xd0], // mov eax, ss
      ...[0x48, 0x89, 0xe3], // mov rbx, rsp
      ...[0x50, 0x53, 0x9c], // push rax, rbx; pushfq
      ...[0x8c, 0xc8, 0x50], // mov eax, cs; push rax
      ...[0x68, ...le32(va(Page.code, 0x20))], // push the target
      ...[0x48, 0xcf], // iretq
    ]);
    write(g, va(Page.code, 0x20), [...[0x90, 0x90], ...SHUTDOWN]);
    g.hv.pauseDomain(g.domain);
    const rips: number[] = [];
    for (let step = 0; step < 11; step++) {
      expect(g.hv.debug.singleStep(g.vcpu)).toBe(true);
      rips.push(Number(g.hv.debug.readRegisters(g.vcpu).rip) - va(Page.code));
    }
    expect(rips).toEqual([2, 5, 6, 7, 8, 10, 11, 16, 0x20, 0x21, 0x22]);
    g.hv.unpauseDomain(g.domain);
    runToEnd(g);
  });

  it("preempts a guest that loops with events masked", () => {
    const g = realGuest();
    write(g, va(Page.code), [0xeb, 0xfe]);
    g.hv.runSlice(5_000_000);
    expect(g.vcpu.retired).toBeGreaterThan(100_000);
    expect(g.domain.state).toBe("running");
  });
});
