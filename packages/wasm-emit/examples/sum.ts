// Assembles a module with a function that sums the 32-bit words of its memory, and runs it.
import { I32, ModuleBuilder } from "../src/index.ts";

const module = new ModuleBuilder();
module.importMemory("env", "memory", 1, 1);
const { index, body: f } = module.function(module.type([I32, I32], [I32])); // (address, end) → sum
const sum = f.local(I32);
const again = f.loop();
f.get(sum).get(0).i32_load().i32_add().set(sum);
f.get(0).i32_const(4).i32_add().tee(0).get(1).i32_lt_u().br_if(again).end();
f.get(sum);
module.exportFunction("sum", index);

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
new Int32Array(memory.buffer).set([1, 2, 3, 4]);
const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toUint8Array()), { env: { memory } });
console.log((instance.exports.sum as (address: number, end: number) => number)(0, 16)); // 10
