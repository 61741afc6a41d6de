import type { GuestProgram, GuestRuntime } from "@xen-node/guest-runtime";
import { Machine } from "@xen-node/toolstack";

class Hello implements GuestProgram {
  constructor(private readonly runtime: GuestRuntime) {}

  async run(): Promise<void> {
    const { console, timers, domid } = this.runtime;
    await console.print(`Hello from domain ${domid}. Who are you?`);
    const name = await console.readLine();
    await timers.sleep(10_000_000);
    await console.print(`Good bye, ${name}.`);
  }
}

const machine = new Machine({ guestMemoryMiB: 16 });
const guest = await machine.createTypeScriptGuest({ name: "hello" }, Hello, { onEnd: () => machine.stop() });
guest.console.onOutput((bytes) => process.stdout.write(bytes));
guest.console.write(new TextEncoder().encode("Ada\n"));
machine.start();
