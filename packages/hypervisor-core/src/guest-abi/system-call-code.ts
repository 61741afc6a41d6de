import { JUMP_CACHE_MODE, TLB_READ, TLB_WRITE } from "@xen-node/mmu";
import { type FunctionBuilder, I32, I64, ModuleBuilder } from "@xen-node/wasm-emit";
import {
  ARITHMETIC_FLAGS,
  CHARGED,
  CS,
  DF,
  FLAG_A,
  FLAG_KIND,
  FlagKind,
  GS,
  IF,
  IOPL,
  JUMP_CACHE,
  L4_MFN,
  R11,
  RAX,
  RCX,
  RIP,
  RSP,
  SEG_ATTR,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SS,
  SYSTEM_FLAGS,
  SYSTEM_FLAGS_KEPT,
  TF,
  TLB_BANK,
} from "@xen-node/x86-cpu";
import { __HYPERVISOR_iret, FLAT_KERNEL_SS, FLAT_RING3_CS64, FLAT_USER_SS } from "@xen-node/xen-abi";
import { CLEARED_ON_ENTRY } from "./frame64.ts";
import { IRET_FRAME_BYTES, RFLAGS_FROM_FRAME, VGCF_IN_SYSCALL } from "./iret64.ts";
import { FLAT_CODE64_ATTR, FLAT_DATA_ATTR } from "./segments64.ts";
import * as block from "./system-call-block.ts";

const WASM_PAGE = 65536;
const PAGE = 4096;
const LONG_ATTR = 0x2000;
/** In RFLAGS. */
const ALWAYS_SET = 2;
/** The least that is left for the processor to go on with. */
const LEAST_LEFT = 1024;
const SYSCALL_LENGTH = 2n;
/** High words of the hypervisor's own addresses, which no frame of a guest's lies at. */
const FIRST_OWN_HIGH = 0xffff8000 | 0;
const OWN_HIGHS = 0x800;
/** The upper words of a guest's descriptors of flat user segments: accessed or not, 64-bit code and data. */
const ACCESSED = 0x100;
const FLAT_DESCRIPTOR_LOW = 0xffff;
const USER_CODE_HIGH = 0x00affa00;
const USER_DATA_HIGH = 0x00cff200;

/**
 * The way of a 64-bit guest's system calls and of its kernel's returns without TypeScript in between:
 * `systemCall(budget, rflags)` as x86-cpu's CpuOptions has it. It does what syscall64.ts, frame64.ts and iret64.ts do where
 * nothing is unusual, and answers -1, with nothing changed, wherever anything is: no translation in the soft TLB, an event
 * that is pending, segments that are not flat.
 * @param at host address of the block of system-call-block.ts
 * @param changesAddress the soft TLB's
 */
export function systemCallModule(at: number, changesAddress: number, memoryBytes: number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const pages = memoryBytes / WASM_PAGE;
  module.importMemory("cpu", "memory", pages, pages);
  const { index, body } = module.function(module.type([I32, I32], [I32]));
  new SystemCallCode(body, at, changesAddress).emit();
  module.exportFunction("systemCall", index);
  return module.toUint8Array();
}

class SystemCallCode {
  private readonly budget = 0;
  private readonly rflags = 1;
  private readonly info: number;
  private readonly rip: number;
  private readonly rsp: number;
  private readonly host: number;
  private readonly jumps: number;
  private readonly entry: number;
  private readonly selector: number;
  private readonly descriptor: number;
  private readonly cs: number;
  private readonly csAttributes: number;
  private readonly ss: number;
  private readonly ssAttributes: number;

  constructor(
    private readonly f: FunctionBuilder,
    private readonly at: number,
    private readonly changesAddress: number,
  ) {
    const locals = Array.from({ length: 10 }, () => f.local(I32));
    [this.info, this.host, this.jumps, this.entry, this.selector, this.descriptor] = locals;
    [this.cs, this.csAttributes, this.ss, this.ssAttributes] = locals.slice(6);
    this.rip = f.local(I64);
    this.rsp = f.local(I64);
  }

  emit(): void {
    const { f } = this;
    this.field(block.ENABLED);
    f.i32_eqz();
    this.declineIf();
    f.get(this.budget).i32_const(LEAST_LEFT).i32_lt_s();
    this.declineIf();
    f.i32_const(0).i32_load(SEG_ATTR(CS)).i32_const(LONG_ATTR).i32_and().i32_eqz();
    this.declineIf();
    this.field(block.INFO);
    // evtchn_upcall_pending: whoever finds it set looks at what is to be done first.
    f.tee(this.info).i32_load8_u(0);
    this.declineIf();
    this.field(block.KERNEL_MODE);
    f.if_();
    this.iret();
    f.else_();
    this.systemCall();
    f.end();
    f.i32_const(0).i32_const(0).i32_load(CHARGED).i32_const(block.EXIT_COST).i32_add().i32_store(CHARGED);
    f.get(this.budget).i32_const(block.EXIT_COST).i32_sub();
  }

  private systemCall(): void {
    const { f, rip, rsp, host, info, rflags } = this;
    this.wideField(block.HANDLER);
    f.i64_eqz();
    this.declineIf();
    this.chooseSpace(block.KERNEL_BANK, block.KERNEL_JUMPS);
    this.wideField(block.FRAME);
    f.set(rsp);
    this.field(block.KERNEL_BANK);
    this.probe(TLB_WRITE);
    f.i32_const(0).i64_load(RIP).i64_const(SYSCALL_LENGTH).i64_add().set(rip);

    f.get(host).get(rip).i64_store(0);
    f.get(host).get(rflags).i64_extend_i32_u().i64_store(8);
    f.get(host).get(rip).i64_store(16);
    f.get(host).i32_const(FLAT_RING3_CS64).i32_store(24);
    f.get(host).get(info).i32_load8_u(1).i32_store(28);
    f.get(host)
      .get(rflags)
      .i32_const(~(IF | IOPL))
      .i32_and();
    f.i32_const(0).i32_const(IF).get(info).i32_load8_u(1).select().i32_or();
    this.field(block.IOPL_SHOWN);
    f.i32_or().i64_extend_i32_u().i64_store(32);
    f.get(host).i32_const(0).i64_load(RSP).i64_store(40);
    f.get(host).i64_const(BigInt(FLAT_USER_SS)).i64_store(48);

    this.field(block.MASKS_EVENTS);
    f.if_().get(info).i32_const(1).i32_store8(1).end();
    f.get(rflags)
      .i32_const(~(CLEARED_ON_ENTRY | DF))
      .i32_and()
      .i32_const(IF)
      .i32_or()
      .set(rflags);
    this.setFlags();
    f.i32_const(0).get(rflags).i64_extend_i32_u().i64_store(R11);
    f.i32_const(0).get(rsp).i64_store(RSP);
    this.wideField(block.HANDLER);
    f.set(rip);
    f.i32_const(0).get(rip).i64_store(RIP);
    f.i32_const(0).get(rip).i64_store(RCX);
    f.i32_const(FLAT_RING3_CS64).set(this.cs).i32_const(FLAT_CODE64_ATTR).set(this.csAttributes);
    f.i32_const(FLAT_KERNEL_SS).set(this.ss).i32_const(FLAT_DATA_ATTR).set(this.ssAttributes);
    this.setSegments();
    this.toggle(block.KERNEL_BANK, block.KERNEL_L4, 1);
    this.count(block.SYSTEM_CALLS);
  }

  private iret(): void {
    const { f, rip, rsp, host, info, rflags } = this;
    f.i32_const(0).i64_load(RAX).i64_const(BigInt(__HYPERVISOR_iret)).i64_ne();
    this.declineIf();
    f.i32_const(0).i64_load(RSP).tee(rsp).i32_wrap_i64().tee(host).i32_const(7).i32_and();
    f.get(host)
      .i32_const(PAGE - 1)
      .i32_and()
      .i32_const(PAGE - IRET_FRAME_BYTES)
      .i32_gt_u()
      .i32_or();
    f.get(rsp).i64_const(32n).i64_shr_u().i32_wrap_i64().i32_const(FIRST_OWN_HIGH).i32_sub();
    f.i32_const(OWN_HIGHS).i32_lt_u().i32_or();
    this.declineIf();
    f.i32_const(0).i32_load(TLB_BANK);
    this.probe(TLB_READ);
    f.get(host).i32_load(48).tee(rflags).i32_const(TF).i32_and();
    this.declineIf();
    this.field(block.IOPL_OWN);
    f.if_().get(rflags).i32_const(IOPL).i32_and();
    this.field(block.IOPL_SHOWN);
    f.i32_ne();
    this.declineIf();
    f.end();
    // Canonical: the upper 17 bits are alike.
    f.get(host).i64_load(32).tee(rip).i64_const(16n).i64_shl().i64_const(16n).i64_shr_s().get(rip).i64_ne();
    this.declineIf();
    f.get(host).i32_load16_u(40);
    this.flatSegment(FLAT_RING3_CS64, FLAT_CODE64_ATTR, USER_CODE_HIGH, this.cs, this.csAttributes);
    f.get(host).i32_load16_u(64);
    this.flatSegment(FLAT_KERNEL_SS, FLAT_DATA_ATTR, USER_DATA_HIGH, this.ss, this.ssAttributes);
    f.get(host).i32_load8_u(40).i32_const(3).i32_and().i32_const(3).i32_eq().if_();
    this.chooseSpace(block.USER_BANK, block.USER_JUMPS);
    this.toggle(block.USER_BANK, block.USER_L4, 0);
    f.end();

    f.get(info).get(rflags).i32_const(IF).i32_and().i32_eqz().i32_store8(1);
    f.get(rflags)
      .i32_const(RFLAGS_FROM_FRAME)
      .i32_and()
      .i32_const(IF | ALWAYS_SET)
      .i32_or()
      .set(rflags);
    this.setFlags();
    f.i32_const(0).get(rip).i64_store(RIP);
    f.i32_const(0).get(host).i64_load(0).i64_store(RAX);
    f.get(host).i32_load(24).i32_const(VGCF_IN_SYSCALL).i32_and().if_();
    f.i32_const(0).get(rip).i64_store(RCX);
    f.i32_const(0).get(rflags).i64_extend_i32_u().i64_store(R11);
    f.else_();
    f.i32_const(0).get(host).i64_load(16).i64_store(RCX);
    f.i32_const(0).get(host).i64_load(8).i64_store(R11);
    f.end();
    f.i32_const(0).get(host).i64_load(56).i64_store(RSP);
    this.setSegments();
    this.count(block.IRETS);
  }

  /** Pushes a u32 of the block. */
  private field(offset: number): void {
    this.f.i32_const(0).i32_load(this.at + offset);
  }

  private wideField(offset: number): void {
    this.f.i32_const(0).i64_load(this.at + offset);
  }

  private count(offset: number): void {
    this.f.i32_const(0);
    this.field(offset);
    this.f
      .i32_const(1)
      .i32_add()
      .i32_store(this.at + offset);
  }

  private declineIf(): void {
    this.f.if_().i32_const(-1).return_().end();
  }

  /** Whether the other address space can be changed to: its jump cache is left in `jumps`. */
  private chooseSpace(bank: number, jumps: number): void {
    const { f } = this;
    this.field(bank);
    f.i32_eqz();
    this.field(block.CHANGES);
    f.i32_const(0).i32_load(this.changesAddress).i32_ne().i32_or();
    this.declineIf();
    this.field(jumps);
    // One that was filled in another mode of the processor has to be emptied first.
    f.tee(this.jumps).i32_load(JUMP_CACHE_MODE).i32_const(0).i32_load(JUMP_CACHE).i32_load(JUMP_CACHE_MODE).i32_ne();
    this.declineIf();
  }

  /** Pops a bank: the host address of what `rsp` points to, by one of its arrays, is left in `host`. */
  private probe(array: number): void {
    const { f, rsp, entry } = this;
    f.get(rsp).i32_wrap_i64().i32_const(8).i32_shr_u().i32_const(0xfff0).i32_and().i32_add().tee(entry);
    f.i64_load(array)
      .get(rsp)
      .i64_xor()
      .i64_const(BigInt(PAGE - 1))
      .i64_gt_u();
    this.declineIf();
    f.get(rsp)
      .i32_wrap_i64()
      .get(entry)
      .i32_load(array + 8)
      .i32_add()
      .set(this.host);
  }

  /** Pops a selector: Xen's own flat segment, or the guest's that is one, is left in two locals. */
  private flatSegment(
    flat: number,
    attributes: number,
    descriptorHigh: number,
    to: number,
    toAttributes: number,
  ): void {
    const { f, selector, descriptor } = this;
    f.i32_const(3).i32_or().tee(to).tee(selector).i32_const(flat).i32_eq().if_();
    f.i32_const(attributes).set(toAttributes);
    f.else_();
    // In the first page of the GDT, and not the null descriptor.
    f.get(selector).i32_const(4).i32_and().get(selector).i32_const(8).i32_sub();
    f.i32_const(PAGE - 8)
      .i32_ge_u()
      .i32_or();
    this.field(block.GDT);
    f.i32_eqz().i32_or();
    this.declineIf();
    this.field(block.GDT);
    f.get(selector).i32_const(-8).i32_and().i32_add().tee(descriptor);
    f.i32_load(0).i32_const(FLAT_DESCRIPTOR_LOW).i32_ne();
    f.get(descriptor).i32_load(4).tee(descriptor).i32_const(~ACCESSED).i32_and();
    f.i32_const(descriptorHigh).i32_ne().i32_or();
    this.declineIf();
    f.get(descriptor).i32_const(8).i32_shr_u().i32_const(0xf0ff).i32_and().set(toAttributes);
    f.end();
  }

  private setFlags(): void {
    const { f, rflags } = this;
    f.i32_const(0).i32_const(FlagKind.EXPLICIT).i32_store(FLAG_KIND);
    f.i32_const(0).get(rflags).i32_const(ARITHMETIC_FLAGS).i32_and().i64_extend_i32_u().i64_store(FLAG_A);
    f.i32_const(0).get(rflags).i32_const(SYSTEM_FLAGS_KEPT).i32_and();
    f.i32_const(ALWAYS_SET).i32_or().i32_store(SYSTEM_FLAGS);
  }

  private setSegments(): void {
    const { f } = this;
    for (const [segment, selector, attributes] of [
      [CS, this.cs, this.csAttributes],
      [SS, this.ss, this.ssAttributes],
    ]) {
      f.i32_const(0).get(selector).i32_store(SEG_SELECTOR(segment));
      f.i32_const(0).get(attributes).i32_store(SEG_ATTR(segment));
      f.i32_const(0).i32_const(-1).i32_store(SEG_LIMIT(segment));
      f.i32_const(0).i64_const(0n).i64_store(SEG_BASE(segment));
    }
  }

  /** The other address space, and its GS base. */
  private toggle(bank: number, l4: number, kernelMode: 0 | 1): void {
    const { f, at } = this;
    f.i32_const(0);
    this.field(bank);
    f.i32_store(TLB_BANK).i32_const(0);
    this.field(l4);
    f.i32_store(L4_MFN).i32_const(0).get(this.jumps).i32_store(JUMP_CACHE);
    f.i32_const(0)
      .i32_const(kernelMode)
      .i32_store(at + block.KERNEL_MODE);
    f.i32_const(0);
    this.wideField(block.GS_SHADOW);
    f.i32_const(0)
      .i32_const(0)
      .i64_load(SEG_BASE(GS))
      .i64_store(at + block.GS_SHADOW);
    f.i64_store(SEG_BASE(GS));
  }
}
