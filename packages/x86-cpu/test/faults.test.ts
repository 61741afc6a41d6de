import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CF, ExitReason, VECTOR, ZF } from "../src/index.ts";
import { CODE, DATA, PAGE, RAX, RBP, RCX, RDI, RSP, STACK, TestMachine } from "./machine.ts";
import { RandomRun, randomProgram } from "./random-program.ts";

const NON_CANONICAL = 0x8000_0000_0000n;

/** A machine whose RAX points at `va`, with a stack, about to execute some code. */
function machineAt(code: string, va: number | bigint): TestMachine {
  const machine = new TestMachine();
  machine.stack();
  machine.program(code);
  machine.setReg(RAX, va);
  return machine;
}

/** Everything that a faulting instruction must leave alone. */
function snapshot(machine: TestMachine): object {
  const { state } = machine.cpu;
  return {
    registers: Array.from({ length: 16 }, (_, i) => state.reg(i)),
    flags: state.rflags,
    rip: state.rip,
    vectors: machine.mmu.memory.u8.slice(0x300, 0x480),
  };
}

describe("a fault in the middle of a block", () => {
  it("has the effects of all instructions before it and of none after", () => {
    // cmp ecx,ecx; mov edx,7; mov rax,[rax]; mov edx,9; xor ecx,1
    const machine = machineAt("39 c9 ba 07 00 00 00 48 8b 00 ba 09 00 00 00 83 f1 01", DATA + 8);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 4, rip: CODE + 7 });
    expect(machine.cr2).toBe(DATA + 8);
    expect(machine.reg(2)).toBe(7n);
    expect(machine.cpu.state.rflags & (ZF | CF)).toBe(ZF);
    expect(machine.cpu.retired).toBe(2);
  });

  it.each([
    ["a missing page, read", "48 8b 00", undefined, 4],
    ["a missing page, written", "48 89 08", undefined, 6],
    ["a read-only page, written", "48 89 08", { writable: false }, 7],
    ["a supervisor page, read", "48 8b 00", { user: false }, 5],
    ["a supervisor page, written", "48 89 08", { user: false }, 7],
  ])("on %s", (_name, code, page, errorCode) => {
    const machine = machineAt(code, DATA);
    if (page) machine.map(DATA, page);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode, rip: CODE });
  });

  it("on fetching from a page that may not be executed, or is missing", () => {
    const machine = machineAt("ff e0", DATA); // jmp rax
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 0x14, rip: DATA });
    machine.map(DATA, { executable: false });
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 0x15, rip: DATA });
    expect(machine.cr2).toBe(DATA);
  });

  it("goes away when the page is given, whatever the program: nothing is done twice or left out", () => {
    fc.assert(
      fc.property(randomProgram, (program) => {
        const eager = new RandomRun(program);
        const lazy = new RandomRun(program);
        const { machine } = lazy;
        const pages = [CODE, CODE + PAGE, DATA, DATA + PAGE, STACK];
        const frames = new Map(pages.map((page) => [page, machine.space.unmap(page)]));
        for (let faults = 0; ; faults++) {
          const reason = machine.cpu.run(20_000 - machine.cpu.retired);
          const page = machine.cr2 - (machine.cr2 % PAGE);
          const isFault = reason === ExitReason.EXCEPTION && machine.fault.vector === VECTOR.PF;
          if (!isFault || !frames.has(page)) {
            for (const [va, mfn] of frames) machine.map(va, { mfn });
            expect(eager.machine.cpu.run(20_000)).toBe(reason);
            if (reason === ExitReason.EXCEPTION) expect(machine.fault).toEqual(eager.machine.fault);
            break;
          }
          machine.map(page, { mfn: frames.get(page) });
          frames.delete(page);
          if (faults > 5) throw new Error("more faults than pages");
        }
        expect(lazy.outcome).toEqual(eager.outcome);
      }),
      { numRuns: 40 },
    );
  });
});

describe("an access that crosses pages", () => {
  const stores: [string, string][] = [
    ["mov [rax],rcx", "48 89 08"],
    ["mov dword [rax],1", "c7 00 01 00 00 00"],
    ["add [rax],rcx", "48 01 08"],
    ["xchg [rax],rcx", "48 87 08"],
    ["movups [rax],xmm0", "0f 11 00"],
    ["pop [rax]", "8f 00"],
    ["movsb-sized step: stosq", "48 ab"],
  ];

  it.each(stores)("stores nothing if its second page is missing: %s", (_name, code) => {
    const machine = machineAt(code, DATA + PAGE - 3);
    machine.map(DATA);
    machine.setReg(RCX, -1n);
    machine.setReg(RDI, DATA + PAGE - 3);
    const before = snapshot(machine);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 6, rip: CODE });
    expect(machine.cr2).toBe(DATA + PAGE);
    expect(snapshot(machine)).toEqual(before);
    expect(machine.read(DATA, PAGE)).toEqual(new Uint8Array(PAGE));
    // The same where it is there but read-only.
    machine.map(DATA + PAGE, { writable: false });
    expect(machine.runToFault().errorCode).toBe(7);
    expect(snapshot(machine)).toEqual(before);
    expect(machine.read(DATA, 2 * PAGE)).toEqual(new Uint8Array(2 * PAGE));
  });

  it.each(stores)("stores to both otherwise: %s", (_name, code) => {
    const machine = machineAt(code, DATA + PAGE - 3);
    machine.map(DATA + PAGE);
    machine.map(DATA);
    machine.setReg(RCX, -1n);
    machine.setReg(RDI, DATA + PAGE - 3);
    machine.write64(STACK + 0x800, -1n);
    machine.mmu.memory.u8.fill(0xff, 0x300, 0x310);
    expect(machine.cpu.run(1)).toBe(ExitReason.BUDGET);
    expect(machine.read64(DATA + PAGE - 8) >> 40n).not.toBe(0n);
  });

  it("loads from frames that do not lie side by side", () => {
    const machine = machineAt("48 8b 00 0f 05", DATA + PAGE - 3);
    const [high, low] = [machine.map(DATA + PAGE), machine.map(DATA)];
    expect(low).not.toBe(high - 1);
    machine.write64(DATA + PAGE - 3, 0x1122334455667788n);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0x1122334455667788n);
  });

  it("faults with the address of the second page where that cannot be read", () => {
    const machine = machineAt("48 8b 00", DATA + PAGE - 3);
    machine.map(DATA);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 4, rip: CODE });
    expect(machine.cr2).toBe(DATA + PAGE);
  });
});

describe("reading and writing a read-only page in one instruction", () => {
  it.each([
    ["add [rax],rcx", "48 01 08"],
    ["inc qword [rax]", "48 ff 00"],
    ["neg byte [rax]", "f6 18"],
    ["shl dword [rax],3", "c1 20 03"],
    ["lock xadd [rax],rcx", "f0 48 0f c1 08"],
    ["xchg [rax],rcx", "48 87 08"],
    ["cmpxchg [rax],rcx, unequal", "48 0f b1 08"],
    ["bts [rax],ecx", "0f ab 08"],
    ["pop [rax]", "8f 00"],
    ["setz [rax]", "0f 94 00"],
  ])("changes nothing: %s", (_name, code) => {
    const machine = machineAt(code, DATA);
    machine.map(DATA, { writable: false });
    machine.write64(DATA, 0x123456789n);
    machine.setReg(RCX, 5);
    const before = snapshot(machine);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 7, rip: CODE });
    expect(snapshot(machine)).toEqual(before);
    expect(machine.read64(DATA)).toBe(0x123456789n);
  });

  it("works after a read has put the page into the soft TLB, as soon as it is writable", () => {
    const machine = machineAt("48 8b 08 48 ff 00 0f 05", DATA); // mov rcx,[rax]; inc qword [rax]
    machine.map(DATA, { writable: false });
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 7, rip: CODE + 3 });
    machine.space.protect(DATA, {});
    machine.runToSyscall();
    expect(machine.read64(DATA)).toBe(1n);
    machine.space.protect(DATA, { writable: false });
    machine.cpu.state.rip = CODE;
    expect(machine.runToFault().errorCode).toBe(7);
  });
});

describe("a stack that is not there", () => {
  it.each([
    ["push rcx", "51", 6],
    ["push 5", "6a 05", 6],
    ["push [rax]", "ff 30", 6],
    ["pushf", "9c", 6],
    ["call", "e8 00 00 00 00", 6],
    ["call rax", "ff d0", 6],
    ["call [rax]", "ff 10", 6],
    ["enter", "c8 20 00 00", 6],
    ["pop rcx", "59", 4],
    ["pop [rax]", "8f 00", 4],
    ["popf", "9d", 4],
    ["ret", "c3", 4],
    ["ret 8", "c2 08 00", 4],
    ["iretq", "48 cf", 4],
    ["retf", "cb", 4],
  ])("faults and leaves RSP alone: %s", (_name, code, errorCode) => {
    const machine = machineAt(code, DATA);
    machine.map(DATA);
    machine.setReg(RSP, STACK + 0x5000);
    const before = snapshot(machine);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode, rip: CODE });
    expect(snapshot(machine)).toEqual(before);
  });

  it("faults for LEAVE at RBP, with both registers as they were", () => {
    const machine = machineAt("c9", 0);
    machine.setReg(RBP, DATA);
    const before = snapshot(machine);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.PF, errorCode: 4, rip: CODE });
    expect(snapshot(machine)).toEqual(before);
  });
});

describe("an address that is not canonical", () => {
  it.each([
    ["mov rcx,[rax]", "48 8b 08", VECTOR.GP],
    ["mov [rax],rcx", "48 89 08", VECTOR.GP],
    ["add [rax],rcx", "48 01 08", VECTOR.GP],
    ["movups xmm0,[rax]", "0f 10 00", VECTOR.GP],
    ["fld qword [rax]", "dd 00", VECTOR.GP],
    ["fxsave [rax]", "0f ae 00", VECTOR.GP],
    ["mov rcx,[rsp]", "48 8b 0c 24", VECTOR.SS],
    ["mov [rbp+8],rcx", "48 89 4d 08", VECTOR.SS],
    ["mov rcx,fs:[rbp+8]", "64 48 8b 4d 08", VECTOR.GP],
    ["push rcx", "51", VECTOR.SS],
    ["pop rcx", "59", VECTOR.SS],
    ["call", "e8 00 00 00 00", VECTOR.SS],
    ["ret", "c3", VECTOR.SS],
    ["leave", "c9", VECTOR.SS],
    ["lodsb", "ac", VECTOR.GP],
    ["rep stosb", "f3 aa", VECTOR.GP],
    ["jmp rax", "ff e0", VECTOR.GP],
  ])("faults: %s", (_name, code, vector) => {
    const machine = machineAt(code, NON_CANONICAL);
    for (const register of [RSP, RBP, 6, RDI]) machine.setReg(register, NON_CANONICAL + 0x100n);
    machine.setReg(RCX, 3);
    const before = snapshot(machine);
    expect(machine.runToFault()).toEqual({ vector, errorCode: 0, rip: CODE });
    expect(snapshot(machine)).toEqual(before);
  });

  it("faults where only its last bytes are beyond the border, and with a segment base that leads there", () => {
    const machine = machineAt("48 8b 00", NON_CANONICAL - 4n);
    machine.map(0x7fff_ffff_f000);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE });
    machine.program("65 48 8b 08"); // mov rcx,gs:[rax]
    machine.setReg(RAX, 0x1000);
    machine.cpu.state.setSegmentBase(5, NON_CANONICAL - 0x800n);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE });
  });

  it("faults before a call or return that would lead there, and after running over the border", () => {
    const machine = machineAt("ff d0", NON_CANONICAL); // call rax
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE });
    expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x800));
    machine.program("c3");
    machine.write64(STACK + 0x800, NON_CANONICAL);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE });
    expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x800));
    machine.program("90 90", 0x7fff_ffff_fffe);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: 0x8000_0000_0000 });
  });

  it("is none at the top: kernels live in the upper half", () => {
    const machine = new TestMachine();
    machine.map(-PAGE);
    machine.program("48 8b 04 25 f8 ff ff ff 0f 05", -0x200000); // mov rax,[-8]
    machine.write64(-8, 99n);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(99n);
    expect(machine.cpu.state.rip).toBe(-0x200000 + 8);
  });
});

describe("other exceptions", () => {
  it.each([
    ["div ecx by 0", "f7 f1", VECTOR.DE, null],
    ["ud2", "0f 0b", VECTOR.UD, null],
    ["movaps misaligned", "0f 28 00", VECTOR.GP, 0],
    ["a byte sequence that is no instruction", "0f 24", VECTOR.UD, null],
    ["15 prefixes", "66".repeat(15), VECTOR.GP, 0],
    ["lock on a register", "f0 01 c0", VECTOR.UD, null],
  ])("%s", (_name, code, vector, errorCode) => {
    const machine = machineAt(`90 ${code}`, DATA + 1);
    machine.map(DATA);
    expect(machine.runToFault()).toEqual({ vector, errorCode, rip: CODE + 1 });
    expect(machine.cpu.retired).toBe(1);
  });

  it("#NM takes the place of floating point while CR0.TS is set, and of nothing else", () => {
    const machine = new TestMachine();
    machine.program("ff c0 0f 57 c0 0f 05"); // inc eax; xorps xmm0,xmm0
    const { view } = machine.cpu.state;
    const cr0 = view.getUint32(0x250, true);
    view.setUint32(0x250, cr0 | 8, true);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.NM, errorCode: null, rip: CODE + 2 });
    view.setUint32(0x250, cr0, true);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(1n);
  });
});
