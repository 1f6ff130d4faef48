// Plays Kogame: the connection and its protocol, input, and what the page says. board.js draws.

const root = document.getElementById("kogame");
const find = (selector) => root.querySelector(selector);
const [canvas, form, title, button] = ["canvas", "form", "form strong", "button"].map(find);
const [status, since, players] = ["[role=status]", ".since", ".players"].map(find);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const KEYS = { KeyW: "up", KeyS: "down", KeyA: "left", KeyD: "right" };
const PAUSES = { 1012: 300, 1013: 4000 }; // milliseconds; the server restarts, or is full
// Milliseconds until a request is repeated, until a silent socket is replaced, between two attempts.
const [PATIENCE, GIVE_UP, LONGEST] = [2000, 10000, 15000];
const [FULL, SWIPE] = [20, 20]; // snakes in a room, pixels

let room, saved, socket; // saved: the own name, and the player and the token that the server gave it
let [attempts, retryAt, problem, offline] = [0, Infinity, "", false];
let [seq, sent, turns] = [0, [], []]; // turns: to be sent, or not confirmed yet
let [joining, joined, playing] = [false, false, false]; // joined: on this socket
let [joinedAt, askedAt, frameAt] = [-Infinity, -Infinity, 0];
let [rate, tick, state, previous, listed] = [1, 0, null, null, ""];

function enter() {
  room = form.elements.room.value;
  history.replaceState(null, "", `/kogame/${room}/`);
  saved = JSON.parse(sessionStorage.getItem(`kogame:${room}`) ?? "{}");
  form.elements.name.value ||= saved.name ?? "";
  [joining, playing] = [false, false];
  connect();
}

function connect() {
  socket?.close();
  [state, turns, joined, joinedAt] = [null, [], false, -Infinity];
  [retryAt, frameAt] = [Infinity, performance.now()];
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/kogame/${room}/`);
  socket.onmessage = ({ target, data }) => target === socket && receive(JSON.parse(data));
  socket.onclose = ({ target, code, reason }) => target === socket && lose(code, reason);
}

function lose(code, reason) {
  socket.close();
  socket = null;
  // Browsers that lose their server together must not come back together.
  const wait = Math.min((PAUSES[code] ?? 1000) * 2 ** attempts++, LONGEST);
  retryAt = performance.now() + wait * (0.5 + Math.random() / 2);
  problem = code === 1013 ? "The server is full or busy." : "The connection is lost.";
  if (code === 1008) {
    problem = `The server has refused this page${reason && `: ${reason}`}.`;
    [retryAt, saved] = [Infinity, { name: saved.name }]; // The token may be the reason.
    ask("You are disconnected.", "Connect again");
  }
  watch();
}

function send(data) {
  const now = performance.now();
  sent = sent.filter((time) => time > now - 1000);
  if (socket?.readyState !== WebSocket.OPEN || sent.length >= 10) return false;
  sent.push(now);
  socket.send(JSON.stringify({ seq: ++seq, ...data }));
  return true;
}

// Return the target with a JSON merge patch (RFC 7386), and do not change the target.
function merge(target, patch) {
  if (typeof patch !== "object" || Array.isArray(patch)) return patch;
  const merged = typeof target === "object" && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

function receive(frame) {
  const now = performance.now();
  if (frame.token) {
    joined = true;
    saved = { ...saved, player: frame.player, token: frame.token };
    sessionStorage.setItem(`kogame:${room}`, JSON.stringify(saved));
  } else if (frame.state || (state && frame.tick === tick + 1)) {
    if (frame.state) askedAt = -Infinity;
    [frameAt, attempts, rate, tick] = [now, 0, frame.rate ?? rate, frame.tick];
    [previous, state] = [frame.state ? null : state, frame.state ?? merge(state, frame.patch)];
    follow(state.snakes[saved.player]);
  } else if (now - askedAt > PATIENCE && send({ type: "snapshot" })) askedAt = now;
}

function follow(snake) {
  if (snake) {
    seq = Math.max(seq, snake.seq ?? 0); // After a reload, a turn must still be newer than the last.
    const isOpen = ({ seq, at }) => !seq || (seq > (snake.seq ?? 0) && frameAt - at < 1000);
    turns = turns.filter(isOpen);
    sendTurn();
    joining = !joined || Boolean(snake.away);
    playing ||= !joining;
    form.hidden = playing;
  } else if (playing) {
    const death = state.deaths.find(({ player }) => player === saved.player);
    const cause = `You hit ${death?.by ?? "a wall or yourself"}: your score is ${death?.score}.`;
    ask(death ? cause : "Your snake is gone.", "Play again");
  }
  canvas.style.touchAction = playing ? "none" : ""; // A swipe must not move the page.
  ["--columns", "--rows"].forEach((name, axis) => canvas.style.setProperty(name, state.size[axis]));
  list();
  watch();
}

function ask(text, label) {
  [turns, playing, form.hidden] = [[], false, false];
  [title.textContent, button.textContent] = [text, label];
  button.focus({ preventScroll: true });
}

function list() {
  const snakes = Object.entries(state.snakes).sort(([, a], [, b]) => b.score - a.score);
  const key = JSON.stringify(snakes.map(([id, { name, score, away }]) => [id, name, score, away]));
  if (key === listed) return;
  listed = key;
  const rows = snakes.map(([id, snake]) => {
    const own = id === saved.player;
    const [row, name, score] = ["li", "span", "strong"].map((tag) => document.createElement(tag));
    name.textContent = snake.name + (snake.away ? " (away)" : own ? " (you)" : "");
    [name.dir, score.textContent, row.className] = ["auto", snake.score, own ? "own" : ""];
    row.style.setProperty("--colour", colour(snake.hue));
    row.append(name, score);
    return row;
  });
  players.replaceChildren(...rows);
}

// Do what is due, and say how things are. Screen readers read `status`, but not the seconds in `since`.
function watch() {
  const now = performance.now();
  const [silence, count] = [now - frameAt, Object.keys(state?.snakes ?? {}).length];
  if (socket && (offline || (silence > GIVE_UP && (count || !state)))) return lose(1006, "");
  if (!socket && !offline && now >= retryAt) connect();
  const join = { type: "join", name: saved.name, token: saved.token };
  if (joining && now - joinedAt > PATIENCE && send(join)) joinedAt = now;
  const seconds = Math.round((socket ? silence : retryAt - now) / 1000);
  let [text, more] = [`You are ${playing ? "playing in" : "watching"} room ${room}.`, ""];
  if (offline) text = "You are offline.";
  else if (!socket) [text, more] = [problem, seconds < Infinity ? `Next try in ${seconds} s.` : ""];
  else if (!state) text = "Connecting …";
  else if (silence > 1000 && count) [text, more] = ["No news from the server", `for ${seconds} s.`];
  else if (joining) text = count < FULL ? "Joining …" : "The room is full, you are watching.";
  if (status.textContent !== text) status.textContent = text;
  since.textContent = more;
  root.classList.toggle("stale", !socket || more !== "");
}

function turn(to) {
  const snake = playing && state?.snakes[saved.player];
  if (!snake) return;
  const [[x, y], [toX, toY]] = [MOVES[turns.at(-1)?.to ?? snake.dir], MOVES[to]];
  if (x * toX + y * toY !== 0 || turns.length > 2) return; // straight on, back, or too many
  turns.push({ to });
  sendTurn();
}

// A snake turns once in a step, so the second of two quick turns waits for the first one.
function sendTurn() {
  const [next] = turns;
  if (!next || next.seq || !send({ type: "turn", to: next.to })) return;
  Object.assign(next, { seq, at: performance.now() });
}

addEventListener("keydown", (event) => {
  if (!playing || event.ctrlKey || event.altKey || event.metaKey) return;
  const to = KEYS[event.code] ?? event.code.replace("Arrow", "").toLowerCase();
  if (!(to in MOVES)) return;
  event.preventDefault();
  turn(to);
});

let start = null; // of a swipe
canvas.addEventListener("pointerdown", (event) => (start = event));
canvas.addEventListener("pointermove", (event) => {
  if (!start || !event.buttons) return;
  const [x, y] = [event.clientX - start.clientX, event.clientY - start.clientY];
  if (Math.max(Math.abs(x), Math.abs(y)) < SWIPE) return;
  turn(Math.abs(x) > Math.abs(y) ? (x < 0 ? "left" : "right") : y < 0 ? "up" : "down");
  start = event;
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.elements.room.value !== room) enter();
  else if (!socket) connect();
  saved.name = form.elements.name.value.trim();
  [joining, joinedAt] = [true, -Infinity];
  canvas.scrollIntoView({ block: "nearest" }); // A swipe on it moves the snake, and not the page.
  watch();
});

addEventListener("offline", () => (offline = true));
addEventListener("online", () => ([offline, retryAt] = [false, retryAt - LONGEST]));
setInterval(watch, 250);
enter();

// The browser calls this for each picture that it shows, and never while the tab is hidden.
requestAnimationFrame(function show(now) {
  requestAnimationFrame(show);
  if (!state) return;
  const part = Math.max(0, Math.min(((now - frameAt) * rate) / 1000, 1));
  const heading = turns[0]?.to ?? state.snakes[saved.player]?.dir;
  draw(canvas, { state, previous, part, heading, player: saved.player, calm: calm.matches, now });
});
