#!/usr/bin/env node
process.argv.splice(2, 0, "exists");
await import("../dist/xenstore.js");
