import { type Assembler, byte, eax, ecx, edx, qword, r8, rax, rbx, rcx, rdi, rdx } from "@xen-node/x86-assembler";
import { NS_PER_MS } from "../clock.ts";
import { callWithText } from "../hypercall.ts";

const BELOW = 4_000_000;
const ROOT = Math.ceil(Math.sqrt(BELOW));

/** The sieve of Eratosthenes: a byte a number, 1 for those that are not prime. */
export function emitPrimes(a: Assembler): void {
  a.reserve("sieve", BELOW, 4096);

  a.label("primes");
  a.push(rbx);
  a.call("now");
  a.push(rax);
  a.lea(rdi, qword("sieve"));
  a.op("xor", eax, eax);
  a.mov(ecx, BELOW / 8);
  a.emit("cld", "repStosq");
  a.lea(r8, qword("sieve"));
  a.mov(ecx, 2);
  a.label("primes.factor");
  a.op("cmp", byte(r8, 0, { register: rcx, scale: 1 }), 0);
  a.jump("ne", "primes.next_factor");
  a.mov(rax, rcx);
  a.unary("mul", rax);
  a.label("primes.mark");
  a.op("cmp", rax, BELOW);
  a.jump("ae", "primes.next_factor");
  a.mov(byte(r8, 0, { register: rax, scale: 1 }), 1);
  a.op("add", rax, rcx);
  a.jmp("primes.mark");
  a.label("primes.next_factor");
  a.inc(rcx);
  a.op("cmp", rcx, ROOT);
  a.jump("be", "primes.factor");

  a.op("xor", edx, edx);
  a.mov(ecx, 2);
  a.label("primes.count");
  a.movzx(eax, byte(r8, 0, { register: rcx, scale: 1 }));
  a.op("sub", rdx, rax);
  a.inc(rcx);
  a.op("cmp", rcx, BELOW);
  a.jump("b", "primes.count");
  // All numbers but 0 and 1, less those that were marked.
  a.lea(rbx, qword(rdx, BELOW - 2));

  a.call("now");
  a.pop(rcx);
  a.op("sub", rax, rcx);
  a.push(rax);
  a.mov(rdi, rbx);
  a.call("print_decimal");
  callWithText(a, "print", ` primes below ${BELOW}, found in `);
  a.pop(rax);
  a.op("xor", edx, edx);
  a.mov(ecx, NS_PER_MS);
  a.unary("div", rcx);
  a.mov(rdi, rax);
  a.call("print_decimal");
  callWithText(a, "print", " ms\n");
  a.pop(rbx);
  a.emit("ret");
}
