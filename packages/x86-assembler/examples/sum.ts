import { Assembler, eax, edi, qword, rax, rdi } from "@xen-node/x86-assembler";

// The sum of the numbers from 1 to EDI, and a table with the address of the routine.
const a = new Assembler(0x1000);
a.label("sum");
a.op("xor", eax, eax);
a.label("next");
a.op("add", eax, edi);
a.dec(edi);
a.jump("ne", "next");
a.lea(rdi, qword(a.text("done")));
a.mov(qword("result"), rax);
a.emit("ret");
a.align(8);
a.label("table");
a.address("sum");
a.reserve("result", 8);

const { bytes, labels } = a.assemble();
console.log(Buffer.from(bytes).toString("hex"));
console.log(labels.get("sum"), labels.get("result"));
