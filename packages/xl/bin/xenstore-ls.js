#!/usr/bin/env node
process.argv.splice(2, 0, "ls");
await import("../dist/xenstore.js");
