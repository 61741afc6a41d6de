// A console without a guest: the frontend prints, the backend answers.
import { ConsoleBackend, ConsoleFrontend } from "@xen-node/console";

const page = new Uint8Array(4096);
const backend = new ConsoleBackend(
  { bytes: page, notify: () => {} }, // on a machine: send the event to the guest's port
  { output: (bytes) => process.stdout.write(bytes) },
);
const guest = new ConsoleFrontend({ bytes: page, notify: () => backend.onEvent() });

guest.write(new TextEncoder().encode("login: "));
backend.write(new TextEncoder().encode("root\n"));
process.stdout.write(guest.read() ?? "");
