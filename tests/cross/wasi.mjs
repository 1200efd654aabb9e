// Runs a program that was built for WASI, with the whole file system: node wasi.mjs PROGRAM.wasm ARGUMENTS...
import fs from "node:fs";
import { WASI } from "node:wasi";

const args = process.argv.slice(2);
const { SIDELIGHT_TEST_LEVELS } = process.env;
const env = SIDELIGHT_TEST_LEVELS ? { SIDELIGHT_TEST_LEVELS } : {};
const wasi = new WASI({ version: "preview1", args, env, preopens: { "/": "/" } });
const module = await WebAssembly.compile(fs.readFileSync(args[0]));
// Debian's C library lacks the functions of threads that std asks for: there are none to start, as EAGAIN says.
const missing = WebAssembly.Module.imports(module).filter(({ module }) => module === "env");
const absent = Object.fromEntries(missing.map(({ name }) => [name, () => (name === "pthread_create" ? 6 : 0)]));
const instance = await WebAssembly.instantiate(module, { ...wasi.getImportObject(), env: absent });
process.exitCode = wasi.start(instance);
