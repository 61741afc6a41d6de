import {
  type Assembler,
  byte,
  dl,
  eax,
  ecx,
  edi,
  edx,
  esi,
  qword,
  r8,
  r9,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
} from "@xen-node/x86-assembler";

/** 64 binary digits would be the most. */
const NUMBER_BYTES = 72;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const MINUS = 0x2d;

/** Texts and numbers on the console. */
export function emitPrint(a: Assembler): void {
  // rdi: text up to its NUL; a newline goes out as return and newline.
  a.label("print");
  a.push(rbx);
  a.mov(rbx, rdi);
  a.label("print.next");
  a.movzx(edi, byte(rbx));
  a.op("cmp", edi, NEWLINE);
  a.jump("ne", "print.put");
  a.mov(edi, RETURN);
  a.call("put");
  a.mov(edi, NEWLINE);
  a.label("print.put");
  a.test(edi, edi);
  a.jump("e", "print.done");
  a.call("put");
  a.inc(rbx);
  a.jmp("print.next");
  a.label("print.done");
  a.pop(rbx);
  a.emit("ret");

  // rdi: unsigned number.
  a.label("print_decimal");
  a.mov(esi, 1);
  // rdi: unsigned number, esi: fewest digits.
  a.label("print_padded");
  a.mov(ecx, 10);
  a.jmp("print_number");
  // rdi: unsigned number, esi: fewest digits.
  a.label("print_hex");
  a.push(rdi);
  a.push(rsi);
  a.lea(rdi, qword(a.text("0x")));
  a.call("print");
  a.pop(rsi);
  a.pop(rdi);
  a.mov(ecx, 16);

  // rdi: unsigned number, esi: fewest digits, rcx: base.
  a.label("print_number");
  a.op("sub", rsp, NUMBER_BYTES);
  a.lea(r8, qword(rsp, NUMBER_BYTES - 1));
  a.mov(byte(r8), 0);
  a.lea(r9, qword("digits"));
  a.mov(rax, rdi);
  a.label("print_number.digit");
  a.op("xor", edx, edx);
  a.unary("div", rcx);
  a.mov(dl, byte(r9, 0, { register: rdx, scale: 1 }));
  a.dec(r8);
  a.mov(byte(r8), dl);
  a.dec(esi);
  a.test(rax, rax);
  a.jump("ne", "print_number.digit");
  a.op("cmp", esi, 0);
  a.jump("g", "print_number.digit");
  a.mov(rdi, r8);
  a.call("print");
  a.op("add", rsp, NUMBER_BYTES);
  a.emit("ret");

  // rdi: signed number.
  a.label("print_signed");
  a.test(rdi, rdi);
  a.jump("ns", "print_decimal");
  a.push(rdi);
  a.mov(edi, MINUS);
  a.call("put");
  a.pop(rdi);
  a.unary("neg", rdi);
  a.jmp("print_decimal");

  a.label("digits");
  a.data(new TextEncoder().encode("0123456789abcdef"));

  // rdi, rsi: texts. -> ZF if the word at rdi, up to a space or NUL, is all of the text at rsi; then rdi is behind it.
  a.label("starts_with_word");
  a.movzx(eax, byte(rdi));
  a.movzx(ecx, byte(rsi));
  a.test(ecx, ecx);
  a.jump("e", "starts_with_word.end");
  a.op("cmp", eax, ecx);
  a.jump("ne", "starts_with_word.done");
  a.inc(rdi);
  a.inc(rsi);
  a.jmp("starts_with_word");
  a.label("starts_with_word.end");
  a.test(eax, eax);
  a.jump("e", "starts_with_word.done");
  a.op("cmp", eax, 0x20);
  a.label("starts_with_word.done");
  a.emit("ret");
}
