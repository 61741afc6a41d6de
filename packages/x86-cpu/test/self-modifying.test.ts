import { describe, expect, it } from "vitest";
import { ExitReason } from "../src/index.ts";
import { CODE, DATA, hex, PAGE, RAX, RBX, RCX, RDI, RSI, STACK, TestMachine } from "./machine.ts";

const ALIAS = 0x700000;

/** A function `mov eax,value; ret` whose page goes before or after something. */
const answer = (value: number): number[] => [0xb8, ...new Uint8Array(Int32Array.of(value).buffer), 0xc3];

describe("a store into code", () => {
  it("takes effect at the next instruction", () => {
    const machine = new TestMachine();
    machine.program("c6 05 01 00 00 00 c8 ff c0 0f 05"); // mov byte [rip+1],0xc8; inc eax → dec eax; syscall
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0xffffffffn);
  });

  it("takes effect on a loop that runs hot", () => {
    const machine = new TestMachine();
    // 1: inc eax; dec ecx; jnz 1; test edx,edx; jnz 2; mov byte [rbx],0xc8 (dec); mov ecx,1000; inc edx; jmp 1; 2: syscall
    machine.program("ff c0 ff c9 75 fa 85 d2 75 0c c6 43 01 c8 b9 e8 03 00 00 ff c2 eb e9 0f 05");
    machine.write(CODE + 8, hex("75 0d"));
    machine.setReg(RBX, CODE);
    machine.setReg(RCX, 1500);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(500n);
  });

  it("may be made by an instruction on itself", () => {
    const machine = new TestMachine();
    machine.program("c6 05 f9 ff ff ff f4 0f 05"); // mov byte [rip-7],0xf4 (hlt): its own first byte; syscall
    machine.runToSyscall();
    expect(machine.read(CODE, 1)[0]).toBe(0xf4);
    machine.cpu.state.rip = CODE;
    expect(machine.cpu.run(10)).toBe(ExitReason.PRIVILEGED);
  });

  it.each([
    ["pop [rip+1]", "8f 05 01 00 00 00", 0xb8],
    ["add [rip+1],rax", "48 01 05 01 00 00 00", 0xb8],
    ["xchg [rip+1],rax", "48 87 05 01 00 00 00", 0xb8],
    ["cmpxchg [rip+1],rcx", "48 0f b1 0d 01 00 00 00", 0xb8],
  ])("by %s is done once and is seen", (_name, store, _byte) => {
    const machine = new TestMachine();
    machine.stack();
    // the store over the immediate of: mov eax,0; then inc edx; syscall
    const bytes = hex(store);
    machine.program([...bytes, 0xb8, 0, 0, 0, 0, ...hex("ff c2 0f 05 90 90")]);
    const after = BigInt.asUintN(64, 0x90_90_05_0f_c2_ffn << 32n) | 0x11223344n;
    const before = machine.read64(CODE + bytes.length + 1);
    machine.write64(STACK + 0x800, after);
    machine.setReg(RAX, store.startsWith("48 01") ? after - before : after);
    if (store.startsWith("48 0f")) machine.setReg(RAX, before);
    machine.setReg(RCX, after);
    machine.runToSyscall(100);
    expect(machine.reg(RAX)).toBe(0x11223344n);
    expect(machine.reg(2)).toBe(1n);
    expect(machine.cpu.retired).toBe(3);
  });

  it("through another mapping of the page counts too", () => {
    const machine = new TestMachine();
    const mfn = machine.map(CODE);
    machine.map(ALIAS, { mfn, executable: false });
    machine.program("c6 03 c8 ff c0 0f 05"); // mov byte [rbx],0xc8; inc eax; syscall
    machine.write(CODE, hex("c6 03 c8"));
    machine.setReg(RBX, ALIAS + 4);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0xffffffffn);
  });

  it("through another address space counts too", () => {
    const machine = new TestMachine();
    const mfn = machine.map(CODE);
    machine.program([...answer(1), 0x90]);
    machine.write(CODE + 5, hex("0f 05"));
    machine.runToSyscall();
    // Same frame elsewhere, in another root.
    const { space } = machine;
    const other = new (space.constructor as typeof import("../src/index.ts").AddressSpace)(machine.mmu, 2);
    other.map(DATA, { mfn });
    other.map(CODE);
    other.write(CODE, hex("c6 03 02 0f 05")); // mov byte [rbx],2; syscall
    machine.activate(other);
    machine.setReg(RBX, DATA + 1);
    machine.cpu.state.rip = CODE;
    machine.runToSyscall();
    machine.activate(space);
    machine.cpu.state.rip = CODE;
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(2n);
  });

  it("by the host is seen", () => {
    const machine = new TestMachine();
    machine.program("b8 01 00 00 00 0f 05");
    machine.runToSyscall();
    machine.program("b8 02 00 00 00 0f 05");
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(2n);
  });

  it("that mends a bad instruction anywhere in its bytes makes it work", () => {
    const machine = new TestMachine();
    machine.program("0f 24 c0 90 0f 05"); // 0f 24 is nothing
    expect(machine.runToFault()).toEqual({ vector: 6, errorCode: null, rip: CODE });
    machine.write(CODE + 1, hex("a2")); // cpuid
    machine.write(CODE + 2, hex("66 90"));
    machine.runToSyscall();
  });

  it("of data beside the code forgets no block", () => {
    const machine = new TestMachine();
    // 1: inc dword [rip+0x18]; dec ecx; jnz 1; syscall; the counter is 0x14 bytes behind
    machine.program("ff 05 18 00 00 00 ff c9 75 f6 0f 05");
    machine.setReg(RCX, 5000);
    machine.runToSyscall();
    expect(machine.read64(CODE + 0x1e)).toBe(5000n);
    expect(machine.cpu.code.blocksBuilt).toBeLessThan(20);
  });

  it("by REP STOSB over the code that follows and the instruction itself", () => {
    const machine = new TestMachine();
    machine.program([...hex("f3 aa"), ...new Array(20).fill(0xf4), 0x0f, 0x05]); // rep stosb; hlt…; syscall
    machine.setReg(RDI, CODE);
    machine.setReg(RCX, 22);
    machine.setReg(RAX, 0x90);
    machine.runToSyscall(100);
    expect(machine.cpu.retired).toBe(21);
  });

  it("by REP MOVSB repeats the pattern of an overlap", () => {
    const machine = new TestMachine();
    machine.map(CODE);
    machine.program("f3 a4 0f 05");
    machine.write(CODE + 0x100, hex("01 02 03"));
    machine.setReg(RSI, CODE + 0x100);
    machine.setReg(RDI, CODE + 0x103);
    machine.setReg(RCX, 9);
    machine.runToSyscall();
    expect([...machine.read(CODE + 0x100, 13)]).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 0]);
  });
});

describe("an instruction that crosses pages", () => {
  /** mov eax,imm32 with two bytes of the immediate in the second page; then syscall there. */
  const crossing = CODE + PAGE - 3;

  function crossingMachine(): TestMachine {
    const machine = new TestMachine();
    machine.map(CODE);
    machine.map(CODE + PAGE);
    machine.program("b8 44 33 22 11 0f 05", crossing);
    return machine;
  }

  it("runs", () => {
    const machine = crossingMachine();
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0x11223344n);
    expect(machine.cpu.retired).toBe(1);
  });

  it("sees its second page change", () => {
    const machine = crossingMachine();
    machine.runToSyscall();
    machine.write(CODE + PAGE, hex("55 66"));
    machine.cpu.state.rip = crossing;
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0x66553344n);
  });

  it("sees its second page change by its neighbour's store", () => {
    const machine = crossingMachine();
    machine.setReg(RBX, CODE + PAGE);
    machine.program("66 c7 03 77 88", crossing - 5); // mov word [rbx],0x8877
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0x88773344n);
  });

  it("sees its second page remapped", () => {
    const machine = crossingMachine();
    machine.runToSyscall();
    machine.map(CODE + PAGE);
    machine.write(CODE + PAGE, hex("aa bb 0f 05"));
    machine.cpu.state.rip = crossing;
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0xbbaa3344n);
  });

  it("sees its second page remapped when a jump of its own page led to it", () => {
    const machine = crossingMachine();
    machine.program(`eb ${(crossing - CODE - 0xf80 - 2).toString(16)}`, CODE + 0xf80);
    for (let i = 0; i < 3; i++) {
      machine.cpu.state.rip = CODE + 0xf80;
      machine.runToSyscall();
    }
    machine.map(CODE + PAGE);
    machine.write(CODE + PAGE, hex("aa bb 0f 05"));
    machine.cpu.state.rip = CODE + 0xf80;
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(0xbbaa3344n);
  });

  it("has the second page of the mapping that it runs in", () => {
    const machine = crossingMachine();
    const mfn = machine.space.frameAt(CODE);
    machine.map(ALIAS, { mfn });
    machine.map(ALIAS + PAGE);
    machine.write(ALIAS + PAGE, hex("01 00 0f 05"));
    for (let i = 0; i < 3; i++) {
      machine.cpu.state.rip = crossing;
      machine.runToSyscall();
      expect(machine.reg(RAX)).toBe(0x11223344n);
      machine.cpu.state.rip = crossing - CODE + ALIAS;
      machine.runToSyscall();
      expect(machine.reg(RAX)).toBe(0x00013344n);
    }
  });

  it.each([
    ["is missing", 0x14, (machine: TestMachine) => machine.space.unmap(CODE + PAGE)],
    ["is not executable", 0x15, (machine: TestMachine) => machine.space.protect(CODE + PAGE, { executable: false })],
  ])("faults with the address of the second page where that %s", (_name, errorCode, change) => {
    const machine = crossingMachine();
    machine.runToSyscall();
    change(machine);
    machine.cpu.state.rip = crossing;
    machine.setReg(RAX, 0);
    expect(machine.runToFault()).toEqual({ vector: 14, errorCode, rip: crossing });
    expect(machine.cr2).toBe(CODE + PAGE);
    expect(machine.reg(RAX)).toBe(0n);
  });
});

describe("code whose page is remapped", () => {
  it("is fetched from the new frame, and from the old one again", () => {
    const machine = new TestMachine();
    machine.stack();
    // mov ebx,1000; 1: call CODE+0x1000; dec ebx; jnz 1; syscall
    machine.program("bb e8 03 00 00 e8 f6 0f 00 00 ff cb 75 f7 0f 05");
    const first = machine.map(CODE + PAGE);
    machine.write(CODE + PAGE, answer(1));
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(1n);
    machine.map(CODE + PAGE);
    machine.write(CODE + PAGE, answer(2));
    machine.cpu.state.rip = CODE;
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(2n);
    machine.map(CODE + PAGE, { mfn: first });
    machine.cpu.state.rip = CODE;
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(1n);
  });

  it("in the middle of a run, by a hook that stops it, is fetched after a flush", () => {
    const machine: TestMachine = new TestMachine({
      hooks: {
        rdtsc: () => {
          machine.map(CODE + PAGE);
          machine.write(CODE + PAGE, answer(2));
          machine.cpu.requestStop();
          return 0;
        },
      },
    });
    machine.stack();
    // call CODE+0x1000 (twice); rdtsc; call CODE+0x1000; syscall
    machine.program("e8 fb 0f 00 00 e8 f6 0f 00 00 0f 31 e8 ef 0f 00 00 0f 05");
    machine.map(CODE + PAGE);
    machine.write(CODE + PAGE, answer(1));
    expect(machine.cpu.run(100)).toBe(ExitReason.STOPPED);
    expect(machine.cpu.retired).toBe(7);
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(2n);
  });

  it("and freed is forgotten before the frame is used again", () => {
    const machine = new TestMachine();
    const mfn = machine.map(CODE);
    machine.program("b8 01 00 00 00 0f 05");
    machine.runToSyscall();
    machine.space.unmap(CODE);
    machine.mmu.frames.free(mfn);
    expect(machine.map(CODE)).toBe(mfn);
    machine.mmu.memory.u8.set(hex("b8 02 00 00 00 0f 05"), machine.mmu.frames.hostAddress(mfn));
    machine.cpu.state.rip = CODE;
    machine.runToSyscall();
    expect(machine.reg(RAX)).toBe(2n);
  });
});

describe("a code cache that is too small", () => {
  it("forgets everything when it is full, and the program does not notice", () => {
    const run = (codeCacheBytes: number) => {
      const machine = new TestMachine({ codeCacheBytes });
      // Each of 512 pieces adds its number to RAX and jumps to the next, in pages all over the place; then round again.
      const pieces = 512;
      const at = (i: number) => CODE + ((i * 37) % pieces) * 0x240;
      for (let page = 0; page < (pieces * 0x240) / PAGE; page++) machine.map(CODE + page * PAGE);
      for (let i = 0; i < pieces; i++) {
        const jump = at((i + 1) % pieces) - (at(i) + 16);
        // add eax,i+1; dec ebx; jz to the end; nop; nop; jmp to the next piece; syscall
        const code = [0x05, ...new Uint8Array(Int32Array.of(i + 1).buffer), 0xff, 0xcb, 0x74, 7, 0x90, 0x90, 0xe9];
        machine.write(at(i), [...code, ...new Uint8Array(Int32Array.of(jump).buffer), 0x0f, 0x05]);
      }
      machine.cpu.state.rip = at(0);
      machine.setReg(RBX, pieces * 20);
      machine.cpu.retired = 0;
      machine.runToSyscall();
      expect(machine.reg(RAX)).toBe(BigInt(((pieces * (pieces + 1)) / 2) * 20));
      expect(machine.cpu.retired).toBe(pieces * 20 * 6 - 3);
      return machine.cpu.code;
    };
    expect(run(64 << 10).flushes).toBeGreaterThan(20);
    expect(run(1 << 20).flushes).toBe(0);
  });

  it("does not link a jump to the block whose decoding has made it forget the jump", () => {
    let atTheJump = 0;
    for (let fillers = 20; fillers < 30; fillers++) {
      const machine = new TestMachine({ codeCacheBytes: 64 << 10 });
      machine.map(DATA);
      machine.setReg(RBX, DATA);
      machine.setReg(RCX, fillers);
      // test rcx,rcx; jz CODE+0x100; dec rcx; jmp [rbx+rcx*8]
      machine.program("48 85 c9 0f 84 f7 00 00 00 48 ff c9 ff 24 cb");
      // nop; jmp +0; mov rax,[rbx]; syscall: the jump's record comes where that of the jz was.
      machine.write(CODE + 0x100, hex("90 eb 00 48 8b 03 0f 05"));
      for (let i = 0; i < fillers; i++) {
        const va = CODE + (i + 1) * PAGE;
        machine.map(va);
        const back = new Uint8Array(Int32Array.of(CODE - (va + 65)).buffer);
        machine.write(va, [...new Array(60).fill(0x90), 0xe9, ...back]);
        machine.write64(DATA + i * 8, BigInt(va));
      }
      machine.runToSyscall(10_000);
      expect(machine.reg(RAX)).toBe(BigInt(CODE + PAGE));
      expect(machine.cpu.retired).toBe(65 * fillers + 5);
      if (machine.cpu.code.flushes === 1) atTheJump++;
    }
    expect(atTheJump).toBeGreaterThan(0);
  });

  it("is refused", () => {
    expect(() => new TestMachine({ codeCacheBytes: 1000 })).toThrow(RangeError);
  });
});
