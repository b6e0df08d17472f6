// Reads a list of documents from standard input; prints what AsyncAPI's own parser says of each, as JSON.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

async function told(given) {
  const { document, diagnostics } = await new Parser().parse(given);
  const problems = diagnostics.map(({ severity, code, path, message }) => ({ severity, code, path, message }));
  return { valid: document !== undefined, problems };
}

Promise.all(JSON.parse(readFileSync(0, "utf8")).map(told)).then((found) => console.log(JSON.stringify(found)));
