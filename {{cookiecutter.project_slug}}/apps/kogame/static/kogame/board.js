// Draws a state of Kogame on a canvas. A unit is a cell, except that names are drawn in pixels.

const MOVES = { up: [0, -1], down: [0, 1], left: [-1, 0], right: [1, 0] };
// A colour of any hue is as light as the others, and distinct from a light and from a dark ground.
const colour = (hue) => `oklch(0.64 0.17 ${hue})`;

function centres(cells, [width]) {
  return cells.map((cell) => [(cell % width) + 0.5, Math.floor(cell / width) + 0.5]);
}

// Return where the snake will be after the next step, if it survives it.
function ahead(snake, heading, { food, size }) {
  const cells = centres(snake.body, size);
  const head = [cells[0][0] + MOVES[heading][0], cells[0][1] + MOVES[heading][1]];
  const eats = food.includes(Math.floor(head[1]) * size[0] + Math.floor(head[0]));
  return [head, ...(eats ? cells : cells.slice(0, -1))];
}

// Return the line of a snake between two steps: only its ends move.
function between(before, after, part) {
  const mix = ([x, y], [toX, toY]) => [x + (toX - x) * part, y + (toY - y) * part];
  return [mix(before[0], after[0]), ...after.slice(1), mix(before.at(-1), after.at(-1))];
}

function stroke(context, points, width, style) {
  [context.lineWidth, context.strokeStyle] = [width, style];
  context.beginPath();
  points.forEach(([x, y]) => context.lineTo(x, y));
  context.stroke();
}

function dot(context, x, y, radius, style) {
  context.fillStyle = style;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function drawSnake(context, snake, points, heading, outline) {
  context.globalAlpha = snake.away ? 0.45 : 1;
  if (outline) stroke(context, points, 1.1, outline);
  stroke(context, points, 0.8, colour(snake.hue));
  const [[x, y], [right, down]] = [points[0], MOVES[heading]];
  dot(context, x, y, 0.46, colour(snake.hue));
  for (const side of [-0.22, 0.22]) {
    const [eyeX, eyeY] = [x + down * side, y + right * side];
    dot(context, eyeX, eyeY, 0.2, "#fff");
    dot(context, eyeX + right * 0.08, eyeY + down * 0.08, 0.11, "#111");
  }
}

function drawName(context, snake, [x, y], own, scale, { color, backgroundColor }) {
  const text = snake.away ? `${snake.name} (away)` : snake.name;
  context.font = `${own ? 700 : 400} ${12 * devicePixelRatio}px system-ui, sans-serif`;
  const half = context.measureText(text).width / 2 + 4;
  const left = Math.max(half, Math.min(x * scale, context.canvas.width - half));
  const top = (y < 2 ? y + 1.3 : y - 1.3) * scale;
  [context.strokeStyle, context.fillStyle] = [backgroundColor, color];
  context.strokeText(text, left, top);
  context.fillText(text, left, top);
}

// Draw `state` when `part` of a step (0 to 1) has passed since it arrived. The snake of `player` is on
// its way to where the next state will put it, the others are on their way from the previous one.
function draw(canvas, { state, previous, part, player, heading, calm, now }) {
  const { size, snakes, food } = state;
  const pixels = Math.round(canvas.clientWidth * devicePixelRatio);
  const scale = pixels / size[0];
  if (canvas.width !== pixels) [canvas.width, canvas.height] = [pixels, size[1] * scale];
  const [context, style] = [canvas.getContext("2d"), getComputedStyle(canvas)];
  context.clearRect(0, 0, canvas.width, canvas.height);
  [context.lineCap, context.lineJoin] = ["round", "round"];
  [context.textAlign, context.textBaseline] = ["center", "middle"];
  // The own snake is drawn last, above the others.
  const ids = Object.keys(snakes).sort((a, b) => (a === player) - (b === player));
  const shown = ids.map((id) => {
    const [snake, own] = [snakes[id], id === player];
    const cells = centres(snake.body, size);
    const before = own ? cells : centres((previous?.snakes[id] ?? snake).body, size);
    const after = own && !snake.away ? ahead(snake, heading, state) : cells;
    return { snake, own, points: calm ? cells : between(before, after, part) };
  });
  // Names are below everything else, so that they hide no snake and no food.
  context.lineWidth = 4 * devicePixelRatio; // of the ground round a name
  shown.forEach(({ snake, own, points }) => drawName(context, snake, points[0], own, scale, style));
  context.save();
  context.scale(scale, scale);
  for (const [x, y] of centres(food, size)) {
    const pulse = calm ? 0 : 0.06 * Math.sin(now / 200 + x);
    dot(context, x, y, 0.34 + pulse, style.accentColor);
  }
  for (const { snake, own, points } of shown) {
    drawSnake(context, snake, points, own ? heading : snake.dir, own && style.color);
  }
  context.restore();
}
