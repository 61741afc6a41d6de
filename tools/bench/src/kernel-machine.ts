import { ELFCLASS64, PT_LOAD, readElf } from "@xen-node/guest-images";
import { MachineMemory, Mmu } from "@xen-node/mmu";
import { AddressSpace, Cpu, CS, ExitReason, SEG_ATTR, VECTOR } from "@xen-node/x86-cpu";

const PAGE = 4096;
const STACK_TOP = 0x8000_0000 - PAGE;
const STACK_PAGES = 16;
/** Access rights of a flat 32-bit code segment at CPL 3: code in compatibility mode. */
const COMPATIBILITY_CODE = 0xc0fb;
/** Instructions between two looks outward, about as often as a hypervisor does it. */
const BUDGET = 200_000;

const RAX = 0;
const RDX = 2;
const RSP = 4;
const RSI = 6;
const RDI = 7;

/** What one round of a kernel gave. */
export interface Round {
  /** 16 hexadecimal digits. */
  result: string;
  /** Processor time of the process, for one run of the kernel. */
  milliseconds: number;
  /** Where the contender counts them. */
  instructions?: number;
}

/** A processor with page tables of its own and a program of guest/alone.S in its memory; no hypervisor, no devices. */
export class KernelMachine {
  private readonly cpu = new Cpu(new Mmu(new MachineMemory({ bytes: 80 << 20 })));
  private readonly space = new AddressSpace(this.cpu.mmu);
  private readonly entry: number;
  private readonly is64Bit: boolean;

  constructor(program: Uint8Array) {
    const elf = readElf(program);
    this.entry = elf.entry;
    this.is64Bit = elf.elfClass === ELFCLASS64;
    for (const { type, virtualAddress, memorySize, offset, fileSize } of elf.segments) {
      if (type !== PT_LOAD) continue;
      for (let at = virtualAddress - (virtualAddress % PAGE); at < virtualAddress + memorySize; at += PAGE) {
        if (this.space.frameAt(at) < 0) this.space.map(at);
      }
      this.space.write(virtualAddress, program.subarray(offset, offset + fileSize));
    }
    for (let page = 1; page <= STACK_PAGES; page++) this.space.map(STACK_TOP - page * PAGE);
    this.cpu.setAddressSpace(this.space.activate(), this.space.l4Mfn);
  }

  /** Runs a kernel once from its start. */
  run(kernel: number, repetitions: number): Round {
    const { cpu } = this;
    const { state } = cpu;
    cpu.reset();
    state.rip = this.entry;
    if (this.is64Bit) {
      state.setReg(RSP, STACK_TOP, 0);
      state.setReg(RDI, kernel, 0);
      state.setReg(RSI, repetitions, 0);
    } else {
      state.view.setUint32(SEG_ATTR(CS), COMPATIBILITY_CODE, true);
      state.setReg(RSP, STACK_TOP - 16, 0);
      this.space.write(STACK_TOP - 16, [kernel, 0, 0, 0, ...littleEndian(repetitions)]);
    }
    const before = cpu.retired;
    const start = process.cpuUsage();
    let reason: ExitReason;
    do reason = cpu.run(BUDGET);
    while (reason === ExitReason.BUDGET);
    const { user, system } = process.cpuUsage(start);
    if (reason !== ExitReason.SOFT_INT || state.exitVector !== VECTOR.BP) {
      throw new Error(
        `kernel ${kernel} stopped at ${state.rip.toString(16)}: exit ${reason}, vector ${state.exitVector}`,
      );
    }
    const high = this.is64Bit ? state.regHi(RAX) : state.regLo(RDX);
    return {
      result: hex(high) + hex(state.regLo(RAX)),
      milliseconds: (user + system) / 1000,
      instructions: cpu.retired - before,
    };
  }
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
const littleEndian = (word: number): number[] => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff);
