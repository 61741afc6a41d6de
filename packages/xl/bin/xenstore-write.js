#!/usr/bin/env node
process.argv.splice(2, 0, "write");
await import("../dist/xenstore.js");
