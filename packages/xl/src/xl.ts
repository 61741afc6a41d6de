#!/usr/bin/env node
import { daemonOptions } from "./daemon-options.ts";
import { runXl } from "./run-xl.ts";

// A reader that has seen enough (xl list | head) is no error.
process.stdout.on("error", () => {});
process.exitCode = await runXl(process.argv.slice(2), daemonOptions());
// An idle stdin must not keep the process; what is still to be written must.
process.stdin.unref?.();
