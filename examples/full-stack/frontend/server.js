// The frontend of the example: it renders one page on the server with what the API says.
// It is a plain Node server under `type: nextjs` (port 3000, health on /), because building a real Next.js application takes
// about a minute and would show nothing more about Hostess. A real one only needs its own Dockerfile in this folder.
import { createServer } from "node:http";
import { hostname } from "node:os";

const api = process.env.API_URL;
const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

async function ask(path) {
  const answer = await fetch(new URL(path, api), { signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
  return answer.json();
}

async function page() {
  const about = await ask("/");
  const ticks = await ask("/ticks?limit=5");
  const rows = ticks.map((tick) => `<li>${escaped(`${tick.sent_at} by ${tick.beat}, written by ${tick.worker}`)}</li>`);
  return `<!doctype html><title>My platform</title><h1>My platform</h1>
<p>Version ${escaped(about.version)}, answered by ${escaped(about.host)}, rendered by ${escaped(hostname())}.</p>
<ul>${rows.join("")}</ul>`;
}

const server = createServer(async (request, response) => {
  const path = request.url.split("?")[0];
  if (path !== "/") {
    response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
    return;
  }
  let body;
  try {
    body = await page();
  } catch (error) {
    // The page is there although the API is not: this frontend is healthy, and says what is missing.
    body = `<!doctype html><title>My platform</title><h1>My platform</h1><p>The API does not answer: ${escaped(error.message)}.</p>`;
  }
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(body);
});

server.listen(Number(process.env.PORT ?? 3000), "0.0.0.0");

// Requests in hand are finished; no more are taken.
process.on("SIGTERM", () => server.close(() => process.exit(0)));
