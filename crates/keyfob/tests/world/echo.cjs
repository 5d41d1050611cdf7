// A WebSocket server that sends back what it gets, and tells which headers it was opened with.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
server.on("connection", (socket, request) => {
  socket.on("message", (data, isBinary) => {
    if (!isBinary && data.toString() === "headers") {
      socket.send(JSON.stringify(request.headers));
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
});
