// Verifies client tokens with jose, each with the key that its header names. Writes one line for each: its JOSE header
// and its claims set, or why it is rejected.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.DIFFERENTIAL_MODULES}/x.js`);
const { jwtVerify } = await import(pathToFileURL(require.resolve("jose")));

const task = JSON.parse(readFileSync(0, "utf8"));
const key = (header) => new TextEncoder().encode(task.keys[header.kid ?? ""]);
const options = { algorithms: ["HS256"], audience: task.audience, requiredClaims: ["exp", "iat", "nbf"] };

for (const encoded of task.tokens) {
  const token = Buffer.from(encoded, "base64").toString();
  try {
    const { protectedHeader, payload } = await jwtVerify(token, key, options);
    console.log(JSON.stringify({ header: protectedHeader, claims: payload }));
  } catch (error) {
    console.log(`rejected: ${error.code ?? error.name}: ${error.message}`.split("\n")[0]);
  }
}
