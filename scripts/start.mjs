// `npm start`: from a fresh clone to a guest's shell prompt. Arguments go to `xen-node run`.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { bootstrap, build, root } from "./bootstrap.mjs";

bootstrap();
build({ only: "xen-node..." });
// A process of its own, so that the boot time that it prints is the runner's and not the build's.
const cli = join(root, "apps", "xen-node", "dist", "cli.js");
const runner = spawn(process.execPath, [cli, "run", ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(signal, () => runner.kill(signal));
runner.on("close", (status, signal) => process.exit(status ?? 128 + constants.signals[signal]));
