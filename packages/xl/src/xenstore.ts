#!/usr/bin/env node
import { daemonOptions } from "./daemon-options.ts";
import { runXenstore } from "./run-xenstore.ts";

process.stdout.on("error", () => {});
process.exitCode = await runXenstore(process.argv.slice(2), daemonOptions());
