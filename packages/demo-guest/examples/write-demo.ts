import { writeFile } from "node:fs/promises";
import { demoGuest } from "@xen-node/demo-guest";

// An ELF file with Xen's notes, for any Xen that runs 64-bit PV guests: kernel = "demo.elf" in an xl.cfg.
const kernel = demoGuest();
await writeFile("demo.elf", kernel);
console.log(`${kernel.length} bytes`);
