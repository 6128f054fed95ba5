// Names beside points, so that no two lie on each other. As in pruning/ui/shared/label_layout.py.

const MARK = 5; // half of what a point itself takes, in pixels

// Where each point's label goes: its box, or null where no place is free. A label never lies on another, on
// another point's mark or on what is `taken`, and stays within the area. Earlier points choose first.
// `points` have x, y and the label's width and height; `up`, `down` and `side` say how far it keeps off.
function placeLabels(points, area, taken = [], sides = ["right", "left", "above", "below"]) {
  const marks = points.map(({ x, y }) => ({ left: x - MARK, top: y - MARK, width: 2 * MARK, height: 2 * MARK }));
  const placed = [];
  return points.map((point, index) => {
    const barred = [...taken, ...placed, ...marks.filter((_, other) => other !== index)];
    const box = sides
      .map((side) => besidePoint(point, side, area))
      .find((one) => isInside(one, area) && !barred.some((other) => boxesMeet(one, other)));
    if (box) placed.push(box);
    return box ?? null;
  });
}

// Above and below it a label slides along to stay within the area.
function besidePoint({ x, y, width, height, up = 8, down = 8, side = 8 }, where, area) {
  const middle = Math.min(Math.max(x - width / 2, area.left), area.left + area.width - width);
  const left = { right: x + side, left: x - side - width }[where] ?? middle;
  const top = { above: y - up - height, below: y + down }[where] ?? y - height / 2;
  return { left, top, width, height };
}

function isInside(box, area) {
  return (
    box.left >= area.left && box.left + box.width <= area.left + area.width &&
    box.top >= area.top && box.top + box.height <= area.top + area.height
  );
}

function boxesMeet(one, other) {
  return (
    one.left < other.left + other.width && other.left < one.left + one.width &&
    one.top < other.top + other.height && other.top < one.top + one.height
  );
}
