#!/usr/bin/env node
process.argv.splice(2, 0, "rm");
await import("../dist/xenstore.js");
