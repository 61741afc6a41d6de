import { MachineMemory, Mmu } from "@xen-node/mmu";
import { AddressSpace, Cpu, type CpuOptions, ExitReason, type PageOptions } from "../src/index.ts";

export const CODE = 0x400000;
export const DATA = 0x500000;
export const STACK = 0x600000;
export const PAGE = 4096;

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** What every machine's processor is made with unless its test says otherwise; test/translator runs other files so. */
export const defaults: CpuOptions = {};

/** A processor with one address space, and what tests say all the time. */
export class TestMachine {
  readonly mmu = new Mmu(new MachineMemory({ bytes: 80 << 20 }));
  readonly cpu: Cpu;
  readonly space: AddressSpace;

  constructor(options: CpuOptions = {}) {
    this.cpu = new Cpu(this.mmu, { ...defaults, ...options });
    this.space = new AddressSpace(this.mmu);
    this.activate();
  }

  activate(space = this.space): void {
    this.cpu.setAddressSpace(space.activate(), space.l4Mfn);
  }

  /** Maps a page (of a fresh frame by default) and answers its frame. */
  map(va: number, options?: PageOptions & { mfn?: number }): number {
    return this.space.map(va, options);
  }

  write(va: number, bytes: ArrayLike<number>): void {
    this.space.write(va, bytes);
  }

  read(va: number, length: number): Uint8Array {
    return this.space.read(va, length);
  }

  read64(va: number): bigint {
    return new DataView(this.read(va, 8).buffer).getBigUint64(0, true);
  }

  write64(va: number, value: bigint): void {
    this.write(va, new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer));
  }

  /** Puts code at an address, maps its page if need be, and points RIP there. */
  program(code: string | readonly number[], va = CODE): void {
    if (this.space.frameAt(va) < 0) this.map(va);
    this.write(va, typeof code === "string" ? hex(code) : code);
    this.cpu.state.rip = va;
  }

  /** Maps a stack page and points RSP into its middle. */
  stack(): void {
    this.map(STACK);
    this.setReg(RSP, STACK + 0x800);
  }

  reg(register: number): bigint {
    return this.cpu.state.reg(register);
  }

  setReg(register: number, value: number | bigint): void {
    this.cpu.state.setRegBig(register, BigInt(value));
  }

  /** What the last exit was about: the exception and where it struck, in words that a mismatch shows well. */
  get fault(): { vector: number; errorCode: number | null; rip: number } {
    const { state } = this.cpu;
    return {
      vector: state.exitVector,
      errorCode: state.exitHasErrorCode ? state.exitErrorCode : null,
      rip: state.rip,
    };
  }

  get cr2(): number {
    return this.cpu.state.cr2;
  }

  /** Runs to an exception; anything else is an error. */
  runToFault(budget = 10_000): { vector: number; errorCode: number | null; rip: number } {
    const reason = this.cpu.run(budget);
    if (reason !== ExitReason.EXCEPTION) throw new Error(`exit ${reason} at ${this.cpu.state.rip.toString(16)}`);
    return this.fault;
  }

  /** Runs to a SYSCALL; anything else is an error. */
  runToSyscall(budget = 1_000_000): void {
    const reason = this.cpu.run(budget);
    if (reason === ExitReason.SYSCALL) return;
    throw new Error(`exit ${reason} ${JSON.stringify(this.fault)}, CR2 ${this.cr2.toString(16)}`);
  }
}

/** Bytes written in hexadecimal; blanks may stand anywhere. */
export function hex(text: string): number[] {
  return (text.match(/[0-9a-f]{2}/gi) ?? []).map((byte) => Number.parseInt(byte, 16));
}
