import type { AnyScheduler } from "@xen-node/schedulers";
import {
  CR2,
  EXIT_ERROR_CODE,
  EXIT_HAS_ERROR_CODE,
  EXIT_LENGTH,
  EXIT_VECTOR,
  ExitReason,
  readRflags,
  writeRflags,
} from "@xen-node/x86-cpu";
import { VMASST_TYPE_writable_pagetables } from "@xen-node/xen-abi";
import { vaHigh, vaLow } from "../src/address.ts";
import { type Domain, Hypervisor, type Processor, type Vcpu, VirtualClock } from "../src/index.ts";
import { deliverPending, handleExit } from "../src/traps.ts";

export const CONTEXT_START = 0x100;
const ARGUMENTS = [7, 6, 2, 10, 8, 9];

/** A processor that runs a TypeScript function instead of instructions. */
export class ScriptedProcessor implements Processor {
  retired = 0;

  retire(count: number): void {
    this.retired += count;
  }
  tscAux = 0;
  bank = 0;
  root = 0;
  /** What `run` does; answers an ExitReason. */
  script: (budget: number) => number = (budget) => {
    this.retired += budget;
    return ExitReason.BUDGET;
  };

  constructor(private readonly hv: Hypervisor) {}

  run(budget: number): number {
    return this.script(budget);
  }
  setAddressSpace(bank: number, l4Mfn: number): void {
    this.bank = bank;
    this.root = l4Mfn;
  }
  saveContext(dst: Uint8Array): void {
    dst.set(this.hv.mmu.memory.u8.subarray(CONTEXT_START, CONTEXT_START + dst.length));
  }
  loadContext(src: Uint8Array): void {
    this.hv.mmu.memory.u8.set(src, CONTEXT_START);
  }
  get rflags(): number {
    return readRflags(this.hv.mmu.memory.view);
  }
  set rflags(value: number) {
    writeRflags(this.hv.mmu.memory.view, value);
  }
  cpuid(leaf: number, _subleaf: number, out: Uint32Array): void {
    out.fill(0);
    if (leaf === 1) out[2] = 1 << 26;
  }
  setTscAux(value: number): void {
    this.tscAux = value;
  }
}

/** Pages of the little guest; va = page * 4096. The last ones are its page tables. */
export const PAGES = 64;
export const Page = { code: 1, stack: 3, data: 4, userStack: 6, l1: 60, l2: 61, l3: 62, l4: 63, userL4: 59 } as const;
export const HANDLER = 0x1800;
export const STACK_TOP = (Page.stack + 1) * 4096;
export const KERNEL_CS = 0xe033;

export const va = (page: number, offset = 0): number => page * 4096 + offset;

export interface Guest {
  hv: Hypervisor;
  cpu: ScriptedProcessor;
  clock: VirtualClock;
  domain: Domain;
  vcpu: Vcpu;
  logs: string[];
  /** mfn of each page */
  p2m: number[];
}

/** A hypervisor with a scripted processor, and one paused PV guest whose first 64 pages are mapped at 0. */
export function makeGuest(options: { vcpus?: number; maxPages?: number; scheduler?: AnyScheduler<Vcpu> } = {}): Guest {
  const clock = new VirtualClock({ nsPerInstruction: 10, wallclockMs: 1_700_000_000_000 });
  const logs: string[] = [];
  let cpu: ScriptedProcessor | undefined;
  const hv = new Hypervisor({
    memoryBytes: 32 * 2 ** 20,
    clock,
    scheduler: options.scheduler,
    log: { log: (level, subsystem, message) => logs.push(`${level} ${subsystem}: ${message}`) },
    processor: (self) => (cpu = new ScriptedProcessor(self)),
  });
  const domain = addGuest(hv, options);
  return { hv, cpu: cpu!, clock, domain: domain.domain, vcpu: domain.domain.vcpus[0], logs, p2m: domain.p2m };
}

/** Adds another such guest. */
export function addGuest(
  hv: Hypervisor,
  options: { vcpus?: number; maxPages?: number } = {},
): { domain: Domain; p2m: number[] } {
  const { mmu } = hv;
  const domain = hv.createDomain({
    kind: "pv",
    maxPages: options.maxPages ?? 256,
    vcpus: options.vcpus,
    name: "test",
    uuid: "01020304-0506-0708-090a-0b0c0d0e0f10",
  });
  // As Linux does.
  domain.vmAssists.set(VMASST_TYPE_writable_pagetables, true);
  const p2m: number[] = [];
  for (let pfn = 0; pfn < PAGES; pfn++) {
    const mfn = mmu.frames.alloc(domain.domid);
    domain.totalPages++;
    p2m.push(mfn);
    mmu.m2p.set(mfn, pfn);
  }
  const put = (table: number, index: number, mfn: number, flags: number): void => {
    const at = mmu.frames.hostAddress(p2m[table]) / 4 + index * 2;
    mmu.memory.u32[at] = ((mfn << 12) | flags) >>> 0;
    mmu.memory.u32[at + 1] = Math.floor(mfn / 0x100000);
  };
  for (let pfn = 0; pfn < PAGES; pfn++) put(Page.l1, pfn, p2m[pfn], pfn >= Page.userL4 ? 0x21 : 0x23);
  put(Page.l2, 0, p2m[Page.l1], 0x27);
  put(Page.l3, 0, p2m[Page.l2], 0x27);
  put(Page.l4, 0, p2m[Page.l3], 0x27);
  put(Page.userL4, 0, p2m[Page.l3], 0x27);
  const pinned = mmu.types.pin(p2m[Page.l4], 4, domain.domid);
  if (pinned !== 0) throw new Error(`pin: ${pinned}`);
  const rc = hv.bootDomain(domain, { rip: va(Page.code), rsp: STACK_TOP, rsi: va(Page.data), rootMfn: p2m[Page.l4] });
  if (rc !== 0) throw new Error(`boot: ${rc}`);
  hv.load(domain.vcpus[0]);
  hv.addressSpaces.enter(domain.vcpus[0]);
  hv.unpauseDomain(domain);
  return { domain, p2m };
}

export function host(g: Guest, address: number): number {
  return g.hv.mmu.frames.hostAddress(g.p2m[Math.floor(address / 4096)]) + (address % 4096);
}

export function write(g: Guest, address: number, bytes: ArrayLike<number>): void {
  g.hv.mmu.memory.u8.set(Array.from(bytes), host(g, address));
}

export function writeU64(g: Guest, address: number, ...words: number[]): void {
  words.forEach((word, i) => {
    g.hv.mmu.memory.view.setInt32(host(g, address + 8 * i), vaLow(word), true);
    g.hv.mmu.memory.view.setInt32(host(g, address + 8 * i) + 4, vaHigh(word), true);
  });
}

export function writeU32(g: Guest, address: number, ...words: number[]): void {
  words.forEach((word, i) => {
    g.hv.mmu.memory.view.setUint32(host(g, address + 4 * i), word >>> 0, true);
  });
}

export function readU64(g: Guest, address: number): number {
  const view = g.hv.mmu.memory.view;
  return view.getInt32(host(g, address) + 4, true) * 2 ** 32 + view.getUint32(host(g, address), true);
}

export function readU32(g: Guest, address: number): number {
  return g.hv.mmu.memory.view.getUint32(host(g, address), true);
}

/** Runs one hypercall through the SYSCALL exit; the result as a signed number. */
export function hypercall(g: Guest, number: number, ...args: number[]): number {
  const { regs } = g.hv;
  regs.setNumber(0, number);
  ARGUMENTS.forEach((gpr, i) => {
    regs.setNumber(gpr, args[i] ?? 0);
  });
  const rip = regs.rip;
  for (let entry = 0; entry < 10_000; entry++) {
    handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
    if (regs.rip !== rip || g.domain.state !== "running") break;
  }
  return regs.hi(0) * 2 ** 32 + (regs.lo(0) >>> 0);
}

/** Raises an exception exit. */
export function exception(g: Guest, vector: number, errorCode?: number, cr2?: number): void {
  const { u32 } = g.hv.mmu.memory;
  u32[EXIT_VECTOR >>> 2] = vector;
  u32[EXIT_HAS_ERROR_CODE >>> 2] = errorCode === undefined ? 0 : 1;
  u32[EXIT_ERROR_CODE >>> 2] = errorCode ?? 0;
  if (cr2 !== undefined) {
    u32[CR2 >>> 2] = vaLow(cr2);
    u32[(CR2 >>> 2) + 1] = vaHigh(cr2);
  }
  handleExit(g.hv, g.vcpu, ExitReason.EXCEPTION);
}

/** An INT n exit. */
export function softwareInterrupt(g: Guest, vector: number, length: number): void {
  g.hv.mmu.memory.u32[EXIT_VECTOR >>> 2] = vector;
  g.hv.mmu.memory.u32[EXIT_LENGTH >>> 2] = length;
  handleExit(g.hv, g.vcpu, ExitReason.SOFT_INT);
}

export function privileged(g: Guest, ...bytes: number[]): void {
  write(g, g.hv.regs.rip, bytes);
  handleExit(g.hv, g.vcpu, ExitReason.PRIVILEGED);
}

export function deliver(g: Guest): void {
  deliverPending(g.hv, g.vcpu);
}

/** Registers the user root and switches to guest user mode by an iret frame. */
export function toUser(g: Guest, rip = va(Page.code, 0x100), rsp = va(Page.userStack + 1)): void {
  g.hv.addressSpaces.setUserRoot(g.vcpu, g.p2m[Page.userL4]);
  const frame = va(Page.data, 0x800);
  writeU64(g, frame, 11, 22, 33, 0, rip, KERNEL_CS, 0x202, rsp, 0xe02b);
  g.hv.regs.setNumber(4, frame);
  g.hv.regs.setNumber(0, 23);
  handleExit(g.hv, g.vcpu, ExitReason.SYSCALL);
}
