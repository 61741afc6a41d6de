import { describe, expect, it } from "vitest";
import type { Hypervisor } from "../src/hypervisor.ts";
import { decodeStore, StoreInstruction, StoreKind } from "../src/store-instruction.ts";
import { makeGuest, write } from "./machine.ts";

const storeKind = (hv: Hypervisor): StoreKind => {
  const store = new StoreInstruction();
  decodeStore(hv, store);
  return store.kind;
};

const cases: [name: string, bytes: number[], kind: StoreKind][] = [
  ["mov %rax, (%rdi)", [0x48, 0x89, 0x07], StoreKind.move],
  ["mov %eax, (%rdi)", [0x89, 0x07], StoreKind.single],
  ["mov %rax, %gs:(%rdi)", [0x65, 0x48, 0x89, 0x07], StoreKind.single],
  ["movb $1, (%rdi)", [0xc6, 0x07, 0x01], StoreKind.single],
  ["xchg %rax, (%rdi)", [0x48, 0x87, 0x07], StoreKind.exchange],
  ["lock cmpxchg %rcx, 8(%rsi)", [0xf0, 0x48, 0x0f, 0xb1, 0x4e, 0x08], StoreKind.single],
  ["lock btr $1, (%rdi)", [0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01], StoreKind.single],
  ["lock andq $-3, (%rdi)", [0xf0, 0x48, 0x83, 0x27, 0xfd], StoreKind.single],
  ["not %gs:(%rdi)", [0x65, 0x48, 0xf7, 0x17], StoreKind.single],
  ["rep movsq", [0xf3, 0x48, 0xa5], StoreKind.repeated],
  ["rep stosb at the end of what is mapped", [0xf3, 0xaa], StoreKind.repeated],
  ["cmp $1, (%rdi)", [0x83, 0x3f, 0x01], StoreKind.other],
  ["mov %rax, %rdi", [0x48, 0x89, 0xc7], StoreKind.other],
  ["movsq", [0x48, 0xa5, 0x90], StoreKind.other],
  ["pushq (%rdi)", [0xff, 0x37, 0x90], StoreKind.other],
  ["cmpxchg16b (%rdi)", [0x48, 0x0f, 0xc7, 0x0f], StoreKind.other],
  ["movups %xmm0, (%rdi)", [0x0f, 0x11, 0x07], StoreKind.other],
  ["fxsave (%rdi)", [0x0f, 0xae, 0x07], StoreKind.other],
  ["bt $1, (%rdi)", [0x0f, 0xba, 0x27, 0x01], StoreKind.other],
];

describe("what an instruction stores", () => {
  const guest = makeGuest();
  it.each(cases)("%s", (_name, bytes, kind) => {
    write(guest, guest.hv.regs.rip, [...bytes, 0x90, 0x90]);
    expect(storeKind(guest.hv)).toBe(kind);
  });

  it.each<[string, number[], number, number, number]>([
    ["mov %rax, (%rdi)", [0x48, 0x89, 0x07], 3, 0, 0],
    ["mov %r13, 8(%r12)", [0x4d, 0x89, 0x6c, 0x24, 0x08], 5, 13, 0],
    ["mov %rbx, 0x12345678(%rip)", [0x48, 0x89, 0x1d, 0x78, 0x56, 0x34, 0x12], 7, 3, 0],
    ["mov %rbp, 0x100(%rsi,%rcx,8)", [0x48, 0x89, 0xac, 0xce, 0x00, 0x01, 0x00, 0x00], 8, 5, 0],
    ["mov %rdx, 0x40(,%rcx,8)", [0x48, 0x89, 0x14, 0xcd, 0x40, 0x00, 0x00, 0x00], 8, 2, 0],
    ["mov %rax, 0(%rbp)", [0x48, 0x89, 0x45, 0x00], 4, 0, 0],
    ["xchg %r8, (%rdi,%rax)", [0x4c, 0x87, 0x04, 0x07], 4, 8, 0],
    ["movq $0, 8(%rdi)", [0x48, 0xc7, 0x47, 0x08, 0, 0, 0, 0], 8, -1, 0],
    ["movq $-2, (%rdi)", [0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff], 7, -1, -2],
  ])("knows what %s stores", (_name, bytes, length, register, immediate) => {
    write(guest, guest.hv.regs.rip, [...bytes, 0x90, 0x90]);
    const store = new StoreInstruction();
    store.immediate = 0;
    decodeStore(guest.hv, store);
    expect([store.length, store.register, store.immediate]).toEqual([length, register, immediate]);
  });

  it("only REP stores are known in compatibility mode", () => {
    const { hv } = makeGuest();
    const { regs } = hv;
    regs.setSegment(1, 0xe023, 0, 0xffffffff, 0xc0fb);
    write(guest, regs.rip, [0x89, 0x07, 0x90]);
    expect(storeKind(hv)).toBe(StoreKind.other);
  });
});
