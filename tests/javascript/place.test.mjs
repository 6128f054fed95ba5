// Labels beside points: none lies on another, on a mark, or outside the chart.

import assert from "node:assert/strict";
import { test } from "node:test";
import { functions } from "./sources.mjs";

const { boxesMeet, isInside, placeLabels } = functions(["shared/place.js"], ["boxesMeet", "isInside", "placeLabels"]);
const AREA = { left: 30, top: 5, width: 280, height: 220 };

// The same numbers in every run.
function randomly(seed) {
  let state = seed;
  return (low, high) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return low + (state / 2147483648) * (high - low);
  };
}

function assertApart(points, taken = []) {
  const boxes = placeLabels(points, AREA, taken);
  assert.equal(boxes.length, points.length);
  boxes.forEach((box, index) => {
    if (!box) return;
    assert.ok(isInside(box, AREA));
    const marks = points.filter((_, other) => other !== index).map(({ x, y }) => ({ left: x - 5, top: y - 5, width: 10, height: 10 }));
    const others = boxes.filter((other, place) => other && place !== index);
    for (const other of [...others, ...marks, ...taken]) assert.ok(!boxesMeet(box, other));
  });
  return boxes;
}

test("no two labels meet, wherever the points lie", () => {
  const number = randomly(7);
  let left = 0;
  for (let round = 0; round < 200; round += 1) {
    const points = Array.from({ length: 12 }, () => ({
      x: number(AREA.left, AREA.left + AREA.width), y: number(AREA.top, AREA.top + AREA.height),
      width: number(20, 90), height: 13,
    }));
    left += assertApart(points, [{ left: 100, top: 100, width: 40, height: 40 }]).filter((box) => !box).length;
  }
  assert.ok(left > 0, "where it is too crowded some are left out");
});

test("a point by itself has its label at the right, at the chart's edge at the left", () => {
  const [right] = placeLabels([{ x: 100, y: 100, width: 40, height: 13 }], AREA);
  assert.deepEqual(right, { left: 108, top: 93.5, width: 40, height: 13 });
  const [left] = placeLabels([{ x: 300, y: 100, width: 40, height: 13 }], AREA);
  assert.equal(left.left, 252);
});

test("of points on one spot some labels are left out, and the first is kept", () => {
  const boxes = assertApart(Array.from({ length: 9 }, () => ({ x: 170, y: 110, width: 60, height: 13 })));
  assert.ok(boxes.some((box) => !box));
  const near = assertApart([{ x: 150, y: 110, width: 60, height: 13 }, { x: 154, y: 130, width: 60, height: 13 }]);
  assert.ok(near.every(Boolean));
});
