import { describe, expect, it } from "vitest";
import { CR4, CS, ExitReason, FS, GS, SS, TF, VECTOR } from "../src/index.ts";
import { CODE, DATA, hex, PAGE, RAX, RBX, RCX, RDX, RSP, STACK, TestMachine } from "./machine.ts";

const CODE_32 = 0x23;
const DATA_32 = 0x2b;
const CODE_64 = 0x33;
/** A data segment whose base is DATA. */
const BASED = 0x3b;
const NOT_PRESENT = 0x43;

const descriptors = new Map<number, [low: number, high: number]>([
  [CODE_32, [0x0000ffff, 0x00cffb00]],
  [DATA_32, [0x0000ffff, 0x00cff300]],
  [CODE_64, [0x00000000, 0x00affb00]],
  [BASED, [0x0000ffff, 0x00cff300 | (DATA >>> 16)]],
  [NOT_PRESENT, [0x0000ffff, 0x00cf7300]],
]);

function modeMachine(): TestMachine {
  const machine: TestMachine = new TestMachine({
    hooks: {
      readDescriptor(selector) {
        const found = descriptors.get(selector | 3);
        if (found === undefined) return false;
        [machine.cpu.descriptorLo, machine.cpu.descriptorHi] = found;
        return true;
      },
    },
  });
  machine.stack();
  machine.map(DATA);
  return machine;
}

const word = (value: number): number[] => [...new Uint8Array(Int32Array.of(value).buffer)];

/** Writes what IRETQ pops. */
function frame(machine: TestMachine, rip: number, cs: number, flags: number, rsp: number, ss: number): void {
  [rip, cs, flags, rsp, ss].forEach((value, i) => {
    machine.write64(STACK + 0x800 + i * 8, BigInt(value));
  });
}

describe("compatibility mode", () => {
  it("is entered and left by far jumps, and the same bytes mean other instructions there", () => {
    const machine = modeMachine();
    machine.map(CODE + PAGE);
    machine.map(CODE + 2 * PAGE);
    machine.program("ff 2b"); // jmp far [rbx]
    machine.write(DATA, [...word(CODE + PAGE), CODE_32, 0]);
    // inc eax; push eax; mov ebx,[esp]; jmp 0x33:CODE+0x2000
    machine.write(CODE + PAGE, [...hex("40 50 8b 1c 24 ea"), ...word(CODE + 2 * PAGE), CODE_64, 0]);
    machine.write(CODE + 2 * PAGE, hex("40 50 48 89 e1 0f 05")); // rex push rax; mov rcx,rsp; syscall
    machine.setReg(RBX, DATA);
    machine.setReg(RAX, 0x1_0000_0006);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(7n);
    expect(machine.reg(RBX)).toBe(7n);
    expect(machine.reg(RCX)).toBe(BigInt(STACK + 0x800 - 4 - 8));
    expect(machine.cpu.retired).toBe(7);
    expect(machine.cpu.state.selector(CS)).toBe(CODE_64);
  });

  it("wraps addresses at 4 GiB, segment bases included", () => {
    const machine = modeMachine();
    machine.program([0xff, 0x2b]);
    machine.map(CODE + PAGE);
    machine.write(DATA, [...word(CODE + PAGE), CODE_32, 0]);
    // mov eax,0x3b; mov gs,eax; mov ecx,gs:[0xffffffff+9]; mov edx,gs:[eax-0x33]; int 0x80
    machine.write(CODE + PAGE, hex("b8 3b 00 00 00 8e e8 65 8b 0d 08 00 00 00 65 8b 50 cd cd 80"));
    machine.write64(DATA + 8, 0x1234n);
    machine.setReg(RBX, DATA);
    expect(machine.cpu.run(100)).toBe(ExitReason.SOFT_INT);
    expect(machine.cpu.state.segmentBase(GS)).toBe(BigInt(DATA));
    expect(machine.reg(RCX)).toBe(0x1234n);
    expect(machine.reg(RDX)).toBe(0x1234n);
    // mov eax,gs:[-DATA+CODE]: 32-bit programs keep thread data below their GS.
    machine.program([0x65, 0xa1, ...word(CODE - DATA)], CODE + PAGE);
    expect(machine.cpu.run(1)).toBe(ExitReason.BUDGET);
    expect(machine.reg(RAX)).toBe(machine.read64(CODE) & 0xffffffffn);
  });

  it("calls and returns with 4-byte addresses", () => {
    const machine = modeMachine();
    machine.program([0xff, 0x2b]);
    machine.map(CODE + PAGE);
    machine.write(DATA, [...word(CODE + PAGE), CODE_32, 0]);
    // mov ecx,1000; 1: call 2; dec ecx; jnz 1; int 0x80; 2: inc eax; ret
    machine.write(CODE + PAGE, hex("b9 e8 03 00 00 e8 05 00 00 00 49 75 f8 cd 80 40 c3"));
    machine.setReg(RBX, DATA);
    expect(machine.cpu.run(100_000)).toBe(ExitReason.SOFT_INT);
    expect(machine.reg(RAX)).toBe(1000n);
    expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x800));
  });

  it("returns to 64-bit code by a far return", () => {
    const machine = modeMachine();
    machine.program([0xff, 0x1b, ...hex("48 89 e1 0f 05")]); // call far [rbx]; mov rcx,rsp; syscall
    machine.map(CODE + PAGE);
    machine.write(DATA, [...word(CODE + PAGE), CODE_32, 0]);
    machine.write(CODE + PAGE, hex("40 cb")); // inc eax; retf
    machine.setReg(RBX, DATA);
    machine.cpu.state.view.setUint32(0x200 + 4 * CS, CODE_64, true);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(1n);
    expect(machine.reg(RCX)).toBe(BigInt(STACK + 0x800));
  });
});

describe("far transfers that fault", () => {
  it.each([
    ["to no descriptor", 0x53, VECTOR.GP, 0x50],
    ["to the null selector", 0, VECTOR.GP, 0],
    ["to data", DATA_32, VECTOR.GP, DATA_32 & ~3],
  ])("%s leave CS and RIP alone", (_name, selector, vector, errorCode) => {
    const machine = modeMachine();
    machine.program("ff 2b");
    machine.write(DATA, [...word(CODE + PAGE), selector, 0]);
    machine.setReg(RBX, DATA);
    expect(machine.runToFault()).toEqual({ vector, errorCode, rip: CODE });
    expect(machine.cpu.state.selector(CS)).toBe(0);
  });

  it("come to pass only if there is a descriptor table at all", () => {
    const machine = new TestMachine();
    machine.map(DATA);
    machine.program("ff 2b");
    machine.write(DATA, [...word(CODE), CODE_64, 0]);
    machine.setReg(RBX, DATA);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: CODE_64 & ~3, rip: CODE });
  });
});

describe("IRETQ at CPL 3", () => {
  it("loads RIP, CS, RFLAGS, RSP and SS", () => {
    const machine = modeMachine();
    machine.program("48 cf");
    machine.program("0f 05", DATA);
    machine.cpu.state.rip = CODE;
    // IF and IOPL are not CPL 3's to change.
    frame(machine, DATA, CODE_64, 0x3cd5, STACK + 0x100, DATA_32);
    machine.runToSyscall();
    const { state } = machine.cpu;
    expect(state.rip).toBe(DATA);
    expect(state.selector(CS)).toBe(CODE_64);
    expect(state.selector(SS)).toBe(DATA_32);
    expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x100));
    expect(state.rflags).toBe((0x3cd5 & ~0x3000) | 0x202);
    expect(machine.cpu.retired).toBe(1);
  });

  it("begins single-stepping one instruction later", () => {
    const machine = modeMachine();
    machine.program("48 cf 90 90");
    frame(machine, CODE + 2, CODE_64, TF, STACK + 0x100, DATA_32);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.DB, errorCode: null, rip: CODE + 3 });
  });

  it("goes to compatibility mode", () => {
    const machine = modeMachine();
    machine.program("48 cf 40 cd 80"); // iretq; inc eax; int 0x80
    frame(machine, CODE + 2, CODE_32, 2, STACK + 0x100, DATA_32);
    expect(machine.cpu.run(10)).toBe(ExitReason.SOFT_INT);
    expect(machine.reg(RAX)).toBe(1n);
  });

  it.each([
    ["SS is null", CODE_64, 0, VECTOR.GP, 0],
    ["SS is not present", CODE_64, NOT_PRESENT, VECTOR.SS, NOT_PRESENT & ~3],
    ["CS is data", DATA_32, DATA_32, VECTOR.GP, DATA_32 & ~3],
    ["CS is of another level", CODE_64 & ~3, DATA_32, VECTOR.GP, CODE_64 & ~3],
  ])("changes nothing if %s", (_name, cs, ss, vector, errorCode) => {
    const machine = modeMachine();
    machine.program("48 cf");
    frame(machine, DATA, cs, 0xcd5, STACK + 0x100, ss);
    const { rflags } = machine.cpu.state;
    expect(machine.runToFault()).toEqual({ vector, errorCode, rip: CODE });
    expect(machine.cpu.state.selector(CS)).toBe(0);
    expect(machine.cpu.state.selector(SS)).toBe(0);
    expect(machine.cpu.state.rflags).toBe(rflags);
    expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x800));
  });
});

describe("segment bases in 64-bit mode", () => {
  it("count for FS and GS, in every kind of operand, and not for LEA", () => {
    const machine = modeMachine();
    machine.map(DATA + PAGE);
    // mov rax,fs:[0x10]; inc qword gs:[rcx*8+8]; add fs:[rbx],rax; lea rdx,fs:[rcx+8]; push gs:[rcx*8+8]; syscall
    machine.program(
      "64 48 8b 04 25 10 00 00 00 65 48 ff 04 cd 08 00 00 00 64 48 01 03 64 48 8d 51 08 65 ff 34 cd 08 00 00 00 0f 05",
    );
    machine.cpu.state.setSegmentBase(FS, BigInt(DATA));
    machine.cpu.state.setSegmentBase(GS, BigInt(DATA + PAGE));
    machine.write64(DATA + 0x10, 5n);
    machine.setReg(RCX, 3);
    machine.setReg(RBX, 0x40);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(5n);
    expect(machine.read64(DATA + PAGE + 32)).toBe(1n);
    expect(machine.read64(DATA + 0x40)).toBe(5n);
    expect(machine.reg(RDX)).toBe(11n);
    expect(machine.read64(STACK + 0x7f8)).toBe(1n);
  });

  it("may be negative: a kernel's per-CPU area", () => {
    const machine = modeMachine();
    machine.map(-PAGE);
    machine.write64(-0x100, 42n);
    machine.program("65 48 8b 04 25 00 10 00 00 0f 05"); // mov rax,gs:[0x1000]
    machine.cpu.state.setSegmentBase(GS, -0x1100n);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(42n);
  });

  it("are read and written by RDFSBASE and WRGSBASE if CR4.FSGSBASE is set, else #UD", () => {
    const machine = modeMachine();
    machine.program("f3 48 0f ae c0 f3 48 0f ae db 0f 05"); // rdfsbase rax; wrgsbase rbx
    machine.cpu.state.setSegmentBase(FS, 0x7fff_1234_5678n);
    machine.setReg(RBX, -16n);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.UD, errorCode: null, rip: CODE });
    const { view } = machine.cpu.state;
    view.setUint32(CR4, view.getUint32(CR4, true) | (1 << 16), true);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0x7fff_1234_5678n);
    expect(machine.cpu.state.segmentBase(GS)).toBe(BigInt.asUintN(64, -16n));
    machine.setReg(RBX, 0x8000_0000_0000n);
    machine.cpu.state.rip = CODE + 5;
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE + 5 });
  });

  it("come from the descriptor when a selector is loaded", () => {
    const machine = modeMachine();
    machine.program("8e e0 64 48 8b 0c 25 08 00 00 00 0f 05"); // mov fs,eax; mov rcx,fs:[8]
    machine.write64(DATA + 8, 6n);
    machine.setReg(RAX, BASED);
    machine.runToSyscall();
    expect(machine.reg(RCX)).toBe(6n);
    machine.cpu.state.rip = CODE;
    machine.setReg(RAX, 0x53);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.GP, errorCode: 0x50, rip: CODE });
    expect(machine.cpu.state.segmentBase(FS)).toBe(BigInt(DATA));
  });
});
