// The studio: one page, rendered on the server with what the other services say. A plain Node server under `type: nextjs`.
const { createServer } = require("node:http");

async function page() {
  const ask = async (url) => (await fetch(url, { signal: AbortSignal.timeout(5000) })).json();
  const [rest, counts] = await Promise.all([ask("http://rest:3000/health"), ask("http://analytics:4000/counts")]);
  const rows = Object.entries(counts).map(([event, count]) => `<li>${event.replace(/[&<>]/g, "")}: ${count}</li>`);
  return `<!doctype html><title>Studio</title><p>API: ${process.env.GATEWAY_URL}, rest is ${rest.state}</p><ul>${rows.join("")}</ul>`;
}

createServer(async (request, response) => {
  const body = await page().catch((error) => `<!doctype html><title>Studio</title><p>Not all is there: ${error.message}</p>`);
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(body);
}).listen(Number(process.env.PORT));
