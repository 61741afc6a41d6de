/** Prints the forms for vector-oracle.c, one on a line: operand class, code bytes in hexadecimal, name. `all`: all immediates. */
import { vectorTestForms } from "../test/vector-forms.ts";

for (const { name, operands, code } of vectorTestForms(process.argv[2] === "all")) {
  process.stdout.write(`${operands} ${code.map((byte) => byte.toString(16).padStart(2, "0")).join("")} ${name}\n`);
}
