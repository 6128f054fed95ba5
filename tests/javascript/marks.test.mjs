// Plans on the desk's chart: what a mark says when it is pointed at, whether or not its label found a place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { functions } from "./sources.mjs";

const { drawMarks, isInside, nearestMark } = functions(
  ["shared/format.js", "shared/place.js", "explore/mixer/draw.js", "explore/mixer/marks.js"],
  ["drawMarks", "isInside", "nearestMark"],
);
const MARKS = [
  { x: 40, y: 50, words: "Unpruned" },
  { x: 100, y: 80, words: "Pinned: First", label: "First" },
  { x: 102, y: 81, words: "Pinned: Second", label: "Second" },
];

test("a mark is told with what lies on it, and nothing where none is near", () => {
  assert.equal(nearestMark(MARKS, 45, 52).words, "Unpruned");
  assert.equal(nearestMark(MARKS, 98, 80).words, "Pinned: First; Pinned: Second");
  assert.equal(nearestMark(MARKS, 200, 80), undefined);
});

// A pen that notes what it writes where; letters are 7 pixels wide.
function noting(written) {
  const pen = {
    measureText: (words) => ({ width: 7 * words.length }),
    fillText: (words, x, y) => written.push({ words, x, y }),
  };
  for (const name of ["beginPath", "arc", "rect", "fill", "stroke", "strokeText"]) pen[name] = () => {};
  return pen;
}

test("labels are written apart, and a crowd keeps some of them back", () => {
  const area = { left: 30, top: 2, width: 280, height: 200 };
  const look = { text: "#000", ground: "#fff" };
  const written = [];
  drawMarks(noting(written), MARKS, area, look);
  assert.deepEqual(written.map(({ words }) => words), ["First", "Second"]);
  assert.ok(Math.abs(written[0].y - written[1].y) >= 13 || Math.abs(written[0].x - written[1].x) >= 35);
  const crowd = Array.from({ length: 20 }, (_, index) => ({ x: 150, y: 100, words: `${index}`, label: `Plan number ${index}` }));
  written.length = 0;
  const boxes = drawMarks(noting(written), crowd, area, look);
  assert.ok(written.length >= 1 && written.length < 20);
  assert.ok(boxes.slice(20).every((box) => isInside(box, area)));
});
