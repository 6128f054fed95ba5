// Plans on the desk's chart of quality against size: the unpruned model, what was measured, what is pinned.

const LABEL_HEIGHT = 13;

// Each mark with its place, its look, what it says when it is pointed at, and its label where it has one.
function marksOf(table, frame, look) {
  const dense = { x: frame.x(table.dense.bytes), y: frame.y(table.dense.perplexity), colour: look.text, shape: "round" };
  const marks = [{ ...dense, words: `Unpruned: perplexity ${perplexityText(table.dense.perplexity)}, ${sizeText(table.dense.bytes)}` }];
  for (const { levels, perplexity } of table.measured) {
    const bytes = sparseBytes(table, levels);
    const words = `Measured: perplexity ${perplexityText(perplexity)}, ${sizeText(bytes)}`;
    marks.push({ x: frame.x(bytes), y: frame.y(perplexity), colour: look.measured, shape: "round", words });
  }
  for (const { name, levels } of table.pins) {
    const { bytes, perplexity } = forecast(table, levels);
    const words = `Pinned: ${name}, forecast perplexity ${perplexityText(perplexity)}, ${sizeText(bytes)}`;
    marks.push({ x: frame.x(bytes), y: frame.y(perplexity), colour: look.text, shape: "square", words, label: shortened(name) });
  }
  return marks;
}

function shortened(name) {
  return name.length <= 16 ? name : `${name.slice(0, 15)}…`;
}

// The marks with their labels; returns the boxes of all, which no later label may lie on.
function drawMarks(pen, marks, area, look) {
  for (const { x, y, colour, shape } of marks) drawMark(pen, x, y, colour, look.ground, shape);
  const spots = marks.map(({ x, y }) => ({ left: x - MARK, top: y - MARK, width: 2 * MARK, height: 2 * MARK }));
  const named = marks.filter(({ label }) => label);
  const others = spots.filter((_, index) => !marks[index].label);
  const points = named.map(({ x, y, label }) => ({ x, y, width: pen.measureText(label).width, height: LABEL_HEIGHT }));
  const boxes = placeLabels(points, area, others);
  pen.fillStyle = look.text;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  boxes.forEach((box, index) => {
    if (!box) return;
    rimmedText(pen, named[index].label, box.left, box.top + box.height / 2, look);
  });
  return [...spots, ...boxes.filter(Boolean)];
}

// A rim in the ground's colour keeps words legible on the curves.
function rimmedText(pen, words, x, y, look) {
  pen.strokeStyle = look.ground;
  pen.lineWidth = 4;
  pen.strokeText(words, x, y);
  pen.fillText(words, x, y);
}

function nearestMark(marks, x, y) {
  const away = (mark) => Math.hypot(mark.x - x, mark.y - y);
  const [nearest] = marks.filter((mark) => away(mark) < 12).sort((one, other) => away(one) - away(other));
  if (!nearest) return undefined;
  // What lies on it is told as well.
  const together = marks.filter((mark) => Math.hypot(mark.x - nearest.x, mark.y - nearest.y) < 4);
  return { ...nearest, words: together.map(({ words }) => words).join("; ") };
}
