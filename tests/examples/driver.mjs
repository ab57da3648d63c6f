// Asks a gateway as its argument says, and prints what came of it: one JSON object.
const { module, address, count = 1, seconds = 30, body = "text", stream = false, abort = 0 } = JSON.parse(process.argv[2]);
const { proofOfWork } = await import(module);
const warned = [];
const ask = proofOfWork(fetch, { seconds, warn: (message) => warned.push(message) });

function init() {
  const headers = { authorization: "Bearer k1", "content-type": "application/json" };
  const signal = abort ? AbortSignal.timeout(abort) : undefined;
  if (body === "form") {
    const form = new FormData();
    form.append("file", new Blob(["x".repeat(5000)]), "a.txt");
    return { method: "POST", headers: { authorization: "Bearer k1" }, body: form, signal };
  }
  if (body === "stream") return { method: "POST", headers, body: new Blob(["{}"]).stream(), duplex: "half", signal };
  return { method: "POST", headers, body: JSON.stringify({ stream }), signal };
}

async function one() {
  const target = `${address}/v1/chat/completions`;
  try {
    const response = await (body === "request" ? ask(new Request(target, init())) : ask(target, init()));
    return { status: response.status, text: await response.text() };
  } catch (error) {
    return { status: 0, text: String(error?.name) };
  }
}

const began = performance.now();
const replies = await Promise.all(Array.from({ length: count }, one));
console.log(JSON.stringify({ replies, warned, milliseconds: performance.now() - began }));
