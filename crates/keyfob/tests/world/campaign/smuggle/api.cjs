// A server on Node's own HTTP, lenient on demand, that writes down what it read, and answers with it.
const fs = require("fs");
const http = require("http");

const [path, kind] = process.argv.slice(2);
const record = fs.openSync(path, "a");
const lenient = kind === "lenient node";

const server = http.createServer(
  { insecureHTTPParser: lenient, requireHostHeader: !lenient, keepAliveTimeout: 75000 },
  (request, response) => {
    const pieces = [];
    let written = false;
    const write = (body) => {
      if (written) return;
      written = true;
      const line = { id: request.headers["x-request-id"] ?? "", method: request.method, target: request.url, body };
      fs.writeSync(record, JSON.stringify(line) + "\n");
    };
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      write(Buffer.concat(pieces).toString("hex"));
      response.end(`has-read ${request.method} ${request.url}\n`);
    });
    request.on("close", () => write(null));
    request.on("error", () => write(null));
  },
);
server.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
