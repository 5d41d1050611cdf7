// json-server as its own documentation starts it from a program, on a free port, over data that is thrown away.
const jsonServer = require("json-server");

const server = jsonServer.create();
server.use(jsonServer.defaults({ logger: false }));
server.use(jsonServer.bodyParser);
server.use(
  jsonServer.router({
    posts: [
      { id: 1, title: "a front door", author: "ada" },
      { id: 2, title: "a second look", author: "grace" },
    ],
    comments: [{ id: 1, body: "well said", postId: 1 }],
    profile: { name: "keyfob" },
  }),
);
const listening = server.listen(0, "127.0.0.1", () => {
  console.log(`listening on 127.0.0.1:${listening.address().port}`);
});
